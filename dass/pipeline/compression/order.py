"""In which order students are sought: by the shipped predictor where its space is searched, else
by size and shape of labelled students of another space, else by size.

Only the first is of this space; the others are extrapolation. Knows nothing of training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dass.baselines.size import ByFlops
from dass.baselines.teacher_blind import TeacherBlind, fit_teacher_blind
from dass.errors import DassError
from dass.networks.teacher import Teacher
from dass.predictor.level import Facts
from dass.predictor.scorer import Scorer
from dass.registry import zoo
from dass.registry.zoo_root import ROOT
from dass.searching.evolution import Generation, run
from dass.searching.evolution_config import Algorithm, SearchConfig
from dass.searching.prediction import Prediction
from dass.searching.verification import Short
from dass.space.architecture import Architecture
from dass.space.cost import Budget

TOP = 200
"""Students that a search returns, among which those to verify are chosen."""

TEACHERS = 24
"""Labelled teachers that are learned from at most: the time of the fit grows with them."""

SHIPPED_SPACE = "small"
"""Space of the shipped predictor that labels of students without their teacher are taken from."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """What orders students, and how it is told."""

    scorer: Scorer
    said: str
    """What it is, for reports."""
    extrapolated: bool
    """Whether it was learned in another space, or not learned at all."""
    accuracies: bool
    """Whether its scores are predicted accuracies."""
    conditions: bool
    """Whether it learns from students that were trained for a part of the recipe."""


def order_for(space: str, *, accuracy: float) -> Order:
    """Return what orders students of a space.

    Args:
        space: its name.
        accuracy: of what students learn from, on validation images; a fraction.
    """
    if is_shipped(space):
        ensemble, _ = zoo.predictor(root=zoo.root_of(space))
        return order_by(
            ensemble, said="the shipped predictor", conditions=ensemble.surrogate is not None
        )
    try:
        blind = _teacher_blind(accuracy)
    except DassError:  # what ships may lack the labels
        return Order(
            scorer=ByFlops(),
            said="size alone (by extrapolation)",
            extrapolated=True,
            accuracies=False,
            conditions=False,
        )
    return Order(
        scorer=blind,
        said=f"FLOPs, parameters and shape, learned of labelled students of {SHIPPED_SPACE} "
        "(by extrapolation; it does not see the teacher)",
        extrapolated=True,
        accuracies=True,
        conditions=True,
    )


def is_shipped(space: str) -> bool:
    """Return whether a predictor for a space is shipped."""
    return space == SHIPPED_SPACE or zoo.root_of(space) != ROOT


def order_by(scorer: Scorer, *, said: str, conditions: bool) -> Order:
    """Return the order of a predictor of the space that is searched."""
    return Order(
        scorer=scorer, said=said, extrapolated=False, accuracies=True, conditions=conditions
    )


def _teacher_blind(accuracy: float) -> TeacherBlind:
    """Fit to shipped labels of the shipped predictor's recipe.

    Raises:
        DassError: they, or what is known of their teachers, are not there.
    """
    shipped, recipe = zoo.registry(), zoo.predictor()[0].config.recipe
    records = [record for record in shipped.records() if record.recipe == recipe]
    named = sorted({r.teacher for r in records} & set(shipped.teachers()))[:TEACHERS]
    known = {name: shipped.teacher_facts(name) for name in named}
    facts = {
        name: Facts(float(each["accuracy"]), int(each["num_classes"]))
        for name, each in known.items()
    }
    return fit_teacher_blind(records, facts, accuracy=accuracy)


def sought(
    order: Order,
    teacher: Teacher,
    budget: Budget,
    *,
    candidates: int,
    seed: int,
    algorithm: Algorithm = "evolution",
    support: Sequence[Short] = (),
) -> Generation:
    """Search within the budget, given measured students where the order learns from them.

    The Pareto front is of milliseconds where the budget limits them, else of FLOPs.
    """
    config = SearchConfig(candidates=candidates, top=TOP, seed=seed, algorithm=algorithm)
    known = support if order.conditions else [one for one in support if one.epochs == 0]
    latency, classes = budget.latency, teacher.network.num_classes

    def milliseconds(students: Sequence[Architecture]) -> Sequence[float]:
        assert latency is not None
        found: list[float] = latency.milliseconds(students, num_classes=classes).tolist()
        return found

    return run(order.scorer, teacher, budget, config=config, support=known,
               costs=None if latency is None else milliseconds)  # fmt: skip


def with_extra(found: Sequence[Prediction], extra: Sequence[Prediction]) -> list[Prediction]:
    """Return predictions, best first, with further ones that the search did not return."""
    there = {p.architecture for p in found}
    return [*found, *(p for p in extra if p.architecture not in there)]
