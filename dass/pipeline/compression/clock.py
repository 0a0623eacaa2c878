"""ONNX models against the clock of this machine, in turn, as a latency table times them.

Knows nothing of students, budgets or tables.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dass.networks import measure

SECONDS = 1.0
"""Of visits to each model, where four visits take no longer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Timed:
    """What a model takes."""

    milliseconds: float
    """Of a pass on one thread; the least of all visits."""
    repeatability: float
    """Relative difference of two halves of the visits."""


def times(models: Sequence[bytes], *, batch: int = 1, seconds: float | None = None) -> list[Timed]:
    """Time ONNX models in turn, so that what slows the machine for a while hits all alike.

    Args:
        models: each of one input, whose first dimension is the batch.
        batch: images of a pass.
        seconds: of visits to each; `SECONDS` where none are given.
    """
    seconds = SECONDS if seconds is None else seconds
    names = [f"{number:03d}.onnx" for number, _ in enumerate(models)]
    rounds: dict[str, list[float]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for name, data in zip(names, models, strict=True):
            (folder / name).write_bytes(data)
        pack = {"files": [{"file": name} for name in names], "batches": [batch]}
        timer = measure.onnxruntime_timer()
        for visit in measure.visits(folder, pack, timer, seconds=seconds * len(names)):
            rounds[visit["file"]["file"]].append(visit["milliseconds"])
    return [_timed(each) for each in rounds.values()]


def _timed(rounds: Sequence[float]) -> Timed:
    halves = min(rounds[0::2]), min(rounds[1::2])
    return Timed(milliseconds=min(halves), repeatability=max(halves) / min(halves) - 1)
