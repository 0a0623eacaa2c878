"""Preset `domains`: one meta-training task of each rendered domain.

Images are drawn from seeds, nothing is downloaded; the catalogue of `dass.data.rendered` says what
must be installed. Knows nothing of how they are drawn.
"""

from __future__ import annotations

from dataclasses import replace

from dass.data.origins import SEALED
from dass.data.rendered.catalogue import CATALOGUE, Facts
from dass.data.task_config import TaskConfig
from jobs.configs.build import BuildConfig, LabelPlan, SplitPlan
from jobs.presets import benchmark

STORE = "runs/domains"

UNLEARNED = ("turing", "words")
"""Domains that no teacher of a thousand small pictures learns: 20 % of 12 classes, 5 % of 22."""

VALIDATION = 480
"""Validation images of a task, or a few more."""


def task(name: str, domain: Facts) -> TaskConfig:
    """Return the task of a domain: all classes, 480 images to validate, 600 to 1,200 to train."""
    validation = -(-VALIDATION // domain.classes)
    return TaskConfig(
        source=f"rendered:{name}",
        train_per_class=domain.train - validation,
        validation_per_class=validation,
        flip=domain.flip,
    )


def build() -> BuildConfig:
    """A task of each rendered domain, of the sealed groups to test on: some two core-hours."""
    return replace(
        benchmark.build(),
        store=STORE,
        splits=tuple(
            _split(name, facts) for name, facts in CATALOGUE.items() if name not in UNLEARNED
        ),
        pool=12,
        per_task=24,
        seeds=1,
    )


def _split(name: str, domain: Facts) -> SplitPlan:
    if domain.group in SEALED:
        return SplitPlan(
            role="unseen", task=task(name, domain), labels=LabelPlan(per_task=16, seeds=2)
        )
    return SplitPlan(task=task(name, domain))
