"""DaSS: the student network that will be best after distillation, found in seconds.

    import dass

    predictor, card = dass.zoo.predictor()
    teacher = dass.zoo.teacher(dass.zoo.teachers()[0])
    answer = dass.search(predictor, teacher, dass.Budget.of(teacher, flops=0.5))

A table of contents: what stands in it is imported when it is first asked for (PEP 562), so that
importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dass.data.task import Task, load_task
    from dass.data.task_config import TaskConfig
    from dass.errors import DassError
    from dass.networks.latency import LatencyTable, load_latency
    from dass.networks.onnx import to_onnx
    from dass.networks.oracles.address import load_oracle
    from dass.networks.oracles.oracle import Oracle
    from dass.networks.teacher import Teacher
    from dass.pipeline.compression.steps import compress
    from dass.pipeline.front import load_predictor, load_teacher, open_store, search
    from dass.pipeline.looking import second_look
    from dass.pipeline.students import distill
    from dass.predictor.ensemble import Ensemble
    from dass.predictor.records import StudentRecord
    from dass.predictor.scorer import Scorer, Scores
    from dass.registry import zoo
    from dass.registry.registry import Registry
    from dass.searching.evolution import Generation
    from dass.searching.evolution_config import SearchConfig
    from dass.searching.prediction import Prediction
    from dass.space.architecture import Architecture
    from dass.space.cost import Budget
    from dass.space.space import Space
    from dass.store.store import Store
    from dass.training.recipe import Recipe

__all__ = [
    "Architecture",
    "Budget",
    "DassError",
    "Ensemble",
    "Generation",
    "LatencyTable",
    "Oracle",
    "Prediction",
    "Recipe",
    "Registry",
    "Scorer",
    "Scores",
    "SearchConfig",
    "Space",
    "Store",
    "StudentRecord",
    "Task",
    "TaskConfig",
    "Teacher",
    "compress",
    "distill",
    "load_latency",
    "load_oracle",
    "load_predictor",
    "load_task",
    "load_teacher",
    "open_store",
    "search",
    "second_look",
    "to_onnx",
    "zoo",
]

_HOMES = {
    "dass.data.task": ("Task", "load_task"),
    "dass.data.task_config": ("TaskConfig",),
    "dass.errors": ("DassError",),
    "dass.networks.latency": ("LatencyTable", "load_latency"),
    "dass.networks.onnx": ("to_onnx",),
    "dass.networks.oracles.address": ("load_oracle",),
    "dass.networks.oracles.oracle": ("Oracle",),
    "dass.networks.teacher": ("Teacher",),
    "dass.pipeline.compression.steps": ("compress",),
    "dass.pipeline.front": ("load_predictor", "load_teacher", "open_store", "search"),
    "dass.pipeline.looking": ("second_look",),
    "dass.pipeline.students": ("distill",),
    "dass.predictor.ensemble": ("Ensemble",),
    "dass.predictor.records": ("StudentRecord",),
    "dass.predictor.scorer": ("Scorer", "Scores"),
    "dass.registry": ("zoo",),
    "dass.registry.registry": ("Registry",),
    "dass.searching.evolution": ("Generation",),
    "dass.searching.evolution_config": ("SearchConfig",),
    "dass.searching.prediction": ("Prediction",),
    "dass.space.architecture": ("Architecture",),
    "dass.space.cost": ("Budget",),
    "dass.space.space": ("Space",),
    "dass.store.store": ("Store",),
    "dass.training.recipe": ("Recipe",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


if not TYPE_CHECKING:  # else type checkers would take any name for granted

    def __getattr__(name: str) -> object:
        if name not in _HOME_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        home = import_module(_HOME_OF[name])
        # A module inside a package, `zoo`, is an attribute only once it was imported itself.
        value = getattr(home, name, None) or import_module(f"{home.__name__}.{name}")
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
