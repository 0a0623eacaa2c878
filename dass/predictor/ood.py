"""Out of distribution: is a teacher like those of meta-training, and if not, what then?

A predictor that is shown something unlike all its teachers may say anything. `Reference` holds
their statistics and what size alone told of their students, which is then the better guess.
Statistics are read off what is at hand without images: the teacher's feature map, its accuracy,
its number of classes. Knows nothing of predictors or stores.

Dimension letters: n students, c h w a feature map.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from dass.decoding import decode
from dass.errors import InvalidData
from dass.predictor.episode import Episode

FARTHER = 3.0
"""A teacher is out of distribution if it is so many times farther from its nearest reference than
any reference is from the others. A guess: validation teachers are at 0.1 to 0.7, so nothing was
there to choose it by; it is to catch what is far off, not what is new."""

Statistics = tuple[float, ...]

STATISTICS = 5
"""How many `statistics` returns."""

_ON_DISK = {"statistics": "looks", "std": "deviation"}
"""Names in manifests of what is called otherwise here."""


def statistics(
    teacher_feature_map: Float[Tensor, "c h w"], accuracy: float, num_classes: int
) -> Statistics:
    """Return a teacher's statistics: five numbers that do not depend on the order of its channels.

    Log-odds of its accuracy, log of the number of classes, log energy of its feature map,
    the fraction of the energy that varies over positions, and the fraction of values that are
    zero.
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
    """Teachers of meta-training, and a line in log FLOPs through their students."""

    statistics: tuple[Statistics, ...]
    """Of each teacher; at least two."""
    offset: float
    """Accuracy of a student as costly as its teacher, less the teacher's; a fraction."""
    slope: float
    """Gain for every factor e in FLOPs, a fraction."""
    std: float
    """Standard deviation of accuracies around the line, a fraction."""

    def __post_init__(self) -> None:
        if len(self.statistics) < 2 or len({len(row) for row in self.statistics}) != 1:
            raise InvalidData(
                "a reference must be of two teachers or more, of equally many numbers, but got "
                f"{len(self.statistics)}"
            )

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Reference:
        """Read what `to_plain` made, after a journey through JSON.

        Raises:
            InvalidData: it is not that.
        """
        found = decode(cls, plain, what="`known`", error=InvalidData, names=_ON_DISK)
        numbers = (found.offset, found.slope, found.std)
        if not all(map(math.isfinite, itertools.chain(numbers, *found.statistics))):
            raise InvalidData("`known` must be given as finite numbers")
        return found

    def to_plain(self) -> dict[str, Any]:
        """Return it for JSON, under the names that it has on disk."""
        return {_ON_DISK.get(name, name): value for name, value in asdict(self).items()}

    def distance(self, teacher: Statistics) -> float:
        """Return how far a teacher is from the nearest reference, in units of their variety.

        1 is as far as the reference that is farthest from all others is from its nearest.
        """
        rows = np.array(self.statistics)
        unit = np.maximum(rows.std(0), 1e-9)
        apart = np.linalg.norm((rows[:, None] - rows[None]) / unit, axis=2)
        np.fill_diagonal(apart, np.inf)
        nearest = np.linalg.norm((rows - np.array(teacher)) / unit, axis=1).min()
        return float(nearest / max(apart.min(1).max(), 1e-9))

    def in_distribution(self, teacher: Statistics) -> bool:
        """Return whether a teacher of these statistics is like one of meta-training."""
        return self.distance(teacher) <= FARTHER

    def by_size(
        self, accuracy: float, fractions: Float[Tensor, " n"]
    ) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
        """Return accuracies that size alone predicts, and their standard deviation.

        Args:
            accuracy: the teacher's, a fraction.
            fractions: students' FLOPs over the teacher's.
        """
        mean = accuracy + self.offset + self.slope * fractions.log()
        return mean.clamp(0.0, 1.0), torch.full_like(mean, self.std)


def fit_reference(teachers: Sequence[tuple[Episode, int]]) -> Reference:
    """Take the statistics of teachers, and fit the line to their students' validation accuracies.

    Args:
        teachers: an episode and the number of classes of each teacher.
    """
    rows = [
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
        statistics=tuple(rows),
        offset=float(offset),
        slope=float(slope),
        std=float(left.std()),
    )
