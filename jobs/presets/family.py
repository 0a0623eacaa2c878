"""Preset `family`: labels in the family of torchvision's ResNets.

Ten tasks of as many origins as have pictures of 64 px, from photographs to letters, 24 students
each: what orders the students of a user's own network is fitted to these. `resolution` labels
three of them at 64 px: does the order of 32 px hold there? Knows nothing of how images are drawn.
"""

from __future__ import annotations

from dataclasses import replace

from dass.data.rendered.catalogue import CATALOGUE
from dass.data.task_config import TaskConfig
from jobs.configs.build import BuildConfig, LabelPlan, SplitPlan
from jobs.presets import benchmark, domains

STORE = "runs/family"
SPACE = "resnet18@32"
RENDERED = ("land", "cells", "flags", "hangul", "commands")
TWICE = ("flowers5", "trashnet", "land")
"""Tasks of two seeds, which are labelled at 64 px too."""

STUDENTS = 24


def build() -> BuildConfig:
    """24 students of torchvision's ResNet-18 on each of ten domains: one core-hour."""
    return replace(
        benchmark.build(),
        store=STORE,
        space=SPACE,
        splits=tuple(_split(name, task) for name, task in _tasks().items()),
        pool=STUDENTS,
        per_task=0,
        seeds=1,
    )


def resolution() -> BuildConfig:
    """The same students at 64 px on three of the domains: one core-hour."""
    complete = build()
    chosen = tuple(s for s in complete.splits if s.labels.seeds == 2)
    return replace(complete, space=SPACE.replace("@32", "@64"), splits=chosen)


def _split(name: str, task: TaskConfig) -> SplitPlan:
    return SplitPlan(task=task, labels=LabelPlan(seeds=2) if name in TWICE else LabelPlan())


def _tasks() -> dict[str, TaskConfig]:
    """Return the tasks by name: some 700 to 1,000 pictures to train on, 225 and more to test."""

    def pictures(name: str, train: int, validation: int) -> TaskConfig:
        return TaskConfig(
            source=f"npz:data/images64/{name}.npz",
            train_per_class=train,
            validation_per_class=validation,
            pooled=True,
            test_fraction=0.3,
        )

    natural = TaskConfig(
        source="npz:data/cifar10.npz",
        train_per_class=90,
        validation_per_class=50,
        test_per_class=100,
    )
    stored = {
        "flowers5": pictures("flowers5", 110, 45),
        "trashnet": pictures("trashnet", 70, 30),
        "neusteel": pictures("neusteel", 120, 60),
        "dtd10": pictures("dtd10", 60, 20),
        "cifar10": natural,
    }
    return stored | {name: domains.task(name, CATALOGUE[name]) for name in RENDERED}
