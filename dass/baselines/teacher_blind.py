"""An order for spaces that have no labels: size and shape as fractions of the teacher's.

A surrogate over teachers, fitted to the shipped labels of another space, reads nothing else of a
student, so that it can be asked in any space. That is extrapolation, and whoever uses it should
measure some students. Knows nothing of searching.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import torch

from dass.networks.teacher import Teacher
from dass.predictor.level import Facts
from dass.predictor.records import Measured, StudentRecord, mean_over_seeds
from dass.predictor.relative import relative_features
from dass.predictor.scorer import Scores
from dass.predictor.surrogate import Observed, Surrogate
from dass.predictor.surrogate_fit import Students, fit_surrogate
from dass.space.architecture import Architecture
from dass.space.spaces import by_name

INDUCING = 64
"""Inducing points of the process: with 24 teachers it is fitted in four core-seconds."""


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
            observed = Observed(
                relative_features(space, members),
                torch.tensor([one.validation_accuracy for one in support], dtype=torch.float64),
                tuple(getattr(one, "epochs", 0) for one in support),
            )
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
    return TeacherBlind(fit_surrogate(found, inducing=INDUCING), accuracy=accuracy)
