"""The verbs of the front door that join rooms: open a store, load from it, search.

Each is a line or two over the rooms above; who needs more control calls those. Knows nothing of
jobs, services or command lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from dass.errors import InvalidConfig
from dass.networks.teacher import Teacher
from dass.predictor.ensemble import Ensemble
from dass.predictor.records import Measured
from dass.predictor.scorer import Scorer
from dass.registry.registry import Registry
from dass.searching.evolution import Generation, SecondLook, run
from dass.searching.evolution_config import SearchConfig
from dass.space.cost import Budget
from dass.store.store import Store


def open_store(url: str, *, read_only: bool = False) -> Registry:
    """Return typed access to a store: tasks, teachers, records, predictors, students.

    Args:
        url: a folder, or a URL such as `s3://bucket/prefix`.
        read_only: refuse to write.
    """
    return Registry(Store(url, read_only=read_only))


def load_teacher(store: Registry | str, name: str) -> Teacher:
    """Read a teacher out of a store, or out of the store at a URL.

    Raises:
        UnknownName: lists the teachers there are.
    """
    return _opened(store).teacher(name)


def load_predictor(store: Registry | str, name: str = "predictor") -> Ensemble:
    """Read a predictor out of a store, or out of the store at a URL.

    Raises:
        UnknownName: lists the predictors there are.
    """
    return _opened(store).predictor(name)[0]


def search(
    predictor: Scorer,
    teacher: Teacher,
    budget: Budget,
    *,
    support: Sequence[Measured] = (),
    second: SecondLook | None = None,
    **settings: Any,
) -> Generation:
    """Search a teacher's students for those that will be best after distillation.

    Args:
        predictor: the predictor, or any other `Scorer`.
        teacher: whose students are sought; its space is searched.
        budget: what a student may cost.
        support: measured students of this teacher, for a predictor that adapts.
        second: who looks at the best once more: `dass.second_look(predictor, teacher, images)`.
        settings: fields of `SearchConfig`: candidates, top, seed, ...

    Returns:
        The best students (`top`, best first) and the Pareto front (`pareto`, cheapest first).

    Raises:
        InfeasibleBudget: not even the cheapest student fits; says what that one costs.
        InvalidConfig: a setting is unknown or out of range.
    """
    allowed = [field.name for field in fields(SearchConfig)]
    for name in settings:
        if name not in allowed:
            raise InvalidConfig(
                f"settings of a search must be among {', '.join(allowed)}, but got {name!r}"
            )
    config = SearchConfig(**settings)
    return run(predictor, teacher, budget, config=config, support=support, second=second)


def _opened(store: Registry | str) -> Registry:
    return open_store(store) if isinstance(store, str) else store
