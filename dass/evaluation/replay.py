"""Verification replayed from recorded learning curves: what does it gain, and what does it cost?

The rule is the one that is used: `dass.searching.verification.verify` decides who is trained and
who is chosen. Only the trainings are looked up: a student that is trained for an epoch has the
first value of its curve, one that is trained whole its label. The order comes from a surrogate
fitted without the task's group of origins, or from FLOPs. Knows nothing of stores.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor

from dass.evaluation.left_out import Judged
from dass.predictor.records import StudentRecord
from dass.predictor.surrogate import Conditioned, Observed, Surrogate
from dass.searching.prediction import Prediction
from dass.searching.verification import Ordered, Short, verify
from dass.space.architecture import Architecture
from dass.space.cost import BUDGETS

VERIFIED = (0, 1, 2, 4, 8, 16)
"""How many students are verified; 0 takes the first of the order."""

SURROGATE, FLOPS = "the surrogate", "FLOPs"
"""What students are ordered by before anything is measured."""


@dataclass(frozen=True, slots=True)
class Contest:
    """The recorded students of one teacher within one budget."""

    judged: Judged
    kept: Sequence[int]
    """Places of the records that fit."""

    @property
    def longest(self) -> int:
        """Epochs of the whole training."""
        return len(self.judged.records[0].curve)

    @property
    def architectures(self) -> list[Architecture]:
        """The students, in the order of `kept`."""
        return [Architecture.parse(self.judged.records[i].architecture) for i in self.kept]

    @property
    def floor(self) -> float:
        """Regret of taking the best by validation accuracy of all, each trained whole."""
        records = [self.judged.records[i] for i in self.kept]
        best = max(record.test_accuracy for record in records)
        return best - max(records, key=lambda r: r.validation_accuracy).test_accuracy

    def measured(self, record: StudentRecord, epochs: int) -> Short:
        """Return what a training of so many epochs said of a student."""
        whole = epochs == self.longest
        accuracy = record.validation_accuracy if whole else record.curve[epochs - 1]
        return Short(
            architecture=record.architecture,
            validation_accuracy=accuracy,
            epochs=0 if whole else epochs,
        )

    def predictions(self, scores: Sequence[float]) -> list[Prediction]:
        """Return the students with scores, the best first."""
        records = [self.judged.records[i] for i in self.kept]
        found = [
            Prediction(
                architecture=architecture,
                accuracy=score,
                std=None,
                flops=record.flops,
                parameters=record.parameters,
            )
            for architecture, record, score in zip(
                self.architectures, records, scores, strict=True
            )
        ]
        return sorted(found, key=lambda p: -p.accuracy)


def contests(one: Judged) -> Iterator[tuple[float, Contest]]:
    """Yield a contest for each budget that two students or more fit; none without curves."""
    if not all(record.curve for record in one.records):
        return
    whole = one.teacher.flops
    for fraction in BUDGETS:
        kept = [i for i, r in enumerate(one.records) if r.flops <= fraction * whole]
        if len(kept) > 1:
            yield fraction, Contest(one, kept)


def by_flops(contest: Contest) -> Ordered:
    """Return an order that puts the largest first, whatever was measured."""
    flops = [float(contest.judged.records[i].flops) for i in contest.kept]
    return lambda _: contest.predictions(flops)


def by_surrogate(contest: Contest, surrogate: Surrogate) -> Ordered:
    """Return a surrogate's order given what was measured, as a search has it."""

    def ordered(support: Sequence[Short]) -> Sequence[Prediction]:
        conditioned, inputs = told(contest, surrogate, support)
        return contest.predictions(conditioned.predict(inputs)[0].tolist())

    return ordered


def told(
    contest: Contest, surrogate: Surrogate, support: Sequence[Short]
) -> tuple[Conditioned, Float[Tensor, "n d"]]:
    """Return the surrogate given what was measured, and the inputs of the students."""
    one = contest.judged
    inputs = one.lesson.students.inputs
    rows = {one.records[i].architecture: i for i in contest.kept}
    known = inputs[[rows[each.architecture] for each in support]]
    observed = Observed.of(known, support, images=one.records[0].validation_images)
    expected = surrogate.level.expected(one.lesson.students.facts)
    return surrogate.conditioned(expected, observed), inputs[list(contest.kept)]


def expected_regret(contest: Contest, surrogate: Surrogate, played: Played) -> float:
    """Return the regret that the surrogate expects of a choice, given all that was measured."""
    conditioned, inputs = told(contest, surrogate, played.measured)
    names = [contest.judged.records[i].architecture for i in contest.kept]
    return conditioned.expected_regret(inputs, choice=names.index(played.choice))


@dataclass(frozen=True, slots=True)
class Played:
    """What a verification came to."""

    choice: str
    """The student that is taken."""
    regret: float
    """Test accuracy of the best recorded student less that of the choice, a fraction."""
    epochs: int
    """That were trained, a training that goes on not counted twice."""
    measured: Sequence[Short]
    """All that were trained, each as far as it came."""


def replayed(contest: Contest, ordered: Ordered, *, students: int) -> Played:
    """Play a verification.

    Args:
        contest: the students.
        ordered: in which order, given what was measured.
        students: that are verified; all of them where there are fewer.
    """
    records = {contest.judged.records[i].architecture: contest.judged.records[i]
               for i in contest.kept}  # fmt: skip
    choice, trained = str(ordered([])[0].architecture), dict[str, int]()

    def measure(architecture: Architecture, epochs: int) -> float:
        trained[str(architecture)] = epochs
        return contest.measured(records[str(architecture)], epochs).validation_accuracy

    if students:
        space = contest.judged.teacher.network.space
        for ended in verify(ordered, space, students=min(students, len(records)),
                            longest=contest.longest, measure=measure):  # fmt: skip
            choice = str(ended.checked[0].architecture)
    best = max(record.test_accuracy for record in records.values())
    return Played(
        choice,
        best - records[choice].test_accuracy,
        sum(trained.values()),
        [contest.measured(records[name], epochs) for name, epochs in trained.items()],
    )


def replays(judged: Sequence[Judged], surrogate: Surrogate) -> Iterator[dict[str, Any]]:
    """Yield a row per teacher, budget, order and number of verified students.

    Args:
        judged: teachers that the surrogate was fitted without.
        surrogate: that orders.
    """
    for one in judged:
        for fraction, contest in contests(one):
            orders = {SURROGATE: by_surrogate(contest, surrogate), FLOPS: by_flops(contest)}
            for name, ordered in orders.items():
                for students in VERIFIED:
                    played = replayed(contest, ordered, students=students)
                    yield {
                        "task": one.records[0].task,
                        "fraction": fraction,
                        "order": name,
                        "verified": students,
                        "regret": played.regret,
                        "expected": expected_regret(contest, surrogate, played),
                        "epochs": played.epochs,
                        "floor": contest.floor,
                        "candidates": len(contest.kept),
                    }
