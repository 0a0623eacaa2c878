"""Level and spread: how accurate a teacher's students are on average, and how much they differ.

Order is another question, which `process` answers. Both are read off what is known of a teacher
without images, by two small ridge regressions on its accuracy and number of classes
(more statistics extrapolated worse to origins left out: docs/log.md), whose uncertainty is that of
origins left out. Knows nothing of students.

Dimension letters: t teachers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

PENALTY = 5.0
"""Of the ridges, in teachers' worth of data."""

LEAST = 1e-3
"""Least spread and least distance of an accuracy from 0 and 1 that logarithms see."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a teacher without its images."""

    accuracy: float
    """On its validation part, a fraction."""
    num_classes: int

    def row(self) -> tuple[float, float]:
        """Return the regressions' inputs: log-odds of the accuracy, log of the classes."""
        return log_odds(self.accuracy), math.log(self.num_classes)


@dataclass(frozen=True, slots=True)
class Line:
    """A straight line in a teacher's facts, and how far teachers lie from it."""

    offset: float
    slopes: tuple[float, float]
    std: float
    """Of teachers of an origin that was left out."""

    def __call__(self, facts: Facts) -> float:
        """Return the value of a teacher."""
        return self.offset + sum(x * w for x, w in zip(facts.row(), self.slopes, strict=True))


def fit_line(
    teachers: Sequence[Facts], values: Float[np.ndarray, " t"], groups: Sequence[str]
) -> Line:
    """Fit a line; its `std` is the error on groups of teachers that were left out in turn.

    Args:
        teachers: what is known of each.
        values: what to predict of it.
        groups: which teachers are of one origin: each group counts alike, however many it has.
    """
    from sklearn.linear_model import Ridge  # slow to import, and only fitting needs it

    rows, names = np.array([one.row() for one in teachers]), np.array(groups)
    sizes = {group: int((names == group).sum()) for group in groups}
    weights = np.array([1 / sizes[group] for group in groups]) * len(groups) / len(sizes)

    def fitted(kept: Bool[np.ndarray, " t"]) -> tuple[float, Float[np.ndarray, " 2"]]:
        scale = np.maximum(rows[kept].std(0), 1e-6)
        centre = np.average(rows[kept], axis=0, weights=weights[kept])
        model = Ridge(PENALTY).fit((rows[kept] - centre) / scale, values[kept], weights[kept])
        slopes = model.coef_ / scale
        return float(model.intercept_ - slopes @ centre), slopes

    squares = []
    for group in sorted(sizes):
        own = names == group
        offset, slopes = fitted(~own) if len(sizes) > 1 else fitted(own)
        squares.append(float(np.mean(np.square(values[own] - offset - rows[own] @ slopes))))
    offset, slopes = fitted(np.ones(len(rows), dtype=bool))
    return Line(offset, (float(slopes[0]), float(slopes[1])), math.sqrt(float(np.mean(squares))))


@dataclass(frozen=True, slots=True)
class Expected:
    """What is expected of a teacher's students before any is measured."""

    level: float
    """Mean accuracy, a fraction."""
    level_std: float
    """How uncertain that is, a fraction."""
    log_spread: float
    """Logarithm of the standard deviation of their accuracies."""
    log_spread_std: float


@dataclass(frozen=True, slots=True)
class LevelModel:
    """Level and spread of a teacher's students, from its accuracy and number of classes."""

    level: Line
    """Log-odds of the mean accuracy less the log-odds of the teacher's."""
    spread: Line
    """Logarithm of the standard deviation, less that of the square root of a(1 - a)."""

    def expected(self, teacher: Facts) -> Expected:
        """Return what to expect of the students of a teacher."""
        odds = log_odds(teacher.accuracy) + self.level(teacher)
        mean = 1 / (1 + math.exp(-odds))
        unit = mean * (1 - mean)  # slope of the logistic function there
        return Expected(
            level=mean,
            level_std=max(unit * self.level.std, LEAST),
            log_spread=self.spread(teacher) + 0.5 * math.log(accuracy_variance(teacher.accuracy)),
            log_spread_std=max(self.spread.std, 0.1),
        )


def log_odds(accuracy: float) -> float:
    """Return the log-odds of an accuracy, a fraction, kept away from both ends."""
    bounded = min(max(accuracy, LEAST), 1 - LEAST)
    return math.log(bounded / (1 - bounded))


def accuracy_variance(accuracy: float) -> float:
    """Return a(1 - a), kept away from 0: differences in accuracy are small near both ends."""
    bounded = min(max(accuracy, LEAST), 1 - LEAST)
    return bounded * (1 - bounded)


def fit_level(
    teachers: Sequence[Facts],
    *,
    levels: Sequence[float],
    spreads: Sequence[float],
    groups: Sequence[str],
) -> LevelModel:
    """Fit both lines.

    Args:
        teachers: what is known of each.
        levels: mean accuracy of each one's students, a fraction.
        spreads: standard deviation of the same.
        groups: origin of each.
    """
    gaps = [log_odds(own) - log_odds(t.accuracy) for own, t in zip(levels, teachers, strict=True)]
    relative = [
        math.log(max(spread, LEAST)) - 0.5 * math.log(accuracy_variance(t.accuracy))
        for spread, t in zip(spreads, teachers, strict=True)
    ]
    return LevelModel(
        fit_line(teachers, np.array(gaps), groups),
        fit_line(teachers, np.array(relative), groups),
    )
