"""Do cheap labels order students as long trainings do?

    python -m benchmarks.fidelity --store zoo/fidelity

Reads records alone: `dass build fidelity` makes the long ones, `dass build fidelity
--student.epochs 8` and the like cheaper ones of the same students. The truth of a task is the test
accuracy after the longest recipe, the mean of its seeds. Of each recipe: how the validation (and
test) accuracy of one training orders the students, as a fraction of what the noise of the truth
leaves to a perfect scorer, and the points that its favourite within a budget loses (mean of three
budgets); FLOPs beside it. Where the students' spread is less than three times the noise of a seed,
the choice hardly matters, and the task is not counted. A test accuracy of the longest recipe is
part of the truth.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from dass.evaluation.metrics import budget_regret
from dass.evaluation.reliability import ceiling, halves
from dass.predictor.ranking import spearman
from dass.predictor.records import StudentRecord
from dass.registry.registry import Registry
from dass.space.spaces import by_name
from dass.store.store import Store
from dass.training.recipe import Recipe
from jobs import console

TELLING = 3.0
"""Spread of the students over the noise of a seed from which a choice matters."""
HEAD = (
    *("recipe", "core-seconds", "validation orders", "of the ceiling", "test orders"),
    *("regret, points",),
)
Values = Float[np.ndarray, " n"]
Labels = Mapping[str, Mapping[int, Mapping[str, StudentRecord]]]
"""Records of one task by recipe, seed and architecture."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Truth:
    """What students of one task reach when they are trained long."""

    students: tuple[str, ...]
    accuracy: Values
    """On the test part, mean of the seeds."""
    flops: Values
    whole: float
    """FLOPs of the largest member of the space, the teacher's own shape."""
    spread: float
    """Of the students, in points."""
    noise: float
    """Of a seed, in points."""
    ceiling: float
    """The highest Spearman that noise leaves to a perfect scorer."""

    def kept(self, order: float) -> float:
        """Return an order as a fraction of the ceiling; NaN where seeds do not agree at all."""
        return order / self.ceiling if self.ceiling else np.nan

    def __str__(self) -> str:
        return (
            f"{len(self.students)} students, spread {self.spread:.2f} points, noise of a seed "
            f"{self.noise:.2f}, ceiling {self.ceiling:.2f}"
            f"{'' if self.tells else '; the choice hardly matters, not counted'}"
        )

    @property
    def tells(self) -> bool:
        return self.spread >= TELLING * self.noise


def truth(seeds: Mapping[int, Mapping[str, StudentRecord]]) -> Truth:
    """Read the truth off two trainings of each student."""
    one, two = (seeds[seed] for seed in sorted(seeds)[:2])
    students = tuple(sorted(one.keys() & two.keys()))
    first, second = (_column(side, students, "test_accuracy") for side in (one, two))
    of = one[students[0]]
    even, odd = halves([*one.values(), *two.values()], of.teacher)
    space, mean = by_name(of.space), (first + second) / 2
    return Truth(
        students=students,
        accuracy=mean,
        flops=_column(one, students, "flops"),
        whole=float(space.flops([space.largest])[0]),
        spread=100 * float(mean.std(ddof=1)),
        noise=100 * float((first - second).std(ddof=1)) / 2**0.5,
        ceiling=ceiling((even[0], even[1]), (odd[0], odd[1])),
    )


def _column(side: Mapping[str, StudentRecord], students: tuple[str, ...], name: str) -> Values:
    return np.array([float(getattr(side[student], name)) for student in students])


def scores(seeds: Mapping[int, Mapping[str, StudentRecord]], of: Truth) -> list[float]:
    """Return core-seconds, Spearman of validation, that over the ceiling, of test, and regret."""
    rows = []
    for side in seeds.values():
        if side.keys() >= set(of.students):
            validation = _column(side, of.students, "validation_accuracy")
            order = spearman(validation, of.accuracy)
            test = spearman(_column(side, of.students, "test_accuracy"), of.accuracy)
            spent = float(np.median(_column(side, of.students, "seconds")))
            rows.append([spent, order, of.kept(order), test, _regret(validation, of)])
    return np.mean(rows, axis=0).tolist() if rows else [np.nan] * 5


def _regret(score: Values, of: Truth) -> float:
    lost = budget_regret(score, of.accuracy, of.flops, teacher_flops=of.whole, k=1)
    return 100 * lost


def labels(registry: Registry) -> Mapping[str, Labels]:
    """Return all records by dataset."""
    tasks = registry.tasks()
    found: dict[str, dict[str, dict[int, dict[str, StudentRecord]]]] = {}
    for record in registry.records():
        own = found.setdefault(tasks[record.task][0].source.rpartition("/")[2], {})
        own.setdefault(record.recipe, defaultdict(dict))[record.seed][record.architecture] = record
    return found


def told(recipe: Recipe) -> str:
    """Say a recipe by what differs among those that are compared."""
    return f"{recipe.epochs} epochs, batches of {recipe.batch_size}, rate {recipe.learning_rate:g}"


def table_of(own: Labels, of: Truth, recipes: Mapping[str, Recipe]) -> dict[str, list[float]]:
    """Return a row of numbers for each recipe, the cheapest first, then for FLOPs."""
    order = sorted(own, key=lambda name: (recipes[name].epochs, recipes[name].batch_size, name))
    found = {told(recipes[name]): scores(own[name], of) for name in order}
    by_size = spearman(of.flops, of.accuracy)
    found["FLOPs"] = [np.nan, by_size, of.kept(by_size), np.nan, _regret(of.flops, of)]
    return found


def shown(rows: Mapping[str, list[float]]) -> str:
    """Lay rows out as a table; what is not there is a dash."""
    return console.table(
        HEAD,
        [
            [name, *("–" if np.isnan(value) else f"{value:.2f}" for value in row)]
            for name, row in rows.items()
        ],
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table of each task, and the means over those that tell."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--store", default="zoo/fidelity")
    registry = Registry(Store(parser.parse_args(arguments).store, read_only=True))
    counted: dict[str, list[list[float]]] = defaultdict(list)
    for name, own in sorted(labels(registry).items()):
        recipes = {recipe: registry.recipe(recipe) for recipe in own}
        long = max(own, key=lambda recipe: recipes[recipe].epochs)
        found = truth(own[long])
        print(f"\n{name}: {found}\n")
        rows = table_of(own, found, recipes)
        print(shown(rows))
        for recipe, row in rows.items() if found.tells else ():
            counted[recipe].append(row)
    print(f"\nmeans of the tasks where the choice matters, {len(counted['FLOPs'])} of them\n")
    print(shown({recipe: np.mean(rows, axis=0).tolist() for recipe, rows in counted.items()}))


if __name__ == "__main__":
    main()
