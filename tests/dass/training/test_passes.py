"""Passes: a recorded step that is replayed does what steps taken one after another do."""

from dataclasses import replace

import pytest
import torch

from dass.networks.remap import student
from dass.training import passes
from dass.training.batches import training_batches
from dass.training.distillation import train
from dass.training.lanes import side_stream
from dass.training.passes import Replayed, Step
from dass.training.recipe import Recipe, learning_rate

RECIPE = Recipe(epochs=3, batch_size=16, padding=1, teacher_logits="views", views=3)


class Again:
    """Stands in for a recording where there is no GPU: does the work at each replay."""

    def __init__(self, work, device):
        self.replay = work


@pytest.mark.parametrize("logits", ["views", "live"])
@pytest.mark.parametrize("momentum", [0.9, 0.0])
def test_what_is_replayed_trains_as_what_is_asked_for_step_by_step(
    teacher, digits, monkeypatch, logits, momentum
):
    monkeypatch.setattr(passes, "recorded", Again)
    recipe = replace(RECIPE, teacher_logits=logits, momentum=momentum)
    source = training_batches(digits.train, recipe, teacher=teacher.network, flip=True)
    architecture = teacher.network.space.smallest
    plain, replayed = (student(teacher.network, architecture).train() for _ in range(2))
    eager = list(train(plain, source, recipe=recipe, seed=5))

    replayed.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(
        replayed.parameters(), lr=1.0, momentum=momentum, nesterov=momentum > 0,
        weight_decay=recipe.weight_decay, fused=True,
    )  # fmt: skip
    steps = source.steps(recipe.batch_size)
    run = Replayed(
        Step(replayed, optimizer, recipe=recipe), source, size=recipe.batch_size,
        optimizer=optimizer,
    )  # fmt: skip
    for number, epoch in enumerate(eager):
        generator = torch.Generator().manual_seed(passed_seed(number))
        rates = [learning_rate(recipe, number + step / steps) for step in range(steps)]
        total, images = run.run(rates, generator=generator)
        assert images == epoch.images
        assert float(total) / images == pytest.approx(epoch.loss, rel=1e-5)
    for one, other in zip(plain.parameters(), replayed.parameters(), strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-6)
    assert int(replayed.bn1.num_batches_tracked) == int(plain.bn1.num_batches_tracked)


def passed_seed(number):
    from dass.training.distillation import _mix

    return _mix(5, number)


def test_half_precision_learns_nearly_the_same_and_has_a_name_of_its_own(teacher, digits):
    half = replace(RECIPE, precision="bfloat16")
    assert half.name != RECIPE.name and "precision" not in RECIPE.to_dict()
    losses = []
    for recipe in (RECIPE, half):
        source = training_batches(digits.train, recipe, teacher=teacher.network, flip=False)
        network = student(teacher.network, teacher.network.space.smallest).train()
        *_, last = train(network, source, recipe=recipe, seed=0)
        losses.append(last.loss)
        assert network.fc.weight.dtype == torch.float32
    assert losses[0] != losses[1] and losses[1] == pytest.approx(losses[0], rel=0.1)


def test_a_side_stream_is_nothing_where_there_are_no_streams():
    with side_stream(torch.device("cpu")):
        assert float(torch.ones(3).sum()) == 3
