"""Meta-train a predictor on a store's records and publish it with its card.

    python -m jobs.train micro --store runs/micro

Reads validation accuracies only; test accuracies change no weight and no choice.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import torch

from dass.baselines.fitted import MeanRank, ShapeRegression, SizeRegression
from dass.baselines.size import ByDepth, ByFlops, ByParameters
from dass.data.task import Role
from dass.errors import InvalidConfig, InvalidData
from dass.networks.teacher import Teacher
from dass.predictor.ensemble import Ensemble, calibrated
from dass.predictor.episode import Episode, episode
from dass.predictor.meta import MetaConfig, fit, rank_correlation, typical_spread
from dass.predictor.network import Predictor, PredictorConfig, PredictorShape
from dass.predictor.ood import fit_reference
from dass.predictor.ranking import spearman
from dass.predictor.records import StudentRecord, mean_over_seeds
from dass.predictor.scorer import Scorer
from dass.registry.registry import Registry
from dass.space.architecture import Architecture
from dass.space.space import Space
from dass.space.spaces import by_name
from dass.store.store import Store
from jobs import console


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainConfig:
    """Which records to meta-train on, and how."""

    store: str
    """Where records and teachers are and the predictor goes: a folder, or s3://bucket/prefix."""
    space: str
    """Search space of the records: micro, small, paper, or a derived one such as
    resnet18@64."""
    name: str = "predictor"
    """Name to publish it under; an existing one of that name is replaced."""
    recipe: str | None = None
    """Name of the student recipe to learn; `None` if the store's records have only one."""
    members: int = 3
    """Predictors in the ensemble, differing in seed; >= 1."""
    shape: PredictorShape = field(default_factory=PredictorShape)
    """What each of them is made of and what it reads."""
    reference: bool = True
    """Whether teachers unlike all of meta-training are recognised; their intervals are wider."""
    meta: MetaConfig = field(default_factory=MetaConfig)
    """Meta-training."""
    device: str = "cpu"
    """cpu or cuda."""

    def __post_init__(self) -> None:
        by_name(self.space)
        if self.members < 1:
            raise InvalidConfig(f"`members >= 1` must hold, but got {self.members}")


@dataclass(frozen=True, slots=True)
class Measured:
    """A teacher, its students, and what they reached on the validation part."""

    name: str
    """Of the teacher."""
    num_classes: int
    """Of its task."""
    teacher: Teacher | None
    """`None` where only its students' embeddings are at hand."""
    records: Sequence[StudentRecord]
    """One per architecture: accuracies are means over seeds."""
    episode: Episode


def gather(
    registry: Registry, *, space: str, recipe: str | None, device: str
) -> tuple[str, Mapping[Role, list[Measured]]]:
    """Read the records of one space and recipe, by the role of their task.

    Returns:
        The recipe's name, and the teachers of each role with at least two students.

    Raises:
        InvalidData: there are no such records, or there are several recipes to choose from.
    """
    records = [record for record in registry.records() if record.space == space]
    known = sorted({record.recipe for record in records})
    if recipe is None:
        if len(known) != 1:
            raise InvalidData(
                f"`recipe` must be one of those of {registry.store.root}, {known}, if it has "
                f"not exactly one for space {space!r}; build records or name one"
            )
        recipe = known[0]
    groups: dict[str, list[StudentRecord]] = defaultdict(list)
    for record in records:
        if record.recipe == recipe:
            groups[record.teacher].append(record)
    roles = registry.roles()
    found: dict[Role, list[Measured]] = {"train": [], "validation": [], "unseen": []}
    with console.bar(total=len(groups), title="embedding", unit="teachers") as bar:
        for name in sorted(groups):
            group = mean_over_seeds(groups[name])
            role = roles.get(group[0].task)
            if role is not None and len(group) > 1:
                found[role].append(_measured(registry, name, group, device=device))
            bar.update()
    return recipe, found


def _measured(
    registry: Registry, name: str, records: Sequence[StudentRecord], *, device: str
) -> Measured:
    if not registry.has_teacher(name) and registry.has_embeddings(name):
        kept = registry.embeddings(name)
        return Measured(name, kept.num_classes, None, records, kept.episode(records).to(device))
    teacher = registry.teacher(name)
    teacher.network.to(device)
    architectures = [Architecture.parse(record.architecture) for record in records]
    accuracies = [record.validation_accuracy for record in records]
    found = episode(teacher, architectures, accuracies)
    return Measured(name, teacher.network.num_classes, teacher, records, found)


def episodes_of(data: Mapping[Role, Sequence[Measured]]) -> tuple[list[Episode], list[Episode]]:
    """Return the meta-training episodes and those of validation.

    Raises:
        InvalidData: there are none of one sort.
    """
    episodes, validation = ([m.episode for m in data[role]] for role in ("train", "validation"))
    if not episodes or not validation:
        raise InvalidData(
            "the store must have records of tasks to train on and of tasks to validate on, but "
            f"has {len(episodes)} and {len(validation)} such teachers; label some with jobs.build "
            "and `--splits.0.role`"
        )
    return episodes, validation


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
    recipe, data = gather(registry, space=config.space, recipe=config.recipe, device=config.device)
    trained = [
        train_member(config, recipe, data, seed=config.meta.seed + i)
        for i in range(config.members)
    ]
    ensemble = finished(config, data, [predictor for predictor, _ in trained])
    card = {
        "space": config.space,
        "recipe": recipe,
        "train_teachers": [m.name for m in data["train"]],
        "validation_teachers": [m.name for m in data["validation"]],
        "train_students": sum(len(m.records) for m in data["train"]),
        "members_validation_spearman": [value for _, value in trained],
        "validation_spearman": validation_table(by_name(config.space), data, ensemble),
        "noise": ensemble.noise,
        "meta": asdict(config.meta),
        "seconds": time.perf_counter() - started,
    }
    registry.put_predictor(config.name, ensemble, card)
    return ensemble, card


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
    print("\nmean Spearman over the validation teachers (the predictor was selected on them)")
    print(console.table(["scorer", "Spearman"], rows))
    store = Store(config.store)
    console.keep(store, f"predictors/{config.name}/job.json", config)
    console.finish(store.url(f"predictors/{config.name}"), next_line=following(config))


if __name__ == "__main__":
    from jobs.cli import run_module

    run_module(__file__)
