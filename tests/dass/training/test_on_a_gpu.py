"""Training on a GPU: what is recorded and replayed, alone and in several threads at once."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch

from dass.networks.remap import student
from dass.predictor.embed import embed
from dass.registry.registry import Registry
from dass.store.store import Store
from dass.training import distillation
from dass.training.batches import training_batches
from dass.training.distillation import train
from dass.training.inference import accuracy
from dass.training.lanes import side_stream
from dass.training.passes import Eager, Replayed
from dass.training.recipe import Recipe

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU"),
]

RECIPE = Recipe(epochs=4, batch_size=16, padding=1, teacher_logits="views", views=3)
CUDA = torch.device("cuda")


@pytest.fixture(autouse=True)
def exact():
    """Round nothing: what differs is the order of sums alone."""
    allowed = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32 = allowed


@pytest.fixture
def on_gpu(teacher):
    teacher.network.to(CUDA)
    yield teacher
    teacher.network.to("cpu")


def trained(teacher, images, *, recipe=RECIPE, seed=0, architecture=None):
    """Return a trained student and its losses."""
    architecture = architecture or teacher.network.space.smallest
    network = student(teacher.network, architecture).train()
    source = training_batches(images, recipe, teacher=teacher.network, flip=True)
    return network, [e.loss for e in train(network, source, recipe=recipe, seed=seed)]


@pytest.mark.parametrize("logits", ["views", "live"])
def test_replayed_steps_are_the_steps(on_gpu, digits, monkeypatch, logits):
    images, recipe = digits.train.to(CUDA), replace(RECIPE, teacher_logits=logits)
    _, replayed = trained(on_gpu, images, recipe=recipe)
    seen = []

    def eager(forward, batches, optimizer, *, recipe):
        seen.append(batches)
        step = distillation.Step(forward, optimizer, recipe=recipe)
        return Eager(step, batches, size=recipe.batch_size, device=CUDA)

    monkeypatch.setattr(distillation, "_passes", eager)
    _, asked = trained(on_gpu, images, recipe=recipe)
    # Sums of another order grow apart from step to step.
    assert seen and replayed == pytest.approx(asked, rel=2e-2)
    assert replayed[0] == pytest.approx(asked[0], rel=1e-3)


def test_a_gpu_replays_what_can_be_drawn_beforehand(on_gpu, digits):
    network = student(on_gpu.network, on_gpu.network.space.smallest).train()
    source = training_batches(digits.train.to(CUDA), RECIPE, teacher=on_gpu.network, flip=False)
    optimizer = distillation._optimizer(network, RECIPE)
    assert isinstance(distillation._passes(network, source, optimizer, recipe=RECIPE), Replayed)


def test_a_gpu_trains_what_a_cpu_does(teacher, digits):
    _, here = trained(teacher, digits.train)
    teacher.network.to(CUDA)
    network, there = trained(teacher, digits.train.to(CUDA))
    teacher.network.to("cpu")
    assert there == pytest.approx(here, rel=1e-2)
    assert accuracy(network, digits.test.to(CUDA)) == pytest.approx(
        accuracy(network.cpu(), digits.test), abs=1 / len(digits.test)
    )


def test_students_in_threads_end_as_each_does_alone(on_gpu, digits):
    images = digits.train.to(CUDA)
    space = on_gpu.network.space
    drawn = space.sample(24, generator=torch.Generator().manual_seed(0))
    alone = [trained(on_gpu, images, seed=i, architecture=a)[1] for i, a in enumerate(drawn)]
    torch.cuda.synchronize()

    def lane(i):
        with side_stream(CUDA):
            return trained(on_gpu, images, seed=i, architecture=drawn[i])[1]

    for _ in range(3):  # threads end, and others get their streams and memory
        with ThreadPoolExecutor(6) as pool:
            together = list(pool.map(lane, range(len(drawn))))
    for one, other in zip(alone, together, strict=True):
        assert other == pytest.approx(one, rel=2e-2)


def test_two_trainings_may_take_turns(on_gpu, digits):
    images, alone, turns = digits.train.to(CUDA), [], []
    for seed in (0, 1):
        alone.append(trained(on_gpu, images, seed=seed)[1])
        network = student(on_gpu.network, on_gpu.network.space.smallest).train()
        source = training_batches(images, RECIPE, teacher=on_gpu.network, flip=True)
        turns.append(train(network, source, recipe=RECIPE, seed=seed))
    losses = [[], []]
    for pair in zip(*turns, strict=True):
        for own, epoch in zip(losses, pair, strict=True):
            own.append(epoch.loss)
    for one, other in zip(alone, losses, strict=True):
        assert other == pytest.approx(one, rel=1e-2)


def test_a_resumed_training_ends_like_an_unbroken_one(on_gpu, digits):
    images = digits.train.to(CUDA)
    source = training_batches(images, RECIPE, teacher=on_gpu.network, flip=True)
    start = on_gpu.network.space.smallest
    whole = student(on_gpu.network, start).train()
    losses = [e.loss for e in train(whole, source, recipe=RECIPE, seed=0)]
    broken = student(on_gpu.network, start).train()
    going = train(broken, source, recipe=RECIPE, seed=0)
    next(going)
    state = {name: tensor.clone().cpu() for name, tensor in next(going).state.items()}
    other = student(on_gpu.network, start).train()
    rest = [e.loss for e in train(other, source, recipe=RECIPE, seed=0, state=state)]
    assert rest == pytest.approx(losses[2:], rel=1e-2)


def test_half_precision_learns_nearly_the_same(on_gpu, digits):
    images = digits.train.to(CUDA)
    _, exact = trained(on_gpu, images)
    _, half = trained(on_gpu, images, recipe=replace(RECIPE, precision="bfloat16"))
    assert half != exact and half[-1] == pytest.approx(exact[-1], rel=0.1)


def test_embeddings_are_those_of_a_cpu(teacher):
    space = teacher.network.space
    drawn = space.sample(16, generator=torch.Generator().manual_seed(0))
    here = embed(teacher.network, drawn)
    teacher.network.to(CUDA)
    there = embed(teacher.network, drawn).cpu()
    teacher.network.to("cpu")
    assert torch.allclose(here, there, rtol=1e-3, atol=1e-4)


def test_a_build_in_threads_publishes_every_record(tmp_path):
    from jobs.build import build
    from jobs.presets import micro

    config = replace(
        micro.build(), store=str(tmp_path), device="cuda", engine="inline", workers=6, pool=8
    )
    build(config)
    registry = Registry(Store(str(tmp_path)))
    records = registry.records()
    assert len(records) > 20 and all("cpu" not in r.device for r in records)
    before = {r.key for r in records}
    build(config)
    assert {r.key for r in registry.records()} == before
