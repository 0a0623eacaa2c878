"""Who competes in a closed loop: the searched student and plain choices, and their trainings.

Knows nothing of stores, of workers, or of what is trained already.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dass.baselines.choices import chosen_plainly
from dass.networks.teacher import Teacher
from dass.predictor.records import FIRST_CLOSED_LOOP_SEED
from dass.predictor.scorer import Scorer
from dass.searching.evolution import SecondLook, search
from dass.searching.prediction import Prediction, predictions
from dass.space.architecture import Architecture
from dass.space.cost import Budget
from dass.training.recipe import Recipe
from jobs.configs.contest import ContestConfig
from jobs.planning.plan import StudentPlan

SEARCHED, LOOKED = "searched", "looked at"
"""The choice of the predictor, and its choice after a second look at the best with images."""
KINDS = (SEARCHED, "largest in budget", "random")
"""Who competes where nothing else is said."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Contender:
    """One way of choosing, for one teacher and budget."""

    kind: str
    """How it was chosen: `SEARCHED`, or one of the plain ways."""
    fraction: float
    """Budget, a fraction of the teacher's FLOPs."""
    prediction: Prediction
    """What the predictor says of the architecture it chose."""
    plans: tuple[StudentPlan, ...]
    """Its trainings, one per seed; no label of a meta-dataset has these seeds."""

    def measured(self, accuracies: Mapping[str, float]) -> np.ndarray:
        """Return the accuracy of each training, given those of records by key; shape [seeds]."""
        return np.array([accuracies[plan.identity.key] for plan in self.plans])


def contenders(
    predictor: Scorer,
    teacher: Teacher,
    *,
    recipe: Recipe,
    config: ContestConfig,
    second: SecondLook | None = None,
) -> Iterator[Contender]:
    """Search a teacher's students within every budget, and choose plainly beside it.

    Args:
        predictor: whose choice is put to the test.
        teacher: whose students are sought; must have a task.
        recipe: how the choices are distilled.
        config: budgets, search and seeds.
        second: who looks at the best of the search once more: one more competitor.
    """
    for fraction in config.fractions:
        budget = Budget.of(teacher, flops=fraction)
        kinds = (SEARCHED,) if second is None else (SEARCHED, LOOKED)  # a look comes last
        found = list(search(predictor, teacher, budget, config=config.search, second=second))
        ends = zip(kinds, found[-len(kinds) :], strict=True)
        chosen = {kind: end.top[0].architecture for kind, end in ends} | {
            kind: chosen_plainly(kind, teacher, budget, config=config.search)
            for kind in config.beside
        }
        predicted = predictions(predictor, teacher, list(chosen.values()))
        for kind, prediction in zip(chosen, predicted, strict=True):
            yield contender(
                teacher, prediction, kind=kind, fraction=fraction, recipe=recipe,
                seeds=config.seeds,
            )  # fmt: skip


def contender(
    teacher: Teacher,
    prediction: Prediction,
    *,
    kind: str,
    fraction: float,
    recipe: Recipe,
    seeds: int,
) -> Contender:
    """Return a choice with its trainings."""
    plans = trainings(teacher, prediction.architecture, recipe=recipe, seeds=range(seeds))
    return Contender(kind=kind, fraction=fraction, prediction=prediction, plans=plans)


def trainings(
    teacher: Teacher, architecture: Architecture, *, recipe: Recipe, seeds: Sequence[int]
) -> tuple[StudentPlan, ...]:
    """Return the trainings of one choice, with seeds that no label has."""
    assert teacher.task is not None, "a contest is held on images"
    return tuple(
        StudentPlan(
            teacher=teacher.name,
            task=teacher.task,
            space=teacher.network.space.name,
            architecture=architecture,
            recipe=recipe,
            seed=FIRST_CLOSED_LOOP_SEED + seed,
        )
        for seed in seeds
    )
