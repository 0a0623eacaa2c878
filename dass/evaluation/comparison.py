"""What an evaluation finds: scores, metrics, ceilings, and which baseline is to be beaten.

docs/protocol.md has the rules. Knows nothing of how results are shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from dass.errors import InvalidData
from dass.evaluation import scoring
from dass.evaluation.comparison_config import PROBE, EvaluateConfig
from dass.evaluation.equal_time import CANDIDATES, Competitor, compare
from dass.evaluation.reliability import LEAST_STUDENTS, awareness, ceiling_of, mean_over_teachers
from dass.evaluation.scoring import LabelledTeacher
from dass.evaluation.tables import measure, strongest_baselines, strongest_teachers, students_of
from dass.predictor.ensemble import Ensemble
from dass.predictor.interval import LEVEL
from dass.predictor.records import FIRST_CLOSED_LOOP_SEED, StudentRecord
from dass.predictor.scorer import Scorer
from dass.registry.registry import Registry
from dass.searching.prediction import predictions
from dass.space.sampling import stratified
from dass.space.spaces import by_name
from dass.store.store import Store
from dass.training.recipe import Recipe

LEAST_CEILING = 0.6
"""Below it, or with fewer students than a ceiling asks for, a dataset is shown, but is no part of
the headline."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Everything that an evaluation found."""

    tasks: pd.DataFrame
    """A row per scorer, teacher and group of architectures, with every metric."""
    students: pd.DataFrame
    """A row per scorer and student of the headline: score, accuracy, fraction of FLOPs."""
    ceilings: Mapping[str, float]
    """By teacher, of unseen tasks with two seeds."""
    headline: Sequence[str]
    """Names of the teachers whose datasets count."""
    chosen: Mapping[str, str]
    """The strongest baselines by validation tasks: of all, and of those that train nothing."""
    awareness: pd.DataFrame
    """Rank correlations across teachers and across recipes, beside ceilings."""
    equal_time: pd.DataFrame
    """Regrets of one epoch of KD and of the predictor at the same cost."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Numbers of records, students and datasets."""


SHIPPED = "DaSS as first shipped"
"""How tables call the predictor that is judged."""
WRONG_TEACHER = "DaSS, wrong teacher"
"""The same, shown the network of another task's teacher: an ablation."""

SURROGATES = ("Gaussian process", "extremely random trees")
"""Competitors that are also judged together with one epoch of KD, as the predictor is."""


@dataclass(frozen=True, slots=True)
class _Labels:
    """What a store has for a comparison."""

    registry: Registry
    records: Sequence[StudentRecord]
    """Of the space, whatever the recipe."""
    student: Recipe

    @property
    def of_recipe(self) -> list[StudentRecord]:
        return [r for r in self.records if r.recipe == self.student.name]

    @classmethod
    def read(cls, config: EvaluateConfig) -> _Labels:
        registry = Registry(Store(config.store))
        left = {
            name
            for name, (task, _) in registry.tasks().items()
            if task.source.startswith("rendered:") and not config.rendered
        }
        records = [
            r
            for r in registry.records()
            if r.space == config.space and r.seed < FIRST_CLOSED_LOOP_SEED and r.task not in left
        ]
        return cls(registry, records, config.student)

    def split(self) -> tuple[list[StudentRecord], list[LabelledTeacher], list[LabelledTeacher]]:
        """Return meta-training records, the best teacher of each other task, and those of tests.

        Raises:
            InvalidData: one of them is missing.
        """
        roles, means = self.registry.roles(), mean_over_teachers(self.of_recipe)
        known = [r for r in means if roles.get(r.task) == "train"]
        first = strongest_teachers(scoring.labelled_teachers(self.registry, means))
        unseen = [one for one in first if one.role == "unseen"]
        if not unseen or not known:
            raise InvalidData(
                f"{self.registry.store.root} must have records of meta-training tasks and of "
                f"unseen tasks, but has {len(known)} and {len(unseen)} teachers of these; label "
                "some with jobs.build"
            )
        return known, first, unseen


def evaluate(
    config: EvaluateConfig, *, advance: Callable[[int], None] = lambda _: None
) -> Comparison:
    """Score, measure and compare; publishes nothing but expensive scores.

    Args:
        config: what is compared.
        advance: called after each teacher's expensive scores, with the number of teachers.

    Raises:
        InvalidData: the store has no unseen task with enough students.
    """
    labels = _Labels.read(config)
    known, first, unseen = labels.split()
    scorers = scoring.fitted(config.space, known) | predictors(config, labels.registry, first)
    scores = [scoring.table(scorers, first)]
    if config.proxies:
        scores.append(_expensive(config, labels, first, advance=advance))
    table = pd.concat(scores, ignore_index=True)
    joined = scoring.with_probe(table, [*SURROGATES, SHIPPED])
    table = pd.concat([table, joined], ignore_index=True)
    pool = stratified(by_name(config.space), config.pool, seed=config.pool_seed)
    tasks = measure(table, first, pool={str(a) for a in pool})
    ceilings = ceilings_of(labels.of_recipe, unseen)
    headline = headline_of(unseen, ceilings)
    students = students_of(table, [one for one in unseen if one.teacher.name in headline])
    return Comparison(
        tasks=tasks,
        students=students,
        equal_time=at_equal_time(students, tasks),
        ceilings=ceilings,
        headline=headline,
        chosen=strongest_baselines(tasks, _learned(config)),
        awareness=awareness(
            labels.records,
            student=config.student,
            ceilings=ceilings,
            roles=labels.registry.roles(),
        ),
        facts={
            "records": len(labels.of_recipe),
            "train_students": len(known),
            "train_teachers": len({r.teacher for r in known}),
            "unseen_datasets": len(unseen),
            **judgement(scorers.get(SHIPPED), unseen, labels.of_recipe),
            "students": {one.teacher.name: len(one.records) for one in first},
        },
    )


def _expensive(
    config: EvaluateConfig,
    labels: _Labels,
    teachers: Sequence[LabelledTeacher],
    *,
    advance: Callable[[int], None],
) -> pd.DataFrame:
    return scoring.expensive(
        labels.registry.store,
        teachers,
        config.student,
        names=config.proxies,
        data=config.data_root,
        advance=advance,
    )


def _learned(config: EvaluateConfig) -> set[str]:
    """Return the names of what is no baseline."""
    forms = (SHIPPED, WRONG_TEACHER, *config.others)
    return {*forms, *(f"{form} + {PROBE}" for form in forms)}


def ceilings_of(
    records: Sequence[StudentRecord], unseen: Sequence[LabelledTeacher]
) -> dict[str, float]:
    """Return the ceilings that there are, by teacher."""
    found = {one.teacher.name: ceiling_of(records, one.teacher.name) for one in unseen}
    return {name: value for name, value in found.items() if value is not None}


def headline_of(unseen: Sequence[LabelledTeacher], ceilings: Mapping[str, float]) -> list[str]:
    """Return the teachers whose labels are good enough for the headline."""
    return [
        one.teacher.name
        for one in unseen
        if ceilings.get(one.teacher.name, 0) >= LEAST_CEILING
        and len(one.records) >= LEAST_STUDENTS
    ]


def judgement(
    judged: Scorer | None, unseen: Sequence[LabelledTeacher], records: Sequence[StudentRecord]
) -> dict[str, Any]:
    """Return the coverage of the judged predictor's intervals, and whom it is unsure of."""
    if not isinstance(judged, Ensemble):
        return {"coverage": None, "out_of_distribution": []}
    outside = [one.teacher.name for one in unseen if not judged.in_distribution(one.teacher)]
    return {"coverage": coverage(judged, unseen, records), "out_of_distribution": outside}


def predictors(
    config: EvaluateConfig, registry: Registry, labelled: Sequence[LabelledTeacher]
) -> dict[str, Scorer]:
    """Read the predictors of the store; the judged one is also shown wrong teachers."""
    read: dict[str, Ensemble] = {}
    for name in (config.predictor, *config.others):
        if registry.has_predictor(name):
            ensemble, _ = registry.predictor(name, space=config.space, recipe=config.student.name)
            read[name if name != config.predictor else SHIPPED] = ensemble
    scorers: dict[str, Scorer] = dict(read)
    if SHIPPED in read:
        shipped, teachers = read[SHIPPED], [s.teacher for s in labelled]
        scorers[WRONG_TEACHER] = scoring.WithAnother(shipped, teachers)
    return scorers


def coverage(
    ensemble: Ensemble, labelled: Sequence[LabelledTeacher], records: Sequence[StudentRecord]
) -> float | None:
    """Return how often one seed's test accuracy lies in the ensemble's 90 % interval.

    `None` for a predictor that gives no interval; `dass.predictor.ensemble` says what is in it.
    """
    inside = []
    for one in labelled:
        found = predictions(ensemble, one.teacher, one.architectures)
        intervals = {str(p.architecture): p.interval(LEVEL) for p in found}
        for record in records:
            if record.teacher == one.teacher.name:
                interval = intervals[record.architecture]
                if interval is None:
                    return None
                inside.append(interval[0] <= record.test_accuracy <= interval[1])
    return float(np.mean(inside)) if inside else None


def at_equal_time(students: pd.DataFrame, tasks: pd.DataFrame) -> pd.DataFrame:
    """Set one epoch of KD against the predictor, on what each costs by itself."""
    ours, theirs = SHIPPED, PROBE
    competitors = []
    for teacher, own in students.groupby("teacher") if len(students) else ():
        epoch, search = (own[own["scorer"] == name] for name in (theirs, ours))
        if not len(epoch) or not len(search):
            continue
        competitor = Competitor(
            measured=epoch["measured"].to_numpy(float),
            epoch=epoch["score"].to_numpy(float),
            fractions=epoch["fraction"].to_numpy(float),
            search_s=CANDIDATES * float(search["seconds"].mean()),
            epoch_s=float(epoch["seconds"].mean()),
            training_s=float(epoch["training"].mean()),
        )
        competitors.append((str(teacher), competitor))
    return compare(tasks, competitors, ours) if competitors else pd.DataFrame()
