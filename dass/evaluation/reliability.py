"""How far labels can be trusted: ceilings, and rank correlations across teachers and recipes.

docs/protocol.md has the rules. Knows nothing of scorers.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float

from dass.predictor.ranking import spearman
from dass.predictor.records import StudentRecord, mean_over_seeds
from dass.training.recipe import Recipe

LEAST_STUDENTS = 16
"""Students with two seeds that a ceiling asks for."""

Values = Float[np.ndarray, " n"]

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
