"""Pictures of an evaluation: where one would rather look than read.

Works on one table of students: scorer, teacher, task, score, measured accuracy and cost as a
fraction of the teacher's.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from dass.evaluation.metrics import budget_regret
from dass.predictor.ranking import kendall

VERIFIED = (1, 2, 3, 5, 8)
"""Numbers of students that are distilled after a search."""

GROUPS = 4
"""Equally large groups of students by FLOPs."""


def plots(students: pd.DataFrame, *, shipped: str, scorers: Sequence[str]) -> dict[str, bytes]:
    """Draw regret against verified students, τ within FLOPs groups, and each task's predictions.

    Args:
        students: the table.
        shipped: name of the scorer whose scores are accuracies.
        scorers: names of those to compare.

    Returns:
        PNG by caption.
    """
    drawn = {
        "regret in points against students distilled after the search, mean of three budgets "
        "and of the datasets": scatter(
            [curve(students, name, steps=VERIFIED, value=_regret) for name in scorers],
            x_label="students distilled",
            y_label="regret in points",
            title="How many must be distilled",
        ),
        f"Kendall's τ within {GROUPS} groups of equally many students by FLOPs, mean of the "
        "datasets": scatter(
            [curve(students, name, steps=range(1, GROUPS + 1), value=_within) for name in scorers],
            x_label="group, cheapest first",
            y_label="Kendall's τ within the group",
            title="Order among students of like cost",
        ),
    }
    for task, own in students[students["scorer"] == shipped].groupby("task"):
        points = Series(
            label="student", x=(100 * own["score"]).tolist(), y=(100 * own["measured"]).tolist()
        )
        drawn[f"predicted and measured: {task}"] = scatter(
            [points],
            x_label="predicted accuracy, %",
            y_label="measured accuracy, %",
            title=str(task),
            diagonal=True,
        )
    return drawn


def curve(
    students: pd.DataFrame,
    scorer: str,
    *,
    steps: Sequence[int],
    value: Callable[[pd.DataFrame, int], float],
) -> Series:
    """Return a scorer's mean over tasks of a value at every step."""
    tasks = [own for _, own in students[students["scorer"] == scorer].groupby("teacher")]
    means = [float(np.mean([value(own, step) for own in tasks])) for step in steps]
    return Series(label=scorer, x=[float(step) for step in steps], y=means, marker="o-")


def _regret(own: pd.DataFrame, k: int) -> float:
    columns = (own[name].to_numpy(float) for name in ("score", "measured", "fraction"))
    return 100 * budget_regret(*columns, teacher_flops=1.0, k=k)


def _within(own: pd.DataFrame, group: int) -> float:
    ordered = own.sort_values("fraction")
    part = np.array_split(np.arange(len(ordered)), GROUPS)[group - 1]
    score, measured = (ordered[name].to_numpy(float)[part] for name in ("score", "measured"))
    return kendall(score, measured)


@dataclass(frozen=True, kw_only=True, slots=True)
class Series:
    """Points of one kind."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    marker: str = "o"
    """A matplotlib marker."""


def scatter(
    series: Sequence[Series], *, x_label: str, y_label: str, title: str, diagonal: bool = False
) -> bytes:
    """Draw points as a PNG; `diagonal` adds the line where x equals y."""
    figure = Figure(figsize=(6, 4.5), layout="constrained")
    axes = figure.add_subplot()
    for s in series:
        axes.plot(s.x, s.y, s.marker, label=s.label, alpha=0.75)
    if diagonal:
        values = [v for s in series for v in (*s.x, *s.y)]
        ends = [min(values), max(values)]
        axes.plot(ends, ends, ":", color="grey", label="equal")
    axes.set(xlabel=x_label, ylabel=y_label, title=title)
    axes.grid(alpha=0.3)
    axes.legend()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()
