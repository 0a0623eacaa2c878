"""Claim: teacher answers computed once per view give the accuracies of a live teacher.

    python -m benchmarks.views --source npz:images.npz

Distils the same students from one teacher both ways, with two seeds each, and prints the paired
difference of test accuracies beside the noise between seeds.
"""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import tyro

from dass.data.task import TaskConfig, load_task
from dass.networks.remap import student
from dass.networks.resnet import ResNet, initialise
from dass.space.sampling import stratified
from dass.space.spaces import by_name
from dass.training.batches import training_batches
from dass.training.distillation import train
from dass.training.inference import accuracy
from jobs.presets import small


@dataclass(frozen=True, kw_only=True)
class Config:
    """What to measure."""

    source: str
    """Images."""
    students: int = 12
    """Students of the pool; >= 2."""
    train_per_class: int = 100
    """Training images of each class."""
    out: str = "runs/views.json"
    """Where each accuracy goes."""


def main(config: Config) -> None:
    """Print mean difference, its standard error, and the noise between seeds."""
    torch.set_num_threads(1)
    space = by_name("small")
    task = load_task(
        TaskConfig(source=config.source, train_per_class=config.train_per_class),
        image_size=space.image_size,
    )
    network = ResNet(space, space.largest, num_classes=task.num_classes)
    initialise(network, generator=torch.Generator().manual_seed(0))
    recipe = small.teacher()
    source = training_batches(task.train, recipe, teacher=None, flip=task.flip)
    for epoch in train(network, source, recipe=recipe, seed=0):
        print(f"teacher epoch {epoch.number}: loss {epoch.loss:.3f}", flush=True)
    print(f"teacher: {100 * accuracy(network, task.validation):.1f} %", flush=True)
    sources = {}
    for kind in ("views", "live"):
        recipe = replace(small.student(), teacher_logits=kind)
        made = training_batches(task.train, recipe, teacher=network, flip=task.flip)
        sources[kind] = recipe, made
    rows = []
    for architecture in stratified(space, config.students, seed=0):
        row: dict[str, object] = {"architecture": str(architecture)}
        for kind, (recipe, source) in sources.items():
            for seed in (0, 1):
                untrained = student(network, architecture).train()
                list(train(untrained, source, recipe=recipe, seed=seed))
                row[f"{kind}{seed}"] = accuracy(untrained, task.test)
        rows.append(row)
        print(row, flush=True)
        Path(config.out).parent.mkdir(parents=True, exist_ok=True)
        Path(config.out).write_text(json.dumps(rows, indent=1))
    _summary(rows)


def _summary(rows: list[dict[str, object]]) -> None:
    def column(name: str) -> list[float]:
        return [float(str(row[name])) for row in rows]

    kinds = {k: [column(f"{k}0"), column(f"{k}1")] for k in ("views", "live")}
    means = {k: [sum(pair) / 2 for pair in zip(*v, strict=True)] for k, v in kinds.items()}
    differences = [a - b for a, b in zip(means["views"], means["live"], strict=True)]
    error = statistics.stdev(differences) / len(rows) ** 0.5
    print(
        f"views less live: {100 * statistics.mean(differences):+.2f} points, standard error "
        f"{100 * error:.2f}, n = {len(rows)} students × 2 seeds"
    )
    for kind, (first, second) in kinds.items():
        noise = (
            sum((a - b) ** 2 for a, b in zip(first, second, strict=True)) / 2 / len(rows)
        ) ** 0.5
        print(f"{kind}: standard deviation between seeds {100 * noise:.2f} points")


if __name__ == "__main__":
    main(tyro.cli(Config))
