"""Training: the loss, the feeds, reproducibility and resuming."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from dass.data.task import Split
from dass.errors import DivergedTraining, InvalidConfig
from dass.networks.onnx import run_onnx, to_onnx
from dass.networks.remap import student
from dass.networks.resnet import ResNet, initialise
from dass.training.batches import Cached, Online, training_batches
from dass.training.distillation import train
from dass.training.inference import accuracy
from dass.training.losses import kd_loss
from dass.training.recipe import Recipe, learning_rate

RECIPE = Recipe(epochs=4, batch_size=16, padding=1, teacher_logits="views", views=3)


def fresh(teacher):
    return student(teacher.network, teacher.network.space.smallest).train()


def run(teacher, digits, *, seed=0, state=None, recipe=RECIPE):
    network = fresh(teacher)
    source = training_batches(digits.train, recipe, teacher=teacher.network, flip=False)
    epochs = train(network, source, recipe=recipe, seed=seed, state=state)
    return network, epochs


def test_kd_loss_is_zero_for_equal_logits_and_cross_entropy_at_hard_weight_one():
    z = torch.randn(8, 5, generator=torch.Generator().manual_seed(0))
    y = torch.arange(8) % 5
    assert float(kd_loss(z, z, y, temperature=6.0, hard_weight=0.0)) == pytest.approx(0, abs=1e-5)
    hard = kd_loss(z, 3 * z, y, temperature=6.0, hard_weight=1.0)
    assert float(hard) == pytest.approx(float(F.cross_entropy(z, y)))


def test_a_teacher_learns_the_digits(teacher):
    assert teacher.accuracy > 0.6


@pytest.mark.parametrize("logits", ["views", "live"])
def test_training_is_reproducible_bit_for_bit(teacher, digits, logits):
    recipe = replace(RECIPE, teacher_logits=logits)
    (a, first), (b, second), (c, third) = (
        run(teacher, digits, seed=seed, recipe=recipe) for seed in (0, 0, 1)
    )
    assert [e.loss for e in first] == [e.loss for e in second] != [e.loss for e in third]
    assert all(p.equal(q) for p, q in zip(a.parameters(), b.parameters(), strict=True))
    assert not a.fc.weight.equal(c.fc.weight)


def test_a_resumed_training_ends_like_an_unbroken_one(teacher, digits):
    whole, epochs = run(teacher, digits)
    list(epochs)
    _, epochs = run(teacher, digits)
    next(epochs)
    # Contiguous, as a file gives it back: the layout must not matter.
    state = {name: tensor.clone().contiguous() for name, tensor in next(epochs).state.items()}
    resumed, rest = run(teacher, digits, state=state)
    assert [e.number for e in rest] == [3, 4]
    for name, tensor in whole.state_dict().items():
        assert tensor.equal(resumed.state_dict()[name])


def test_accuracy_counts_every_image(teacher, digits):
    guesses = torch.cat([teacher.network(x[None].float() / 127.5 - 1) for x in digits.test.images])
    right = sum(int(g.argmax() == y) for g, y in zip(guesses, digits.test.labels, strict=True))
    assert accuracy(teacher.network, digits.test) == right / len(digits.test)


def test_views_carry_the_teachers_answers_to_those_very_images(teacher, digits):
    source = Cached(digits.train, teacher=teacher.network, padding=1, flip=False, views=3, seed=0)
    with torch.no_grad():
        for x, _, logits in source.batches(16, generator=torch.Generator().manual_seed(0)):
            assert torch.allclose(teacher.network(x), logits, atol=1e-4)


def test_a_pass_has_as_many_batches_as_it_says(teacher, digits):
    source = Online(digits.train, padding=1, flip=False)
    for size in (7, 16, 1000):
        batches = list(source.batches(size, generator=torch.Generator().manual_seed(0)))
        assert len(batches) == source.steps(size)
        assert all(len(x) == min(size, len(digits.train)) for x, _, _ in batches)


def test_a_training_that_diverges_says_what_to_lower(teacher, digits):
    recipe = Recipe(epochs=3, batch_size=16, learning_rate=1e20, hard_weight=1.0, padding=0)
    space = teacher.network.space
    network = ResNet(space, space.largest, num_classes=3)
    initialise(network, generator=torch.Generator().manual_seed(0))
    source = Online(digits.train, padding=0, flip=False)
    with pytest.raises(DivergedTraining, match="learning_rate"):
        list(train(network, source, recipe=recipe, seed=0))


def test_recipes_have_one_name_only_if_they_are_the_same():
    assert Recipe().name == Recipe().name
    assert Recipe().name != Recipe(temperature=5.0).name
    assert Recipe(hard_weight=1.0).name.startswith("label")


@pytest.mark.parametrize("bad", [{"epochs": 0}, {"temperature": 0.0}, {"hard_weight": 2.0}])
def test_a_bad_recipe_names_the_rule(bad):
    with pytest.raises(InvalidConfig, match=next(iter(bad))):
        Recipe(**bad)


def test_the_learning_rate_warms_up_and_ends_at_zero():
    recipe = Recipe(epochs=10, warmup_epochs=2, learning_rate=1.0)
    assert learning_rate(recipe, 1.0) == 0.5
    assert learning_rate(recipe, 2.0) == 1.0
    assert learning_rate(recipe, 6.0) == pytest.approx(0.5)
    assert learning_rate(recipe, 10.0) == pytest.approx(0.0)


def test_a_recipe_with_a_soft_part_needs_a_teacher(digits):
    with pytest.raises(InvalidConfig, match="teacher"):
        training_batches(digits.train, Recipe(), teacher=None, flip=False)


def test_an_exported_student_computes_the_same_for_any_number_of_images(teacher, digits):
    network = fresh(teacher).eval()
    data = to_onnx(network)
    for number in (1, 5):
        x = digits.test.images[:number].float() / 127.5 - 1
        with torch.no_grad():
            assert torch.allclose(run_onnx(data, x), network(x), atol=1e-4)


def test_one_image_too_few_is_still_one_batch(teacher, digits):
    few = Split(digits.train.images[:3], digits.train.labels[:3])
    network, recipe = fresh(teacher), replace(RECIPE, epochs=1)
    source = training_batches(few, recipe, teacher=teacher.network, flip=False)
    (epoch,) = train(network, source, recipe=recipe, seed=0)
    assert epoch.images == 3
