"""Meta-train a predictor on a store's records and publish it with its card.

    python -m jobs.train micro --store runs/micro

Reads validation accuracies only; test accuracies change no weight and no choice.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch

from dass.baselines.fitted import MeanRank, ShapeRegression, SizeRegression
from dass.baselines.size import ByDepth, ByFlops, ByParameters
from dass.data.task_config import Role
from dass.predictor.crossfit import Lesson, crossfitted, folds_of
from dass.predictor.ensemble import Ensemble, calibrated
from dass.predictor.episode import Episode
from dass.predictor.meta import fit, rank_correlation, typical_spread
from dass.predictor.network import Predictor
from dass.predictor.network_config import PredictorConfig
from dass.predictor.ood import fit_reference
from dass.predictor.ranking import spearman
from dass.predictor.scorer import Scorer
from dass.registry.registry import Registry
from dass.space.architecture import Architecture
from dass.space.space import Space
from dass.space.spaces import by_name
from dass.store.store import Store
from jobs import console
from jobs.configs.train import TrainConfig
from jobs.planning.folds import Members
from jobs.planning.labels import Measured, episodes_of, gather, lessons_of


def fresh(
    config: TrainConfig, recipe: str, episodes: Sequence[Episode], *, seed: int
) -> Predictor:
    """Return an untrained predictor, its targets scaled to the episodes."""
    shape = PredictorConfig(
        space=config.space,
        recipe=recipe,
        **asdict(config.shape),
        spread=max(1e-4, typical_spread(episodes)),
    )
    return Predictor(shape, generator=torch.Generator().manual_seed(seed)).to(config.device)


def train_member(
    config: TrainConfig, recipe: str, data: Mapping[Role, Sequence[Measured]], *, seed: int
) -> tuple[Predictor, float]:
    """Meta-train one predictor; return it and its mean Spearman on the validation tasks."""
    episodes, validation = episodes_of(data)
    predictor = fresh(config, recipe, episodes, seed=seed)
    meta = replace(config.meta, seed=seed)
    title = f"meta-training, seed {seed}"
    with console.bar(total=meta.episodes, title=title, unit="episodes") as bar:
        for step in fit(predictor, episodes, validation, config=meta):
            bar.update()
            if step.validation is not None:
                bar.set_postfix(loss=f"{step.loss:.3g}", best=f"{step.best:.3f}", refresh=False)
    return predictor, rank_correlation(predictor, validation)


def finished(
    config: TrainConfig, data: Mapping[Role, Sequence[Measured]], members: Sequence[Predictor]
) -> Ensemble:
    """Make the ensemble to publish: its intervals calibrated, its reference fitted."""
    reference = None
    if config.reference and len(data["train"]) > 1:
        reference = fit_reference([(m.episode, m.num_classes) for m in data["train"]])
    _, validation = episodes_of(data)
    return calibrated(Ensemble(tuple(members), reference=reference), validation)


def validation_table(
    space: Space, data: Mapping[Role, Sequence[Measured]], ensemble: Ensemble
) -> dict[str, float]:
    """Return each scorer's mean Spearman over the validation teachers."""
    known = [record for measured in data["train"] for record in measured.records]
    scorers: dict[str, Scorer] = {
        "predictor": ensemble,
        "parameters": ByParameters(),
        "FLOPs": ByFlops(),
        "depth": ByDepth(),
        "size regression": SizeRegression(space, known),
        "mean rank": MeanRank(space, known),
        "shape regression": ShapeRegression(space, known),
    }
    return {
        name: float(np.mean([_correlation(scorer, m) for m in data["validation"] if m.teacher]))
        for name, scorer in scorers.items()
    }


def _correlation(scorer: Scorer, measured: Measured) -> float:
    assert measured.teacher is not None
    architectures = [Architecture.parse(r.architecture) for r in measured.records]
    scores = scorer.predict(measured.teacher, architectures).mean.double().cpu().numpy()
    return spearman(scores, np.array([r.validation_accuracy for r in measured.records]))


def train_predictor(config: TrainConfig) -> tuple[Ensemble, dict[str, Any]]:
    """Gather, meta-train every member, publish; return the ensemble and its card."""
    started = time.perf_counter()
    registry = Registry(Store(config.store))
    recipe, data = gather(
        registry,
        space=config.space,
        recipe=config.recipe,
        device=config.device,
        heard=config.hears,
    )
    if config.folds:
        ensemble, facts = _crossfitted(config, registry, recipe=recipe, data=data)
    else:
        ensemble, facts = _selected(config, recipe, data)
    card = {
        "space": config.space,
        "recipe": recipe,
        **facts,
        "noise": ensemble.noise,
        "meta": asdict(config.meta),
        "seconds": time.perf_counter() - started,
    }
    registry.put_predictor(config.name, ensemble, card)
    return ensemble, card


def _selected(
    config: TrainConfig, recipe: str, data: Mapping[Role, Sequence[Measured]]
) -> tuple[Ensemble, dict[str, Any]]:
    """Train members on the meta-train tasks, selected and calibrated on the validation tasks."""
    trained = [
        train_member(config, recipe, data, seed=config.meta.seed + i)
        for i in range(config.members)
    ]
    ensemble = finished(config, data, [predictor for predictor, _ in trained])
    return ensemble, {
        "train_teachers": [m.name for m in data["train"]],
        "validation_teachers": [m.name for m in data["validation"]],
        "train_students": sum(len(m.records) for m in data["train"]),
        "members_validation_spearman": [value for _, value in trained],
        "validation_spearman": validation_table(by_name(config.space), data, ensemble),
    }


def members_for(config: TrainConfig, recipe: str, lessons: Sequence[Lesson]) -> Members:
    """Return what trains a member without some origins, or reads it from the store."""
    episodes = [one.episode for one in lessons]
    return Members(
        Store(config.store),
        lessons,
        lambda seed: fresh(config, recipe, episodes, seed=seed),
        config=config.meta,
    )


def _crossfitted(
    config: TrainConfig,
    registry: Registry,
    *,
    recipe: str,
    data: Mapping[Role, Sequence[Measured]],
) -> tuple[Ensemble, dict[str, Any]]:
    """Train a member without each fold of origins, and a surrogate on what they say of it."""
    every = lessons_of(registry, data, config.roles)
    lessons = [one for one in every if one.students.group not in config.without]
    folds = folds_of([one.students.group for one in lessons], config.folds)
    members = members_for(config, recipe, lessons)
    ensemble = crossfitted(lessons, folds, members, hear=config.hear)
    reference = None
    if config.reference:
        reference = fit_reference(
            [(one.episode, one.students.facts.num_classes) for one in lessons]
        )
    left_out = {
        ", ".join(sorted(fold)): rank_correlation(
            member, [one.episode for one in lessons if one.students.group in fold]
        )
        for fold, member in zip(folds, ensemble.members, strict=True)
    }
    return replace(ensemble, reference=reference), {
        "train_teachers": [one.students.teacher for one in lessons],
        "validation_teachers": [],
        "train_students": sum(len(one.students.accuracies) for one in lessons),
        "validation_spearman": left_out,
    }


def following(config: TrainConfig) -> str:
    """Return the line that searches a teacher's students: of an unseen task if there is one."""
    registry = Registry(Store(config.store))
    names = [*registry.teachers_of("unseen"), *registry.teachers()]
    return console.line(
        "search",
        console.preset_of(config.space),
        store=config.store,
        teacher=names[0] if names else "NAME",
        predictor=config.name,
    )


def main(config: TrainConfig) -> None:
    """Train, then compare with the baselines on the validation tasks."""
    _, card = train_predictor(config)
    rows = [[name, f"{value:+.3f}"] for name, value in card["validation_spearman"].items()]
    if config.folds:
        print("\nmean Spearman of the member that never saw these origins, over their teachers")
    else:
        print("\nmean Spearman over the validation teachers (the predictor was selected on them)")
    print(console.table(["origins" if config.folds else "scorer", "Spearman"], rows))
    store = Store(config.store)
    console.keep(store, f"predictors/{config.name}/job.json", config)
    console.finish(store.url(f"predictors/{config.name}"), next_line=following(config))


if __name__ == "__main__":
    from jobs.cli import run_module

    run_module(__file__)
