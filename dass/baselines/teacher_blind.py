"""An order for spaces that have no labels: size and shape as fractions of the teacher's.

A surrogate over teachers, fitted to the shipped labels of another space, reads nothing else of a
student, so that it can be asked in any space. That is extrapolation, and whoever uses it should
measure some students. Knows nothing of searching.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import torch

from dass.errors import DassError, InvalidData
from dass.networks.teacher import Teacher
from dass.predictor.level import Facts
from dass.predictor.records import Measured, StudentRecord, mean_over_seeds
from dass.predictor.relative import relative_features
from dass.predictor.scorer import Scores
from dass.predictor.surrogate import Observed, Surrogate
from dass.predictor.surrogate_fit import Students, fit_surrogate, usable
from dass.registry.registry import Registry
from dass.space.architecture import Architecture
from dass.space.spaces import by_name

LEAST_TEACHERS = 2
"""Labelled teachers below which nothing is fitted."""


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
    registry: Registry, *, recipe: str, accuracy: float | None = None, teachers: int = 24
) -> TeacherBlind:
    """Fit it to the labels of a store.

    Args:
        registry: has labels, and what is known of their teachers.
        recipe: whose labels are read.
        accuracy: of what students learn from, where it is not their teacher.
        teachers: labelled teachers read at most, in the order of their names.

    Raises:
        InvalidData: there are too few labels.
    """
    groups: dict[str, list[StudentRecord]] = defaultdict(list)
    for record in registry.records():
        if record.recipe == recipe:
            groups[record.teacher].append(record)
    found = []
    for name in sorted(groups):
        facts = _facts(registry, name)
        if facts is not None and len(found) < teachers:
            records = mean_over_seeds(groups[name])
            space = by_name(records[0].space)
            found.append(Students.of(space, records, facts, group=records[0].task.split("-")[0]))
    found = usable(found)
    if len(found) < LEAST_TEACHERS:
        raise InvalidData(
            f"an order by size and shape must be fitted to labels of {LEAST_TEACHERS} teachers or "
            f"more, but {registry.store.root} has {len(found)}: order by size instead"
        )
    return TeacherBlind(fit_surrogate(found, inducing=64), accuracy=accuracy)


def _facts(registry: Registry, teacher: str) -> Facts | None:
    """Return what is known of a labelled teacher; nothing where the store does not have it."""
    try:
        known = registry.teacher_facts(teacher)
    except DassError:
        return None
    return Facts(float(known["accuracy"]), int(known["num_classes"]))
