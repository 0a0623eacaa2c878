"""Fit everything anew without each fold of origins, and keep what is said of that fold.

    python -m jobs.cross_validate evidence

`jobs.evaluate` shows the scores that this keeps. The same line goes on after any stop: predictors
that were trained are read from the store.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from dass.errors import InvalidConfig
from dass.evaluation.comparison_config import PROBE
from dass.evaluation.left_out import KEPT, Judged, scores_of, with_early, with_inheritance
from dass.evaluation.replay import replays
from dass.evaluation.replay_tables import HEAD, rows_of, summary
from dass.evaluation.replay_tables import KEPT as REPLAYED
from dass.evaluation.scoring import kept
from dass.evaluation.transfer import transferred
from dass.networks.resnet import ResNet
from dass.networks.teacher import Teacher
from dass.predictor.crossfit import Fold, Lesson, folds_of
from dass.predictor.ensemble import Ensemble
from dass.predictor.records import StudentRecord
from dass.predictor.surrogate_fit import fit_surrogate
from dass.registry.registry import Registry
from dass.registry.zoo_root import SHIPPED
from dass.space.spaces import by_name
from dass.store.store import Store
from jobs import console
from jobs.configs.cross_validate import CrossValidateConfig
from jobs.configs.train import TrainConfig
from jobs.planning.inherited import with_inherited
from jobs.planning.labels import Measured, gather, lessons_of
from jobs.train import members_for


def cross_validate(config: CrossValidateConfig) -> pd.DataFrame:
    """Score every labelled student of a teacher at hand by what other origins teach.

    Raises:
        InvalidConfig: `train.folds` is below 2, or the predictor of `beside` does not fit.
    """
    train = config.train
    if train.folds < 2:
        raise InvalidConfig(f"`train.folds >= 2` must hold to leave folds out, got {train.folds}")
    elsewhere = _predictor_of(config.beside) if config.beside else None
    registry = Registry(Store(train.store))
    recipe, lessons, measured = _taught(registry, train)
    lessons = with_inherited(
        registry, lessons, list(measured.values()), data_root=config.data_root
    )
    open_ones = [one for one in lessons if one.students.group not in train.without]
    folds = folds_of([one.students.group for one in open_ones], train.folds)
    judged = judged_of(registry, lessons if config.open_sealed else open_ones, measured)
    records = [r for one in open_ones for r in measured[one.students.teacher].records]
    parts = []
    with console.bar(total=len(folds), title="leaving out", unit="folds") as bar:
        for part in scores_of(
            judged,
            open_ones,
            records=records,
            folds=folds,
            member_without=members_for(train, recipe, open_ones) if train.hear else None,
        ):
            parts.append(part)
            bar.update()
    if elsewhere is not None:
        parts += _beside(config, elsewhere, judged, lessons=open_ones, folds=folds)
    early = with_early(pd.concat(parts, ignore_index=True), judged)
    return with_inheritance(early, judged)


def _predictor_of(beside: str) -> Ensemble:
    """Return the predictor of another space's store.

    Raises:
        InvalidConfig: it reads more than size, shape and teacher.
    """
    ensemble, _ = Registry(Store(beside, read_only=True)).predictor(SHIPPED)
    if ensemble.surrogate is None or ensemble.hears:
        raise InvalidConfig(
            "the predictor of the store `beside` must be a surrogate of size, shape and teacher, "
            f"but that of {beside} is none; train it there with `folds` and `hear` off"
        )
    return ensemble


def _beside(
    config: CrossValidateConfig,
    ensemble: Ensemble,
    judged: Sequence[Judged],
    *,
    lessons: Sequence[Lesson],
    folds: Sequence[Fold],
) -> Iterator[pd.DataFrame]:
    """Yield scores by what labels of another space teach."""
    registry, train = Registry(Store(config.beside, read_only=True)), config.train
    made, surrogate = ensemble.config, ensemble.surrogate
    assert surrogate is not None, "it was refused else"
    _, data = gather(
        registry, space=made.space, recipe=made.recipe, device=train.device, heard=False
    )
    elsewhere = [
        one.students
        for one in lessons_of(registry, data, train.roles)
        if one.students.group not in train.without
    ]
    yield from transferred(
        judged, lessons, elsewhere, folds=folds, shipped=surrogate, space=made.space
    )


def replay(config: CrossValidateConfig) -> pd.DataFrame:
    """Play verifications of every task at hand, ordered by what other origins teach.

    Returns:
        A row per task, budget, order and number of verified students.
    """
    train = config.train
    registry = Registry(Store(train.store, read_only=True))
    _, every, measured = _taught(registry, train)
    lessons = [one for one in every if one.students.group not in train.without]
    judged = judged_of(registry, lessons, measured)
    rows: list[dict[str, Any]] = []
    folds = folds_of([one.students.group for one in lessons], train.folds)
    with console.bar(total=len(folds), title="leaving out", unit="folds") as bar:
        for fold in folds:
            rest = [one.students for one in lessons if one.students.group not in fold]
            own = [one for one in judged if one.lesson.students.group in fold]
            rows += replays(own, fit_surrogate(rest, widened=False))
            bar.update()
    return pd.DataFrame(rows)


def _taught(
    registry: Registry, train: TrainConfig
) -> tuple[str, list[Lesson], dict[str, Measured]]:
    """Return the recipe, all that may be learned from, and its teachers by name."""
    recipe, data = gather(
        registry, space=train.space, recipe=train.recipe, device=train.device, heard=train.hears
    )
    measured = {one.name: one for role in train.roles for one in data[role]}
    return recipe, lessons_of(registry, data, train.roles), measured


def judged_of(
    registry: Registry, lessons: Sequence[Lesson], measured: Mapping[str, Measured]
) -> list[Judged]:
    """Return the best teacher of each task.

    Of one that is at hand as embeddings alone an untrained network stands in: those who score
    read its space, its classes and its accuracy.
    """
    best: dict[str, Judged] = {}
    early = _first_epochs(registry)
    for lesson in lessons:
        one = measured[lesson.students.teacher]
        task = one.records[0].task
        teacher = one.teacher or _stand_in(one, lesson.students.facts.accuracy)
        if task not in best or teacher.accuracy > best[task].teacher.accuracy:
            first = _first_epoch(one.records, early.get(one.name, {}))
            best[task] = Judged(teacher, lesson, one.records, first)
    return list(best.values())


def _stand_in(one: Measured, accuracy: float) -> Teacher:
    space = by_name(one.records[0].space)
    network = ResNet(space, space.largest, num_classes=one.num_classes)
    return Teacher(name=one.name, network=network.eval(), accuracy=accuracy)


def _first_epochs(registry: Registry) -> dict[str, dict[str, float]]:
    """Return accuracies of trainings of one epoch that the first comparison kept."""
    table = kept(registry.store)
    found: dict[str, dict[str, float]] = {}
    for row in table[table["scorer"] == PROBE].to_dict("records"):
        found.setdefault(row["teacher"], {})[row["architecture"]] = float(row["score"])
    return found


def _first_epoch(
    records: Sequence[StudentRecord], apart: Mapping[str, float]
) -> Float[np.ndarray, " n"] | None:
    """Return validation accuracies after an epoch: of learning curves, else of short trainings."""
    if all(record.curve for record in records):
        return np.array([record.curve[0] for record in records])
    if all(record.architecture in apart for record in records):
        return np.array([apart[record.architecture] for record in records])
    return None


def main(config: CrossValidateConfig) -> None:
    """Cross-validate, or replay verifications; keep what was found, and say where."""
    if config.replay:
        _keep_replay(config, summary(replay(config)))
        return
    scores = cross_validate(config)
    into = Store(config.into or config.train.store)
    buffer = io.BytesIO()
    scores.to_parquet(buffer, index=False)
    key = KEPT.format(name=config.name)
    into.write(key, buffer.getvalue())
    console.keep(into, f"evidence/{config.name}.job.json", config)
    teachers, scorers = (scores[column].nunique() for column in ("teacher", "scorer"))
    print(f"\n{len(scores)} scores of {teachers} teachers' students by {scorers} scorers")
    preset = console.comparison_of(config.train.space)
    next_line = console.line("evaluate", preset, store=into.root)
    console.finish(into.url(key), next_line=next_line)


def _keep_replay(config: CrossValidateConfig, found: dict[str, Any]) -> None:
    into = Store(config.into or config.train.store)
    into.write(REPLAYED, (json.dumps(found, indent=1) + "\n").encode())
    print("\n" + console.table(HEAD, rows_of(found)))
    next_line = console.line("compress", teacher="torchvision:resnet18", verify=8)
    console.finish(into.url(REPLAYED), next_line=next_line)


if __name__ == "__main__":
    from jobs.cli import run_module

    run_module(__file__)
