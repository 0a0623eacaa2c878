"""Stock a store for the service: a predictor and a digits teacher, for its first request.

    python -m jobs.prepare micro

The predictor is the shipped one if there is one, else one meta-trained at `micro` scale,
in some two minutes. What is in the store already is left alone.
"""

from __future__ import annotations

import shlex
import shutil
import time
from dataclasses import replace
from pathlib import Path

from dass.networks.teacher import Teacher
from dass.registry.registry import Registry
from dass.store.store import Store
from jobs import console
from jobs.build import build
from jobs.configs.prepare import PrepareConfig
from jobs.train import train_predictor


def prepare(config: PrepareConfig) -> list[str]:
    """Fill the store; return the names of the teachers that can be asked for."""
    registry = Registry(Store(config.store))
    zoo, began, how = Path(config.zoo), time.perf_counter(), "in the store"
    if not registry.has_predictor(config.predictor):
        how = "meta-trained"
        if (zoo / "predictors" / config.predictor).is_dir():
            how = "the shipped one copied"
            for room in (f"predictors/{config.predictor}", "teachers", "tasks"):
                if (zoo / room).is_dir():
                    shutil.copytree(
                        zoo / room, Path(registry.store.root) / room, dirs_exist_ok=True
                    )
        else:
            build(replace(config.build, store=config.store))
            train_predictor(replace(config.train, store=config.store, name=config.predictor))
    print(f"  predictor: {how} ({time.perf_counter() - began:.1f} s)", flush=True)
    began, how = time.perf_counter(), "in the store"
    if not registry.has_teacher(config.teacher):
        how = "trained"
        _digits_teacher(config, registry)
    print(f"  teacher {config.teacher}: {how} ({time.perf_counter() - began:.1f} s)", flush=True)
    return registry.teachers()


def _digits_teacher(config: PrepareConfig, registry: Registry) -> None:
    """Train a teacher of digits in the predictor's space and publish it under a short name."""
    ensemble, _ = registry.predictor(config.predictor)
    base = {"micro": config.build, "small": config.small_build}[ensemble.config.space]
    before = set(registry.teachers())
    plan = replace(base, store=config.store, splits=(config.digits,), pool=0, per_task=0)
    build(plan)
    (made,) = set(registry.teachers()) - before
    teacher = registry.teacher(made)
    named = Teacher(
        name=config.teacher,
        network=teacher.network,
        accuracy=teacher.accuracy,
        test_accuracy=teacher.test_accuracy,
        task=teacher.task,
    )
    registry.put_teacher(named, {"recipe": base.teacher.name})
    registry.drop_teacher(made)


def main(config: PrepareConfig) -> None:
    """Stock the store and say what it has."""
    print(f"\nteachers: {', '.join(prepare(config))}")
    console.finish(
        Store(config.store).root,
        next_line=shlex.join(["python", "-m", "serve.app", "--store", config.store]),
    )


if __name__ == "__main__":
    from jobs.cli import run_module

    run_module(__file__)
