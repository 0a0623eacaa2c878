"""How far labels can be trusted: ceilings, and rank correlations across teachers and recipes.

docs/protocol.md has the rules. Knows nothing of scorers.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from dass.predictor.ranking import spearman
from dass.predictor.records import StudentRecord, mean_over_seeds
from dass.training.recipe import Recipe

LEAST_STUDENTS = 16
"""Students with two seeds that a ceiling asks for."""

Values = Float[np.ndarray, " n"]

LEAST_HALVED = 8
"""Students that a judgement of a task's labels asks for."""

TRUSTED, NOISY = 0.7, 0.5
"""Agreement of two validation parts of this size: what is asked for, and what is too little."""

_PARTS = ("test_accuracy", "test_half_accuracy")


def mean_over_teachers(records: Sequence[StudentRecord]) -> list[StudentRecord]:
    """Merge the seeds of each student, teacher by teacher."""
    groups: dict[str, list[StudentRecord]] = defaultdict(list)
    for record in records:
        groups[record.teacher].append(record)
    return [merged for name in sorted(groups) for merged in mean_over_seeds(groups[name])]


def halves(
    records: Sequence[StudentRecord], teacher: str
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return even and odd test accuracies of a teacher's students with seeds 0 and 1, per seed."""
    table: dict[str, dict[int, StudentRecord]] = defaultdict(dict)
    for record in records:
        if record.teacher == teacher:
            table[record.architecture][record.seed] = record
    both = [row for _, row in sorted(table.items()) if {0, 1} <= row.keys()]
    even, odd = [], []
    for seed in (0, 1):
        own = [row[seed] for row in both]
        whole, first = (np.array([getattr(r, n) for r in own]) for n in _PARTS)
        even.append(first)
        odd.append(second_half(whole, first, np.array([float(r.test_images) for r in own])))
    return even, odd


def ceiling_of(records: Sequence[StudentRecord], teacher: str) -> float | None:
    """Return the ceiling of a teacher's labels, or `None` without enough repetitions."""
    even, odd = halves(records, teacher)
    if len(even[0]) < LEAST_STUDENTS:
        return None
    return ceiling((even[0], even[1]), (odd[0], odd[1]))


def awareness(
    records: Sequence[StudentRecord],
    *,
    student: Recipe,
    ceilings: Mapping[str, float],
    roles: Mapping[str, str],
) -> pd.DataFrame:
    """Correlate labels of two teachers of a task, and of a teacher's KD and plain students."""
    groups: dict[tuple[str, str, str], dict[str, float]] = {}
    for r in mean_over_recipes(records):
        if roles.get(r.task) == "unseen":
            own = groups.setdefault((r.task, r.teacher, r.recipe), {})
            own[r.architecture] = r.test_accuracy
    rows = []
    keys = sorted(groups)
    for i, one in enumerate(keys):
        for two in keys[i + 1 :]:
            same = sorted(groups[one].keys() & groups[two].keys())
            across_teachers = one[1] != two[1] and one[2] == two[2] == student.name
            across_recipes = one[1] == two[1]
            if one[0] == two[0] and len(same) >= 8 and (across_teachers or across_recipes):
                values = (np.array([groups[k][a] for a in same]) for k in (one, two))
                rows.append(
                    {
                        "task": one[0],
                        "across": "teachers" if across_teachers else "KD and labels alone",
                        "students": len(same),
                        "spearman": spearman(*values),
                        "ceiling": ceilings.get(one[1], ceilings.get(two[1], float("nan"))),
                    }
                )
    return pd.DataFrame(rows, columns=["task", "across", "students", "spearman", "ceiling"])


def mean_over_recipes(records: Sequence[StudentRecord]) -> list[StudentRecord]:
    """Merge the seeds of each student, teacher by teacher and recipe by recipe."""
    recipes = sorted({r.recipe for r in records})
    return [
        m for name in recipes for m in mean_over_teachers([r for r in records if r.recipe == name])
    ]


def second_half(whole: Values, first: Values, images: Float[np.ndarray, " n"]) -> Values:
    """Return accuracies on the odd images, of those on all and on the even ones."""
    even, odd = (images + 1) // 2, images // 2
    return np.asarray((whole * images - first * even) / odd)


def ceiling(even: tuple[Values, Values], odd: tuple[Values, Values]) -> float:
    """Return the highest Spearman that noise leaves to a perfect scorer.

    Two seeds are compared on different halves of the test images, both ways; Spearman–Brown
    raises the mean to the label used, the mean of both seeds on all images; the square root is
    what the truth itself would reach against that label.

    Args:
        even: accuracies on the even test images, of seed 0 and seed 1.
        odd: the same on the odd ones.
    """
    r = (spearman(even[0], odd[1]) + spearman(odd[0], even[1])) / 2
    return math.sqrt(2 * r / (1 + r)) if r > 0 else 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Agreement:
    """How alike two validation parts of this size would order a teacher's students."""

    teacher: str
    students: int
    value: float
    """Spearman; 0 where halves do not agree at all."""
    images: int
    """Of the validation part."""

    @property
    def needed(self) -> int | None:
        """Return the validation images at which it would be `TRUSTED`; None where none tell."""
        if self.value <= 0:
            return None
        times = TRUSTED * (1 - self.value) / (self.value * (1 - TRUSTED))
        return math.ceil(self.images * times)

    def __str__(self) -> str:
        needed = self.needed
        helps = "longer trainings" if needed is None else f"some {needed} images or two seeds"
        return (
            f"{self.teacher}: two parts of {self.images} validation images would order its "
            f"{self.students} students alike at {self.value:.2f} only; {helps} would help"
        )


def agreements(records: Sequence[StudentRecord]) -> list[Agreement]:
    """Judge the labels of every teacher by the two halves of its validation part.

    Each half orders the students; Spearman-Brown raises the agreement of halves to that of whole
    parts. Teachers with too few students, or with records that do not say, are left out.

    Args:
        records: of one recipe.
    """
    found = []
    groups: dict[str, list[StudentRecord]] = defaultdict(list)
    for record in mean_over_teachers(records):
        if record.validation_half_accuracy is not None:
            groups[record.teacher].append(record)
    for teacher, group in groups.items():
        if len(group) >= LEAST_HALVED:
            whole = np.array([r.validation_accuracy for r in group])
            first = np.array([r.validation_half_accuracy for r in group], dtype=np.float64)
            images = np.array([float(r.validation_images) for r in group])
            r = max(0.0, spearman(first, second_half(whole, first, images)))
            found.append(
                Agreement(
                    teacher=teacher,
                    students=len(group),
                    value=2 * r / (1 + r),
                    images=group[0].validation_images,
                )
            )
    return found
