"""Passes: a recorded step that is replayed does what steps taken one after another do."""

import subprocess
import sys
import textwrap
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
from dass.training.sgd import Sgd

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
    optimizer = Sgd(replayed, recipe)
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


@pytest.mark.parametrize("momentum", [0.9, 0.0])
def test_a_step_is_torchs_own_bit_for_bit_and_needs_no_compiler(momentum):
    recipe = Recipe(momentum=momentum, weight_decay=1e-2)
    ours, theirs = torch.nn.Linear(7, 3), torch.nn.Linear(7, 3)
    theirs.load_state_dict(ours.state_dict())
    own = Sgd(ours, recipe)
    optimizer = torch.optim.SGD(
        theirs.parameters(), lr=1.0, momentum=momentum, nesterov=momentum > 0,
        weight_decay=1e-2, fused=True,
    )  # fmt: skip
    for step in range(4):
        x = torch.randn(5, 7, generator=torch.Generator().manual_seed(step))
        own.forget_gradients()
        optimizer.zero_grad()
        for network in (ours, theirs):
            network(x).square().sum().backward()
        optimizer.param_groups[0]["lr"] = 0.1 / (step + 1)
        optimizer.step()
        own.step(0.1 / (step + 1))
        assert ours.weight.equal(theirs.weight) and ours.bias.equal(theirs.bias)
    kept = [s["momentum_buffer"] for s in optimizer.state.values() if momentum]
    assert len(kept) == len(dict(own.momenta()))
    assert all(m.equal(t) for (_, m), t in zip(own.momenta(), kept, strict=True))


def test_training_and_export_do_not_import_the_compiler():
    lines = """
        import sys
        import torch
        from dass.data.task import TaskConfig, load_task
        from dass.networks.onnx import to_onnx
        from dass.networks.resnet import ResNet, initialise
        from dass.space.spaces import micro
        from dass.training.batches import Online
        from dass.training.distillation import train
        from dass.training.recipe import Recipe

        task = load_task(TaskConfig(source="digits", train_per_class=8), image_size=8)
        network = ResNet(micro(), micro().largest, num_classes=10)
        recipe = Recipe(epochs=1, batch_size=16, hard_weight=1.0)
        batches = Online(task.train, padding=1, flip=False)
        assert [e.images for e in train(network, batches, recipe=recipe, seed=0)]
        assert to_onnx(network)
        assert not {"torch._dynamo", "torch.onnx", "onnxscript"} & set(sys.modules)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(lines)], check=True, timeout=300)


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
