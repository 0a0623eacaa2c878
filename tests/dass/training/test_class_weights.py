"""Weights of classes: checked against torch's own weighted cross-entropy."""

import pytest
import torch
import torch.nn.functional as F

from dass.data.task import Split
from dass.errors import InvalidConfig
from dass.networks.resnet import ResNet, initialise
from dass.space.spaces import micro
from dass.training.batches import Online
from dass.training.class_weights import balancing_weights
from dass.training.distillation import train
from dass.training.losses import kd_loss
from dass.training.recipe import Recipe

LABELS = torch.tensor([0] * 9 + [1] * 3 + [2] * 4)
LOGITS = torch.randn(16, 3, generator=torch.Generator().manual_seed(0))
TEACHER = torch.randn(16, 3, generator=torch.Generator().manual_seed(1))


def test_each_class_weighs_the_same_and_an_image_1_on_average():
    weights = torch.tensor(balancing_weights(LABELS, classes=3))
    totals = weights * LABELS.bincount()
    assert torch.allclose(totals, totals.mean().expand(3))
    assert float(weights[LABELS].mean()) == pytest.approx(1)
    assert balancing_weights(torch.arange(6) % 3, classes=3) == (1.0, 1.0, 1.0)


def test_the_label_part_is_torch_s_weighted_cross_entropy_over_all_images():
    weights = torch.tensor(balancing_weights(LABELS, classes=3))
    loss = kd_loss(LOGITS, TEACHER, LABELS, temperature=6.0, hard_weight=1.0,
                   class_weights=weights)  # fmt: skip
    assert float(loss) == pytest.approx(float(F.cross_entropy(LOGITS, LABELS, weight=weights)))
    assert float(loss) != pytest.approx(float(F.cross_entropy(LOGITS, LABELS)))


def test_in_a_batch_an_image_counts_by_its_class_whatever_the_others_are():
    weights, rows = torch.tensor(balancing_weights(LABELS, classes=3)), torch.tensor([0, 1, 10])
    summed = F.cross_entropy(LOGITS[rows], LABELS[rows], weight=weights, reduction="sum")
    loss = kd_loss(LOGITS[rows], TEACHER[rows], LABELS[rows], temperature=6.0, hard_weight=1.0,
                   class_weights=weights)  # fmt: skip
    assert float(loss) == pytest.approx(float(summed) / 3)


def test_what_is_learned_of_the_teacher_is_not_weighed():
    losses = [
        kd_loss(LOGITS, TEACHER, LABELS, temperature=6.0, hard_weight=0.0, class_weights=each)
        for each in (None, torch.tensor([1.0, 7.0, 3.0]))
    ]
    assert losses[0].equal(losses[1])


def test_a_training_follows_the_weights_of_its_recipe():
    def gradient(**settings):
        network = ResNet(micro(), micro().smallest, num_classes=3)
        initialise(network, generator=torch.Generator().manual_seed(0))
        images = torch.randint(0, 256, (16, 3, 8, 8), dtype=torch.uint8,
                               generator=torch.Generator().manual_seed(2))  # fmt: skip
        batches = Online(Split(images, LABELS), padding=0, flip=False)
        recipe = Recipe(epochs=1, batch_size=16, hard_weight=1.0, **settings)
        (epoch,) = train(network, batches, recipe=recipe, seed=0)
        return epoch.loss, network.fc.bias.detach()

    loss, bias = gradient()
    same, as_ones = gradient(class_weights=(1.0, 1.0, 1.0))
    assert same == pytest.approx(loss) and torch.allclose(bias, as_ones, atol=1e-6)
    other, weighed = gradient(class_weights=(0.01, 0.01, 5.0))
    assert other != pytest.approx(loss) and weighed[2] > bias[2]


def test_weights_that_do_not_fit_are_a_sentence():
    network = ResNet(micro(), micro().smallest, num_classes=3)
    batches = Online(Split(torch.zeros(2, 3, 8, 8, dtype=torch.uint8), LABELS[:2]), padding=0,
                     flip=False)  # fmt: skip
    recipe = Recipe(epochs=1, batch_size=2, hard_weight=1.0, class_weights=(1.0, 2.0))
    with pytest.raises(InvalidConfig, match="each of the 3 classes, but got 2"):
        next(train(network, batches, recipe=recipe, seed=0))
    with pytest.raises(InvalidConfig, match="class_weights > 0"):
        Recipe(class_weights=(1.0, 0.0))
    with pytest.raises(InvalidConfig, match="class 2 of 4 has none"):
        balancing_weights(torch.tensor([0, 1, 3]), classes=4)


def test_a_recipe_without_weights_keeps_its_name_and_says_nothing_of_them():
    assert Recipe().name == "kd50-6dcf505c"
    assert "class_weights" not in Recipe().to_dict()
    weighed = Recipe(class_weights=(0.5, 2.0))
    assert weighed.name not in (Recipe().name, Recipe(class_weights=(2.0, 0.5)).name)
    assert Recipe(**weighed.to_dict() | {"class_weights": (0.5, 2.0)}) == weighed
