"""Verification replayed from recorded learning curves: what does it gain, and what does it cost?

The rule is the one that is used: `dass.searching.verification.verify` decides who is trained and
who is chosen. Only the trainings are looked up: a student that is trained for an epoch has the
first value of its curve, one that is trained whole its label. The order comes from a surrogate
fitted without the task's group of origins, or from FLOPs. Knows nothing of stores.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from dass.evaluation.left_out import Judged
from dass.evaluation.statistics import bootstrap
from dass.predictor.surrogate import Observed, Surrogate
from dass.searching.prediction import Prediction
from dass.searching.verification import Ordered, Short, verify
from dass.space.architecture import Architecture
from dass.space.cost import BUDGETS

KEPT = "evaluations/verification.json"
"""Where what was found is kept."""

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
    one = contest.judged
    inputs = one.lesson.students.inputs
    expected = surrogate.level.expected(one.lesson.students.facts)
    rows = {one.records[i].architecture: i for i in contest.kept}
    images = one.records[0].validation_images

    def ordered(support: Sequence[Short]) -> Sequence[Prediction]:
        known = [rows[each.architecture] for each in support]
        observed = Observed.of(inputs[known], support, images=images)
        mean, _ = surrogate.conditioned(expected, observed).predict(inputs[list(contest.kept)])
        return contest.predictions(mean.tolist())

    return ordered


def replayed(contest: Contest, ordered: Ordered, *, students: int) -> tuple[float, int]:
    """Play a verification; return the regret of its choice and the epochs that it cost.

    Args:
        contest: the students.
        ordered: in which order, given what was measured.
        students: that are verified; all of them where there are fewer.

    Returns:
        Test accuracy of the best recorded student less that of the choice, a fraction; and the
        epochs that were trained, a training that goes on not counted twice.
    """
    records = {contest.judged.records[i].architecture: contest.judged.records[i]
               for i in contest.kept}  # fmt: skip
    choice, trained = str(ordered([])[0].architecture), dict[str, int]()

    def measure(architecture: Architecture, epochs: int) -> float:
        record = records[str(architecture)]
        trained[str(architecture)] = epochs
        whole = epochs == contest.longest
        return record.validation_accuracy if whole else record.curve[epochs - 1]

    if students:
        space = contest.judged.teacher.network.space
        for ended in verify(ordered, space, students=min(students, len(records)),
                            longest=contest.longest, measure=measure):  # fmt: skip
            choice = str(ended.checked[0].architecture)
    best = max(record.test_accuracy for record in records.values())
    return best - records[choice].test_accuracy, sum(trained.values())


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
                    regret, epochs = replayed(contest, ordered, students=students)
                    yield {
                        "task": one.records[0].task,
                        "fraction": fraction,
                        "order": name,
                        "verified": students,
                        "regret": regret,
                        "epochs": epochs,
                        "floor": contest.floor,
                        "candidates": len(contest.kept),
                    }


def summary(rows: pd.DataFrame) -> dict[str, Any]:
    """Return mean regrets in points with 95 % intervals over tasks, as values of JSON.

    A task counts once: the mean of its budgets, or of one budget.
    """
    found = []
    pairs = product(sorted(set(rows["order"])), VERIFIED)
    for order, verified in pairs:
        own = rows[(rows["order"] == order) & (rows["verified"] == verified)]
        for fraction in (None, *BUDGETS):
            part = own if fraction is None else own[own["fraction"] == fraction]
            by_task = part.groupby("task")[["regret", "epochs", "candidates"]].mean()
            regret = bootstrap(100 * by_task["regret"].to_numpy(float))
            found.append(
                {
                    "order": order,
                    "verified": verified,
                    "fraction": fraction,
                    "regret": round(regret.mean, 3),
                    "low": round(regret.low, 3),
                    "high": round(regret.high, 3),
                    "epochs": round(float(by_task["epochs"].mean()), 2),
                    "tasks": len(by_task),
                    "candidates": round(float(by_task["candidates"].mean()), 1),
                }
            )
    floors = rows.drop_duplicates(["task", "fraction"]).groupby("task")["floor"].mean()
    floor = bootstrap(100 * floors.to_numpy(float))
    return {
        "format": 1,
        "rows": found,
        "gains": gains(rows),
        "floor": {
            "regret": round(floor.mean, 3),
            "low": round(floor.low, 3),
            "high": round(floor.high, 3),
        },
    }


HEAD = ("ordered by", "students verified", "regret@1, points", "at 30, 50, 70 %", "gain",
        "epochs")  # fmt: skip


def rows_of(found: Mapping[str, Any]) -> list[list[str]]:
    """Lay out what `summary` returned: a row per order and number of verified students."""
    by_gain = {(one["order"], one["verified"]): one for one in found["gains"]}
    lines = []
    for one in found["rows"]:
        if one["fraction"] is not None:
            continue
        key = (one["order"], one["verified"])
        each = [r for r in found["rows"] if (r["order"], r["verified"]) == key and r["fraction"]]
        gain = by_gain.get(key)
        lines.append(
            [
                one["order"],
                str(one["verified"]),
                _with_interval(one, "regret"),
                ", ".join(f"{r['regret']:.2f}" for r in each),
                ""
                if gain is None
                else f"{gain['gain']:.2f} [{gain['low']:.2f}, {gain['high']:.2f}]",
                f"{one['epochs']:.1f}",
            ]
        )
    told = _with_interval(found["floor"], "regret")
    return [*lines, ["validation accuracy", "all, trained whole", told, "", "", ""]]


def _with_interval(one: Mapping[str, Any], name: str) -> str:
    return f"{one[name]:.2f} [{one['low']:.2f}, {one['high']:.2f}]"


def gains(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Return by order and number verified what is gained over verifying nobody, in points."""
    found = []
    means = rows.groupby(["order", "task", "verified"])["regret"].mean().unstack()
    for order, wide in means.groupby(level="order"):
        for verified in VERIFIED[1:]:
            gain = bootstrap(100 * (wide[0] - wide[verified]).to_numpy(np.float64))
            found.append({"order": order, "verified": verified, "gain": round(gain.mean, 3),
                          "low": round(gain.low, 3), "high": round(gain.high, 3)})  # fmt: skip
    return found
