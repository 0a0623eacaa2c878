"""An order for spaces that have no labels: size and shape as fractions of the teacher's.

A surrogate over teachers, fitted to labels of another space, reads nothing else of a student, so
that it can be asked in any space. That is extrapolation. Its trend is linear in the logarithms of
FLOPs and parameters, since a process alone falls back to one value for all students that are
unlike the labelled ones; shape counts where students are alike. Whoever uses it should measure
some students. Knows nothing of searching.

Dimension letters: n students, d features.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from sklearn.linear_model import Ridge
from torch import Tensor

from dass.errors import InvalidData
from dass.networks.teacher import Teacher
from dass.predictor.level import Facts
from dass.predictor.process import Labelled, Process, fit_process
from dass.predictor.records import Measured, StudentRecord, mean_over_seeds
from dass.predictor.relative import relative_features
from dass.predictor.scorer import Scores
from dass.predictor.surrogate import Observed, Surrogate
from dass.predictor.surrogate_fit import Students, level_of, standards_of, usable
from dass.space.architecture import Architecture
from dass.space.spaces import by_name

SIZES = 2
"""Features that the trend reads: FLOPs and parameters. A trend in all of them did not carry over
to another space (docs/log.md)."""

PENALTY = 10.0
"""Of the trend's ridge, in students' worth of data."""

INDUCING = 64
"""Inducing points of the process: with 24 teachers it is fitted in four core-seconds."""


@dataclass(frozen=True, slots=True)
class Trended(Process):
    """A process around a linear trend."""

    slopes: Float[Tensor, " d"]
    """Of scores, in each standardised feature."""

    def means(self, inputs: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """Return expected scores of a new teacher's students."""
        return Process.means(self, inputs) + inputs @ self.slopes


class TeacherBlind:
    """A `Scorer` of students of any space; it reads a teacher's accuracy and classes alone."""

    def __init__(self, surrogate: Surrogate, *, accuracy: float | None = None) -> None:
        """Take what was fitted; `accuracy` is of what students learn from, else the teacher's."""
        self.surrogate, self.accuracy = surrogate, accuracy

    def predict(
        self,
        teacher: Teacher,
        architectures: Sequence[Architecture],
        *,
        support: Sequence[Measured] = (),
    ) -> Scores:
        """Return predicted accuracies and their std, given the measured students."""
        space = teacher.network.space
        observed = None
        if support:
            members = [Architecture.parse(one.architecture) for one in support]
            observed = Observed.of(relative_features(space, members), support)
        facts = Facts(self.accuracy or teacher.accuracy, teacher.network.num_classes)
        expected = self.surrogate.level.expected(facts)
        conditioned = self.surrogate.conditioned(expected, observed)
        if not architectures:
            return Scores(torch.zeros(0, dtype=torch.float64), torch.zeros(0, dtype=torch.float64))
        return Scores(*conditioned.predict(relative_features(space, architectures)))


def fit_teacher_blind(
    records: Iterable[StudentRecord],
    facts: Mapping[str, Facts],
    *,
    accuracy: float | None = None,
) -> TeacherBlind:
    """Fit it to labels.

    Args:
        records: labelled students of one recipe.
        facts: what is known of teachers, by name; labels of others are not read.
        accuracy: of what students learn from, where it is not their teacher.

    Raises:
        InvalidData: there are too few labels.
    """
    groups: dict[str, list[StudentRecord]] = defaultdict(list)
    for record in records:
        if record.teacher in facts:
            groups[record.teacher].append(record)
    found = []
    for name in sorted(groups):
        means, (first, *_) = mean_over_seeds(groups[name]), groups[name]
        origin = first.task.partition("-")[0]
        found.append(Students.of(by_name(first.space), means, facts[name], group=origin))
    return TeacherBlind(_surrogate(usable(found)), accuracy=accuracy)


def _surrogate(students: Sequence[Students]) -> Surrogate:
    """Fit the trend to all students, and a process to what it leaves."""
    if len(students) < 2:
        raise InvalidData(
            "an order by size and shape must be fitted to labelled students of two teachers or "
            f"more, but got {len(students)}: label more, or order by size"
        )
    centre, scale = standards_of(students)
    inputs = [(s.inputs - centre) / scale for s in students]
    scores = [(s.accuracies - s.level) / s.spread for s in students]
    slopes = torch.zeros(len(centre), dtype=torch.float64)
    trend = Ridge(PENALTY, fit_intercept=False)
    trend.fit(torch.cat(inputs)[:, :SIZES].numpy(), torch.cat(scores).numpy())
    slopes[:SIZES] = torch.from_numpy(np.asarray(trend.coef_, dtype=np.float64))
    blocks = [
        Labelled(x, y - x @ slopes, 1 / s.trainings)
        for x, y, s in zip(inputs, scores, students, strict=True)
    ]
    left = fit_process(blocks, inducing=INDUCING, planes=False)
    process = Trended(left.hyperparameters, left.inducing, left.mean, left.factor, slopes)
    return Surrogate(process=process, level=level_of(students), centre=centre, scale=scale)
