"""Scores of every scorer for the labelled students of validation and unseen teachers.

What is expensive and depends on a teacher and its images alone is kept in the store, so that it is
computed once, and so that it can be shipped. Knows nothing of metrics.
"""

from __future__ import annotations

import io
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pandas as pd
import torch

from dass.baselines.diswot import Diswot
from dass.baselines.fitted import (
    ArchitectureOnly,
    BoostedTrees,
    MeanRank,
    ShapeRegression,
    SizeRegression,
)
from dass.baselines.one_epoch import OneEpoch
from dass.baselines.size import ByDepth, ByFlops, ByParameters
from dass.baselines.surrogates import ExtraTrees, GaussianProcess
from dass.baselines.zero_cost import Naswot, SynFlow, Zen
from dass.data.task import Task, load_task
from dass.data.task_config import Role
from dass.evaluation.comparison_config import PROBE, PROXIES
from dass.networks.teacher import Teacher
from dass.predictor.records import Measured, StudentRecord
from dass.predictor.scorer import Scorer, Scores
from dass.registry.registry import Registry
from dass.space.architecture import Architecture
from dass.space.spaces import by_name
from dass.store.store import Store
from dass.training.recipe import Recipe

SCORES = "evidence/scores.parquet"
"""Where expensive scores are kept."""

EXPENSIVE: dict[str, Callable[[Task, Recipe], Scorer]] = dict(
    zip(
        PROXIES,
        (
            lambda task, recipe: SynFlow(),
            lambda task, recipe: Naswot(task.train),
            lambda task, recipe: Zen(),
            lambda task, recipe: Diswot(task.train, flip=task.flip),
            lambda task, recipe: Diswot(task.train, flip=task.flip, part="semantic"),
            lambda task, recipe: Diswot(task.train, flip=task.flip, part="relation"),
            lambda task, recipe: OneEpoch(task, recipe),
        ),
        strict=True,
    )
)
"""Scorers whose scores are kept."""

TRAINS_NOTHING = ("parameters", "FLOPs", "depth", *(name for name in PROXIES if name != PROBE))
"""Scorers that need neither records nor training."""


@dataclass(frozen=True, slots=True)
class LabelledTeacher:
    """A teacher and its labelled students, in the order of their architectures."""

    teacher: Teacher
    role: Role
    records: Sequence[StudentRecord]
    """Means over seeds, one per architecture."""

    @property
    def fractions(self) -> list[float]:
        """FLOPs of the labelled students over the teacher's."""
        teacher_flops = self.teacher.flops
        return [record.flops / teacher_flops for record in self.records]

    @property
    def architectures(self) -> list[Architecture]:
        """The labelled students."""
        return [Architecture.parse(record.architecture) for record in self.records]


class Shuffled:
    """A random order: the score is a draw seeded by the architecture."""

    def predict(
        self,
        teacher: Teacher,
        architectures: Sequence[Architecture],
        *,
        support: Sequence[Measured] = (),
    ) -> Scores:
        """Return a number that means nothing."""
        values = []
        for architecture in architectures:
            seed = sum((i + 1) * ord(c) for i, c in enumerate(f"{teacher.name}{architecture}"))
            values.append(torch.rand(1, generator=torch.Generator().manual_seed(seed)))
        return Scores(torch.cat(values) if values else torch.zeros(0))


class WithAnother:
    """A scorer that is shown another teacher's network: an ablation."""

    def __init__(self, scorer: Scorer, teachers: Sequence[Teacher]) -> None:
        self._scorer = scorer
        names = [teacher.name for teacher in teachers]
        shifted = [*teachers[1:], *teachers[:1]]
        self._others = dict(zip(names, shifted, strict=True))

    def predict(
        self,
        teacher: Teacher,
        architectures: Sequence[Architecture],
        *,
        support: Sequence[Measured] = (),
    ) -> Scores:
        """Score with the wrong network and the right accuracy."""
        wrong = replace(teacher, network=self._others[teacher.name].network)
        return self._scorer.predict(wrong, architectures, support=support)


def fitted(space: str, records: Sequence[StudentRecord]) -> dict[str, Scorer]:
    """Return the scorers that are quick, fitted to records of meta-training tasks."""
    known = by_name(space)
    return {
        "random": Shuffled(),
        "parameters": ByParameters(),
        "FLOPs": ByFlops(),
        "depth": ByDepth(),
        "size regression": SizeRegression(known, records),
        "mean rank": MeanRank(known, records),
        "boosted trees": BoostedTrees(known, records),
        "shape regression": ShapeRegression(known, records),
        "architecture only": ArchitectureOnly(known, records),
        "Gaussian process": GaussianProcess(known, records),
        "extremely random trees": ExtraTrees(known, records),
    }


def table(scorers: dict[str, Scorer], labelled: Sequence[LabelledTeacher]) -> pd.DataFrame:
    """Score every teacher's students by every scorer.

    Returns:
        Columns scorer, teacher, architecture, score and seconds (of the whole list).
    """
    parts = []
    for name, scorer in scorers.items():
        for one in labelled:
            parts.append(_scored(name, scorer, one.teacher, members=one.architectures))
    return pd.concat(parts, ignore_index=True)


def _scored(
    name: str, scorer: Scorer, teacher: Teacher, *, members: Sequence[Architecture]
) -> pd.DataFrame:
    started = time.process_time()
    scores = scorer.predict(teacher, members).mean.double().cpu().numpy()
    return pd.DataFrame(
        {
            "scorer": name,
            "teacher": teacher.name,
            "architecture": [str(a) for a in members],
            "score": scores,
            "seconds": (time.process_time() - started) / max(1, len(scores)),
        }
    )


def with_probe(scores: pd.DataFrame, names: Sequence[str], *, probe: str = PROBE) -> pd.DataFrame:
    """Return scorers joined with a short training: the sum of both, standardised by teacher.

    Args:
        scores: of `table` and `expensive`.
        names: scorers to join; those that are not there are left out.
        probe: the scorer that trains.
    """
    keys = ["teacher", "architecture"]
    trained = scores[scores["scorer"] == probe]
    parts = []
    for name in names:
        both = scores[scores["scorer"] == name].merge(trained, on=keys, suffixes=("", "_probe"))
        for column in ("score", "score_probe"):
            groups = both.groupby("teacher")[column]
            spread = groups.transform("std", ddof=0).replace(0.0, 1.0)
            both[column] = (both[column] - groups.transform("mean")) / spread
        both["score"] += both["score_probe"]
        both["seconds"] += both["seconds_probe"]
        both["scorer"] = f"{name} + {probe}"
        parts.append(both[list(scores.columns)])
    return pd.concat(parts, ignore_index=True) if parts else scores.iloc[:0]


def kept(store: Store) -> pd.DataFrame:
    """Read the expensive scores that the store has."""
    if not store.exists(SCORES):
        return pd.DataFrame(columns=["scorer", "teacher", "architecture", "score", "seconds"])
    return pd.read_parquet(io.BytesIO(store.read(SCORES)))


def expensive(
    store: Store,
    labelled: Sequence[LabelledTeacher],
    recipe: Recipe,
    *,
    names: Sequence[str],
    data: str,
    advance: Callable[[int], None],
) -> pd.DataFrame:
    """Return the expensive scores of all teachers; compute and keep what the store lacks.

    A task whose images cannot be read is an error only if some of its scores are not kept.
    `advance` is called after each teacher, with their number.
    """
    found = kept(store)
    done: dict[tuple[str, str], set[str]] = defaultdict(set)
    for scorer, teacher, architecture in found[["scorer", "teacher", "architecture"]].to_numpy():
        done[scorer, teacher].add(architecture)
    for one in labelled:
        lacking = {
            name: [a for a in one.architectures if str(a) not in done[name, one.teacher.name]]
            for name in names
        }
        if any(lacking.values()):
            assert one.teacher.task is not None
            size = one.teacher.network.space.image_size
            task = load_task(one.teacher.task, image_size=size, data_root=data)
            parts = [
                _scored(name, EXPENSIVE[name](task, recipe), one.teacher, members=members)
                for name, members in lacking.items()
                if members
            ]
            found = pd.concat([p for p in (found, *parts) if len(p)], ignore_index=True)
            buffer = io.BytesIO()
            found.to_parquet(buffer, index=False)
            store.write(SCORES, buffer.getvalue())
        advance(len(labelled))
    return found[found["scorer"].isin(names)]


def labelled_teachers(
    registry: Registry, records: Sequence[StudentRecord]
) -> list[LabelledTeacher]:
    """Group mean records by teacher; of validation and test tasks only."""
    groups: dict[str, list[StudentRecord]] = defaultdict(list)
    for record in records:
        groups[record.teacher].append(record)
    roles = registry.roles()
    return [
        LabelledTeacher(registry.teacher(name), roles[group[0].task], group)
        for name, group in sorted(groups.items())
        if len(group) > 1 and roles.get(group[0].task) in ("validation", "unseen")
    ]
