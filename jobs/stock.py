"""Stock a store for the service: a predictor and a digits teacher, for its first request.

    python -m jobs.stock micro

The predictor is the shipped one (`zoo/`) if there is one, else one meta-trained at `micro` scale,
in some two minutes. What is in the store already is left alone.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path

from cluster.storage import Store
from dass.library import Library
from dass.teacher import Teacher
from jobs import console
from jobs.build import build
from jobs.plan import BuildConfig, SplitPlan
from jobs.train import TrainConfig, train_predictor


@dataclass(frozen=True, kw_only=True, slots=True)
class StockConfig:
    """What goes into the store."""

    store: str
    """A local folder."""
    zoo: str = "zoo"
    """Folder of shipped predictors and teachers, laid out as a store; it may be absent."""
    predictor: str = "predictor"
    """Name of the predictor that is served."""
    teacher: str = "digits"
    """Name of the digits teacher."""
    build: BuildConfig
    """What the predictor is meta-trained on where none is shipped."""
    small_build: BuildConfig
    """How a digits teacher of space small is trained."""
    train: TrainConfig
    """How it is meta-trained."""
    digits: SplitPlan = field(default_factory=lambda: SplitPlan(role="unseen", flip=False))
    """Images of the digits teacher."""


def stock(config: StockConfig) -> list[str]:
    """Fill the store; return the names of the teachers that can be asked for."""
    library = Library(Store(config.store))
    zoo = Path(config.zoo)
    if not library.has_predictor(config.predictor):
        if (zoo / "predictors" / config.predictor).is_dir():
            for room in (f"predictors/{config.predictor}", "teachers", "tasks"):
                if (zoo / room).is_dir():
                    shutil.copytree(
                        zoo / room, Path(library.store.root) / room, dirs_exist_ok=True
                    )
        else:
            build(replace(config.build, store=config.store))
            train_predictor(replace(config.train, store=config.store, name=config.predictor))
    if not library.has_teacher(config.teacher):
        _digits_teacher(config, library)
    return library.teachers()


def _digits_teacher(config: StockConfig, library: Library) -> None:
    """Train a teacher of digits in the predictor's space and publish it under a short name."""
    ensemble, _ = library.predictor(config.predictor)
    base = {"micro": config.build, "small": config.small_build}[ensemble.config.space]
    before = set(library.teachers())
    plan = replace(base, store=config.store, splits=(config.digits,), pool=0, own=0)
    build(plan)
    (made,) = set(library.teachers()) - before
    teacher = library.teacher(made)
    named = Teacher(
        name=config.teacher,
        network=teacher.network,
        accuracy=teacher.accuracy,
        test_accuracy=teacher.test_accuracy,
        task=teacher.task,
    )
    library.put_teacher(named, {"recipe": base.teacher.name})
    library.drop_teacher(made)


def main(config: StockConfig) -> None:
    """Stock the store and say what it has."""
    console.announce(config)
    print(f"\nteachers: {', '.join(stock(config))}")
    console.finish(
        Store(config.store).root, next_line=f"python -m serve.app --store {config.store}"
    )


if __name__ == "__main__":
    from jobs import recipes
    from jobs.stock import main as imported_main

    console.run(imported_main, recipes.STOCK, "stock", options=None)
