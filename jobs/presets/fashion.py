"""Preset `fashion`: the first run, on real images, with what the project ships.

The images are the embedded sample of Fashion-MNIST; its teacher and the predictor are the zoo's.
"""

from __future__ import annotations

from dataclasses import replace

from dass.data.fashion_tasks import TASK
from jobs.configs.contest import ContestConfig
from jobs.configs.quickstart import QuickstartConfig, ShippedConfig
from jobs.presets import benchmark

STORE = "runs/quickstart"
TEACHER = "small.fashion-2f723e7a.label16-4791e311.0"
"""The zoo's teacher of these images."""


def quickstart() -> QuickstartConfig:
    """The shipped predictor on clothes, which it has never seen: search, distil, compare."""
    return QuickstartConfig(
        build=replace(benchmark.build(), store=STORE, splits=(), engine="ray"),
        shipped=ShippedConfig(teacher=TEACHER, name="fashion", task=TASK),
        contest=ContestConfig(fractions=(0.3, 0.5)),
        report=f"{STORE}/report.html",
        note=(
            "One dataset, one teacher, short trainings: a demonstration. What the predictor is "
            "worth over many datasets is in docs/evidence.md."
        ),
        next_line="dass quickstart micro    (the second act: a predictor is made from nothing)",
    )
