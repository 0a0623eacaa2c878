"""Preset `fidelity`: do cheap labels order students as long trainings do?

Four tasks of different domains, sixteen students each (eight of the pool, eight of the task's
own), two seeds, trained for 40 epochs. Cheaper labels of the same students are the same line with
another recipe: `dass build fidelity --student.epochs 8`.
"""

from __future__ import annotations

from dataclasses import replace

from dass.training.recipe import Recipe
from jobs.configs.build import BuildConfig, LabelPlan, SplitPlan
from jobs.presets import benchmark

STORE = "runs/fidelity"
SOURCES = ("cifar10", "flowers5", "gtsrb", "spokendigits")
"""Natural objects, photographs of flowers, traffic signs, spectrograms."""

STUDENTS, SEEDS = 8, 2
"""Students of the pool and as many of the task's own; trainings of each."""


def student() -> Recipe:
    """The long recipe: as the labels', but ten times as long, until validation stalls."""
    return replace(benchmark.student(), epochs=benchmark.LONG)


def build() -> BuildConfig:
    """Labels of the long recipe on four domains: two core-hours."""
    complete = benchmark.build()
    named = {f"npz:data/{source}.npz" for source in SOURCES}
    splits = tuple(
        SplitPlan(role=split.role, task=split.task, labels=LabelPlan())
        for split in complete.splits
        if split.task.source in named and split.task.classes is None
    )
    return replace(
        complete,
        store=STORE,
        splits=splits,
        pool=STUDENTS,
        per_task=STUDENTS,
        seeds=SEEDS,
        student=student(),
    )
