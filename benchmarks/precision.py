"""Claim: labels made in half precision, or on another device, differ by no more than a seed does.

    python -m benchmarks.precision --space small --device cuda --into labels.json
    python -m benchmarks.precision --space small --precision float32 --against labels.json

Students of one teacher of clothes, trained in each precision with two seeds. A second run, on
another device, is held against the first one's file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import tyro

from cluster.fleet.job import Job
from cluster.fleet.local import run_inline
from dass.data.task import Task, load_task
from dass.networks.remap import student
from dass.networks.resnet import ResNet, initialise
from dass.networks.teacher import Teacher
from dass.predictor.ranking import spearman
from dass.registry.registry import Registry
from dass.space.architecture import Architecture
from dass.space.spaces import by_name
from dass.store.store import Store
from dass.training.batches import Batches, training_batches
from dass.training.distillation import train
from dass.training.inference import accuracy
from dass.training.lanes import side_stream
from dass.training.recipe import Recipe

Labels = dict[str, list[float]]
"""Test accuracy of each student, by device, precision and seed."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """What to compare."""

    space: str = "small"
    """Search space; of others than `small` a teacher is trained first."""
    store: str = "zoo"
    """Where the teacher of clothes in `small` is."""
    students: int = 24
    """Architectures."""
    precision: tuple[str, ...] = ("float32", "bfloat16")
    """Each with two seeds."""
    epochs: int = 4
    """Of a student."""
    device: str = "cpu"
    """cpu or cuda."""
    lanes: int = 8
    """Students at once on a GPU."""
    into: str = ""
    """File for the accuracies."""
    against: str = ""
    """File of another run, to compare with."""


def teacher_of(config: Config) -> tuple[ResNet, Task]:
    """Return a teacher of clothes and its images, on the device."""
    registry = Registry(Store(config.store))
    (name,) = [n for n in registry.teachers() if n.startswith("small.fashion") and "label16" in n]
    shipped: Teacher = registry.teacher(name)
    assert shipped.task is not None
    space = by_name(config.space)
    task = load_task(replace(shipped.task, source="fashion"), image_size=space.image_size)
    task = task.to(config.device)
    if config.space == "small":
        return shipped.network.to(config.device), task
    network = ResNet(space, space.largest, num_classes=task.num_classes)
    initialise(network, generator=torch.Generator().manual_seed(0))
    network.to(config.device)
    recipe = Recipe(epochs=12, warmup_epochs=1, hard_weight=1.0, label_smoothing=0.1)
    for _ in train(
        network,
        training_batches(task.train, recipe, teacher=None, flip=task.flip),
        recipe=recipe,
        seed=0,
    ):
        pass
    print(f"teacher: {accuracy(network, task.test):.3f} of the test images", flush=True)
    return network.eval(), task


def label(config: Config) -> Labels:
    """Train every student in every precision with two seeds."""
    teacher, task = teacher_of(config)
    space = teacher.space
    drawn = space.sample(config.students, generator=torch.Generator().manual_seed(7))
    recipe = Recipe(epochs=config.epochs, learning_rate=0.02, padding=4, teacher_logits="views")
    source: Batches = training_batches(task.train, recipe, teacher=teacher, flip=task.flip)
    found: dict[str, dict[int, float]] = {}
    jobs = [
        Job(key=f"{place} {precision} {seed}", group="all", cost=1.0,
            payload=(place, architecture, precision, seed))
        for precision in config.precision
        for seed in (0, 1)
        for place, architecture in enumerate(drawn)
    ]  # fmt: skip

    def work(job: Job) -> None:
        place, architecture, precision, seed = job.payload
        assert isinstance(architecture, Architecture)
        own = replace(recipe, precision=precision)
        with side_stream(torch.device(config.device)):
            network = student(teacher, architecture).train()
            for _ in train(network, source, recipe=own, seed=seed):
                pass
            value = accuracy(network, task.test)
        found.setdefault(f"{config.device} {precision} {seed}", {})[place] = value

    lanes = config.lanes if config.device.startswith("cuda") else 1
    outcome = run_inline(jobs, work, workers=lanes, threads=True, retries=0)
    assert not outcome.failed, outcome.failed
    return {name: [own[i] for i in range(len(drawn))] for name, own in found.items()}


def compare(found: Mapping[str, list[float]]) -> None:
    """Print how far every pair is apart: that of two seeds is the noise."""
    names = sorted(found)
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            a, b = np.array(found[one]), np.array(found[other])
            print(
                f"{one:22} {other:22} mean {100 * (b - a).mean():+6.2f} points, "
                f"differences of {100 * (b - a).std():5.2f}, order {spearman(a, b):.3f} "
                f"(n = {len(a)})"
            )


def main(config: Config) -> None:
    """Train, compare, keep."""
    torch.set_num_threads(1)
    found = label(config)
    if config.into:
        Path(config.into).write_text(json.dumps(found, indent=1))
    if config.against:
        found = json.loads(Path(config.against).read_text()) | found
    compare(found)


if __name__ == "__main__":
    main(tyro.cli(Config))
