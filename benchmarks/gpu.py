"""Claim: students distilled in threads, each step replayed, fill a GPU that one loop leaves idle.

    python -m benchmarks.gpu [--space small paper] [--lanes 1 4 8] [--precision bfloat16]

A student is all of it: cut out of its teacher, trained, its curve and its test accuracy measured.
The published way is that of `benchmarks.distill`: a live teacher, a picture at a time through a
loader, kernels asked for one after another. `asked for` is our own loop without a recording.
Images are noise: what they show costs nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
import tyro

from benchmarks.distill import published
from benchmarks.embed import as_published, fresh_teacher
from cluster.fleet.job import Job
from cluster.fleet.local import run_inline
from dass.data.task import Split
from dass.networks.remap import student
from dass.networks.resnet import ResNet
from dass.pipeline.students import Curve
from dass.space.architecture import Architecture
from dass.space.sampling import stratified
from dass.space.spaces import by_name
from dass.training import distillation
from dass.training.batches import Batches, training_batches
from dass.training.inference import accuracy
from dass.training.lanes import side_stream
from dass.training.passes import Eager, Step
from dass.training.recipe import Recipe
from dass.training.sgd import Sgd


@dataclass(frozen=True, kw_only=True)
class Config:
    """What to measure."""

    space: tuple[str, ...] = ("small", "paper")
    """Search spaces, some rows each."""
    images: int = 1024
    """Training images; half as many validate, and as many test."""
    epochs: int = 4
    """Passes over them."""
    lanes: tuple[int, ...] = (1, 4, 8)
    """Students at once."""
    precision: tuple[str, ...] = ("float32", "bfloat16")
    """Of activations and convolutions."""
    students: int = 32
    """Trained for each row of ours; a quarter of them one at a time."""
    published: int = 4
    """Trained the published way."""
    device: str = "cuda"
    """cuda; cpu only to see that it runs."""


@dataclass(frozen=True)
class Bench:
    """A space's teacher and images, on the device and off it."""

    teacher: ResNet
    train: Split
    held: Split
    """To validate and to test with."""
    source: Batches
    device: str

    def ours(self, architecture: Architecture, recipe: Recipe) -> None:
        """Distil one student."""
        with side_stream(torch.device(self.device)):
            network = student(self.teacher, architecture).train()
            curve = Curve(self.held, self.device)
            for _ in distillation.train(network, self.source, recipe=recipe, seed=0):
                curve.measure(network)
            accuracy(network, self.held)

    def theirs(self, architecture: Architecture, recipe: Recipe) -> None:
        """Distil one student the published way."""
        network = as_published(self.teacher, architecture).train()
        host = self.train.to("cpu")
        for _ in published(network, self.teacher, host, recipe, self.device):
            accuracy(network, self.held)
        accuracy(network, self.held)


def bench_of(config: Config, name: str, recipe: Recipe) -> Bench:
    """Make a teacher of fresh weights, and noise for images."""
    space, generator = by_name(name), torch.Generator().manual_seed(0)
    teacher = fresh_teacher(name, config.device, generator=generator)

    def noise(count: int) -> Split:
        shape = (count, 3, space.image_size, space.image_size)
        pixels = torch.randint(256, shape, dtype=torch.uint8, generator=generator)
        labels = torch.randint(10, (count,), generator=generator)
        return Split(pixels, labels).to(config.device)

    train, held = noise(config.images), noise(config.images // 2)
    source = training_batches(train, recipe, teacher=teacher, flip=True)
    return Bench(teacher, train, held, source, config.device)


@contextmanager
def watched(device: str) -> Iterator[list[int]]:
    """Note, some times a second, in how much of the time the GPU had work; percent."""
    seen: list[int] = []
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.25):
            seen.append(torch.cuda.utilization())

    thread = threading.Thread(target=watch, daemon=True)
    if device.startswith("cuda"):
        thread.start()
    yield seen
    over.set()
    if thread.is_alive():
        thread.join()


def rate(work: Callable[[], object], count: int, device: str) -> tuple[float, str]:
    """Return students an hour, and in how much of the time the device was busy."""
    with watched(device) as seen:
        started = time.perf_counter()
        work()
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        seconds = time.perf_counter() - started
    busy = f"{sum(seen) / len(seen):.0f} %" if seen else "–"
    return 3600 * count / seconds, busy


def row(name: str, found: tuple[float, str], base: float) -> None:
    """Print one way."""
    hourly, busy = found
    print(
        f"{name:44} {hourly:10,.0f} students/h  {3600 / hourly:8.3f} s each  "
        f"{hourly / base:6.1f}x  busy {busy}",
        flush=True,
    )


def asked_for(bench: Bench, drawn: Sequence[Architecture], recipe: Recipe) -> None:
    """Distil students by our loop, without a recording."""
    replayed = distillation._passes
    try:
        distillation._passes = _eager  # type: ignore[assignment]
        for architecture in drawn:
            bench.ours(architecture, recipe)
    finally:
        distillation._passes = replayed


def _eager(forward: torch.nn.Module, batches: Batches, optimizer: Sgd, *, recipe: Recipe) -> Eager:
    step = Step(forward, optimizer, recipe=recipe)
    device = next(forward.parameters()).device
    return Eager(step, batches, size=recipe.batch_size, device=device)


def measure(config: Config, name: str) -> None:
    """Print the rows of one space."""
    recipe = Recipe(epochs=config.epochs, padding=4, learning_rate=0.02, teacher_logits="views")
    bench = bench_of(config, name, recipe)
    drawn = bench.teacher.space.sample(config.students, generator=torch.Generator().manual_seed(1))
    few = stratified(bench.teacher.space, config.published + 1, seed=0)
    bench.theirs(few[0], replace(recipe, epochs=1))
    bench.ours(few[0], recipe)
    found = rate(
        lambda: [bench.theirs(a, recipe) for a in few[1:]], config.published, config.device
    )
    base = found[0]
    print(f"\n{name}: {config.images} images, {config.epochs} epochs, n = {config.students}")
    row(f"published way (n = {config.published})", found, base)
    short = drawn[: max(1, config.students // 4)]
    found = rate(lambda: asked_for(bench, short, recipe), len(short), config.device)
    row(f"asked for (n = {len(short)})", found, base)
    for precision in config.precision:
        own = replace(recipe, precision=precision)  # type: ignore[arg-type]
        for lanes in config.lanes:
            some = short if lanes == 1 else drawn
            jobs = [
                Job(key=str(i), group="all", cost=1.0, payload=each) for i, each in enumerate(some)
            ]

            def work(job: Job, own: Recipe = own) -> None:
                bench.ours(job.payload, own)

            found = rate(
                lambda jobs=jobs, work=work, lanes=lanes: run_inline(  # type: ignore[misc]
                    jobs, work, workers=lanes, threads=True
                ),
                len(some),
                config.device,
            )
            row(f"replayed, {precision}, {lanes} at once (n = {len(some)})", found, base)


def main(config: Config) -> None:
    """Print students an hour, each way."""
    torch.set_num_threads(1)
    if config.device.startswith("cuda") and not torch.cuda.is_available():
        print("students on a GPU: there is no GPU here, so nothing is measured")
        return
    for name in config.space:
        measure(config, name)


if __name__ == "__main__":
    main(tyro.cli(Config))
