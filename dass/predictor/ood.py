"""Familiar: does a teacher look like those that a predictor has learned from, and if not, what?

A predictor that is shown something unlike all its teachers may say anything. `Reference` holds how
they looked and what size alone told of their students, which is then the better guess. Looks are
read off what is at hand without images: the teacher's map, its accuracy, its number of classes.

Dimension letters: t teachers, l numbers of a look, n students, c h w an embedding.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from dass.errors import InvalidData
from dass.predictor.episode import Episode

FARTHER = 3.0
"""A teacher is unfamiliar if it is so many times farther from its nearest known one than any known
teacher is from the others. A guess: validation teachers are at 0.1 to 0.7, so nothing was there to
choose it by; it is to catch the strange, not the new."""

Statistics = tuple[float, ...]


def statistics(
    teacher_feature_map: Float[Tensor, "c h w"], accuracy: float, num_classes: int
) -> Statistics:
    """Return how a teacher looks: five numbers that do not depend on the order of its channels.

    Log-odds of its accuracy, log of the number of classes, log energy of its map, the share of
    the energy that varies over positions, and the share of values that are zero.
    """
    values = teacher_feature_map.double()
    energy = float(values.square().mean()) + 1e-12
    varying = float((values - values.mean((1, 2), keepdim=True)).square().mean())
    bounded = min(max(accuracy, 0.01), 0.99)
    return (
        math.log(bounded / (1 - bounded)),
        math.log(num_classes),
        math.log(energy),
        varying / energy,
        float((values <= 0).double().mean()),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """Teachers that a predictor learned from, and a line in log FLOPs through their students."""

    looks: tuple[Statistics, ...]
    """Of each teacher; at least two."""
    offset: float
    """Accuracy of a student as costly as its teacher, less the teacher's; a fraction."""
    slope: float
    """Gain for every factor e in FLOPs, a fraction."""
    deviation: float
    """Standard deviation of accuracies around the line, a fraction."""

    def __post_init__(self) -> None:
        if len(self.looks) < 2 or len({len(row) for row in self.looks}) != 1:
            raise InvalidData(
                f"two teachers or more must be known, all by equally many numbers, but got "
                f"{len(self.looks)}"
            )

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Reference:
        """Read what `dataclasses.asdict` made, after a journey through JSON.

        Raises:
            InvalidData: it is not that.
        """
        try:
            numbers = {name: float(plain[name]) for name in ("offset", "slope", "deviation")}
            looks = tuple(tuple(float(value) for value in row) for row in plain["looks"])
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidData(
                "known teachers must be given as looks, offset, slope and deviation, all "
                f"numbers, but: {error!r}"
            ) from error
        if not all(math.isfinite(v) for v in (*numbers.values(), *(v for r in looks for v in r))):
            raise InvalidData("known teachers must be given as finite numbers")
        return cls(looks=looks, **numbers)

    def distance(self, seen: Statistics) -> float:
        """Return how far a look is from the nearest known one, in units of their variety.

        1 is as far as the loneliest known teacher is from the others.
        """
        rows = np.array(self.looks)
        unit = np.maximum(rows.std(0), 1e-9)
        apart = np.linalg.norm((rows[:, None] - rows[None]) / unit, axis=2)
        np.fill_diagonal(apart, np.inf)
        nearest = np.linalg.norm((rows - np.array(seen)) / unit, axis=1).min()
        return float(nearest / max(apart.min(1).max(), 1e-9))

    def familiar(self, seen: Statistics) -> bool:
        """Tell whether a teacher that looks so is like one that is known."""
        return self.distance(seen) <= FARTHER

    def by_size(
        self, accuracy: float, shares: Float[Tensor, " n"]
    ) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
        """Return accuracies that size alone foretells, and their standard deviation.

        Args:
            accuracy: the teacher's, a fraction.
            shares: students' FLOPs over the teacher's.
        """
        mean = accuracy + self.offset + self.slope * shares.log()
        return mean.clamp(0.0, 1.0), torch.full_like(mean, self.deviation)


def fit_reference(teachers: Sequence[tuple[Episode, int]]) -> Reference:
    """Statistics at teachers, and fit the line to their students' validation accuracies.

    Args:
        teachers: an episode and the number of classes of each teacher.
    """
    looks = [
        statistics(episode.teacher_feature_map, float(episode.support_accuracies[0]), classes)
        for episode, classes in teachers
    ]
    gaps, costs = [], []
    for episode, _ in teachers:
        gaps.append((episode.accuracies - episode.support_accuracies[0]).double().cpu().numpy())
        costs.append(episode.encodings[:, -1].double().log().cpu().numpy())
    slope, offset = np.polyfit(np.concatenate(costs), np.concatenate(gaps), 1)
    left = np.concatenate(gaps) - offset - slope * np.concatenate(costs)
    return Reference(
        looks=tuple(looks),
        offset=float(offset),
        slope=float(slope),
        deviation=float(left.std()),
    )
