"""Tables of the second comparison, from the scores that a cross-validation kept.

Knows nothing of how scores came about, nor of how tables are shown.
"""

from __future__ import annotations

import io
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from dass.data.origins import SEALED, origin
from dass.data.task_config import Role
from dass.evaluation.left_out import DEAF, INFORMED, KEPT, SURROGATE
from dass.evaluation.reliability import ceiling_of, mean_over_teachers
from dass.evaluation.tables import measure
from dass.predictor.interval import LEVEL, half_width
from dass.predictor.records import FIRST_CLOSED_LOOP_SEED, StudentRecord
from dass.registry.registry import Registry
from dass.space.spaces import by_name

LEAST_OWN = 8
"""Own draws that a task must have to be judged by them."""


@dataclass(frozen=True, slots=True)
class Priced:
    """A teacher whose network need not be at hand."""

    name: str
    flops: int


@dataclass(frozen=True, slots=True)
class Tested:
    """A teacher and its labelled students, judged by test accuracies."""

    teacher: Priced
    records: Sequence[StudentRecord]
    """Means over seeds, one per architecture."""
    role: Role = "unseen"


@dataclass(frozen=True, kw_only=True, slots=True)
class LeftOut:
    """What the second comparison found."""

    tasks: pd.DataFrame
    """A row per scorer, teacher and group of architectures, with every metric; `sealed` tells
    tasks that no choice saw."""
    intervals: pd.DataFrame
    """Coverage and width of 90 % intervals, and coverage of 50 % ones, by scorer and teacher."""
    ceilings: Mapping[str, float]
    """By teacher, of tasks with two seeds."""


def left_out(
    registry: Registry, *, recipe: str, pool: Container[str], name: str = "left-out"
) -> LeftOut | None:
    """Return the tables of kept scores; `None` where none are kept.

    Args:
        registry: records, teachers and tasks of the scores.
        recipe: name of the recipe of the labels.
        pool: ids of the architectures that every task labels.
        name: of the table of scores.
    """
    key = KEPT.format(name=name)
    if not registry.store.exists(key):
        return None
    scores = judged_by_all(pd.read_parquet(io.BytesIO(registry.store.read(key))))
    records = [
        r for r in registry.records() if r.recipe == recipe and r.seed < FIRST_CLOSED_LOOP_SEED
    ]
    judged = _judged(registry, records, set(scores["teacher"]))
    tasks = measures(scores, judged, pool=pool)
    origins = {task: origin(config.source) for task, (config, _) in registry.tasks().items()}
    tasks["origin"] = tasks["task"].map(origins)
    tasks["sealed"] = tasks["origin"].isin(SEALED)
    tops = {one.teacher.name: ceiling_of(records, one.teacher.name) for one in judged}
    return LeftOut(
        tasks=tasks,
        intervals=intervals(scores, judged),
        ceilings={teacher: top for teacher, top in tops.items() if top is not None},
    )


def judged_by_all(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the scores of teachers that every scorer judged, so that all are compared on them."""
    scorers = scores.groupby("teacher")["scorer"].nunique()
    whole = scorers.index[scorers == scores["scorer"].nunique()]
    return scores[scores["teacher"].isin(whole)]


def _judged(
    registry: Registry, records: Sequence[StudentRecord], names: Container[str]
) -> list[Tested]:
    groups: dict[str, list[StudentRecord]] = {}
    for record in mean_over_teachers(records):
        if record.teacher in names:
            groups.setdefault(record.teacher, []).append(record)
    return [
        Tested(Priced(name, _flops(registry, name, group[0].space)), group)
        for name, group in sorted(groups.items())
    ]


def _flops(registry: Registry, teacher: str, space: str) -> int:
    """Return what a teacher costs: of shipped ones some are there as embeddings alone."""
    if registry.has_teacher(teacher):
        return registry.teacher(teacher).flops
    known, classes = by_name(space), registry.embeddings(teacher).num_classes
    return int(known.flops([known.largest], num_classes=classes)[0])


def measures(
    scores: pd.DataFrame, judged: Sequence[Tested], *, pool: Container[str]
) -> pd.DataFrame:
    """Return every metric by scorer, teacher and group of architectures, on test accuracies.

    Scores that depend on which students were measured are judged choice by choice; the result is
    their mean.

    Args:
        scores: that a cross-validation kept.
        judged: labelled teachers.
        pool: ids of the architectures that every task labels.
    """
    every = scores.assign(seconds=0.0)
    parts = [measure(part, judged, pool=pool) for _, part in every.groupby("draw", sort=True)]
    names = ["scorer", "teacher", "task", "role", "group"]
    rows = pd.concat(parts, ignore_index=True)
    return rows.groupby(names, as_index=False).mean(numeric_only=True)


def intervals(
    scores: pd.DataFrame, judged: Sequence[Tested], *, level: float = LEVEL
) -> pd.DataFrame:
    """Return by scorer and teacher how often test accuracies lie in intervals of a level.

    Returns:
        Columns scorer, teacher, coverage, the mean width, and `half`, the coverage of 50 %
        intervals; all fractions.
    """
    tests = {
        (one.teacher.name, record.architecture): record.test_accuracy
        for one in judged
        for record in one.records
    }
    frame = scores.dropna(subset=["std"])
    frame = frame[frame["scorer"].str.startswith((SURROGATE, DEAF, INFORMED))]
    keys = zip(frame["teacher"], frame["architecture"], strict=True)
    measured = np.array([tests[key] for key in keys])
    std, off = frame["std"].to_numpy(), np.abs(measured - frame["score"].to_numpy())
    frame = frame.assign(
        coverage=(off <= half_width(level) * std).astype(float),
        half=(off <= half_width(0.5) * std).astype(float),
        width=2 * half_width(level) * std,
    )
    columns = ["coverage", "half", "width"]
    return frame.groupby(["scorer", "teacher"], as_index=False)[columns].mean()


def judged_by_own(found: LeftOut, *, sealed: bool) -> pd.DataFrame:
    """Return rows of own draws, of the tasks that have enough of them."""
    rows = found.tasks[(found.tasks["group"] == "others") & (found.tasks["sealed"] == sealed)]
    enough = rows.groupby("teacher")["students"].max() >= LEAST_OWN
    return rows[rows["teacher"].isin(enough.index[enough])]
