"""What an evaluation finds: scores, metrics, ceilings, and which baseline is to be beaten.

docs/protocol.md has the rules. Knows nothing of how results are shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from dass.errors import InvalidData
from dass.evaluation import scoring
from dass.evaluation.equal_time import CANDIDATES, Competitor, compare
from dass.evaluation.metrics import METRICS
from dass.evaluation.reliability import LEAST_STUDENTS, awareness, ceiling_of, mean_over_teachers
from dass.evaluation.scoring import LabelledTeacher
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
class EvaluateConfig:
    """Which predictors to compare, on which store."""

    store: str
    """Where records, teachers and predictors are: a folder, or s3://bucket/prefix."""
    space: str
    """Search space of the records."""
    student: Recipe
    """Recipe of the labels."""
    predictor: str = "predictor"
    """The predictor that is judged."""
    others: tuple[str, ...] = ()
    """Further predictors of the store to show: the reconstructed one, ablations."""
    proxies: tuple[str, ...] = tuple(scoring.DEAR)
    """Dear scorers to compare with; of those kept in the store, nothing is computed."""
    pool: int = 24
    """Size of the build's pool: tells architectures seen in meta-training from others."""
    pool_seed: int = 0
    """Seed of the build."""
    name: str = "evidence"
    """Name of the result."""
    into: str | None = None
    """Where the result goes: a folder, or s3://bucket/prefix; `None` for the store itself."""
    data_root: str = "data"
    """Where torchvision datasets are."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """Everything that an evaluation found."""

    tasks: pd.DataFrame
    """A row per scorer, teacher and group of architectures, with every metric."""
    students: pd.DataFrame
    """A row per scorer and student of the headline: score, measured accuracy, share of FLOPs."""
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


def evaluate(config: EvaluateConfig, *, advance: Callable[[int], None] = lambda _: None) -> Answer:
    """Score, measure and compare; publishes nothing but kept scores.

    Args:
        config: what is compared.
        advance: called after each teacher's expensive scores, with the number of teachers.

    Raises:
        InvalidData: the store has no unseen task with enough students.
    """
    store = Store(config.store)
    registry = Registry(store)
    records = [
        r
        for r in registry.records()
        if r.space == config.space and r.seed < FIRST_CLOSED_LOOP_SEED
    ]
    labelled = [r for r in records if r.recipe == config.student.name]
    roles = registry.roles()
    means = mean_over_teachers(labelled)
    known = [r for r in means if roles.get(r.task) == "train"]
    everyone = scoring.subjects(registry, means)
    first = strongest_teachers(everyone)
    unseen = [s for s in first if s.role == "unseen"]
    if not unseen or not known:
        raise InvalidData(
            f"{config.store} must have records of tasks to learn from and of unseen tasks, but "
            f"has {len(known)} and {len(unseen)} teachers of these; label some with jobs.build"
        )
    scorers = scoring.fitted(config.space, known) | predictors(config, registry, first)
    scores = [scoring.table(scorers, first)]
    if config.proxies:
        proxies = scoring.expensive(
            store,
            first,
            config.student,
            names=config.proxies,
            data=config.data_root,
            advance=advance,
        )
        scores.append(proxies)
    table = pd.concat(scores, ignore_index=True)
    tasks = measure(config, table, first)
    ceilings = {s.teacher.name: ceiling_of(labelled, s.teacher.name) for s in unseen}
    found = {name: value for name, value in ceilings.items() if value is not None}
    headline = [
        s.teacher.name
        for s in unseen
        if found.get(s.teacher.name, 0) >= LEAST_CEILING and len(s.records) >= LEAST_STUDENTS
    ]
    judged = scorers.get("DaSS as shipped")
    covered = coverage(judged, unseen, labelled) if isinstance(judged, Ensemble) else None
    outside = (
        [s.teacher.name for s in unseen if not judged.in_distribution(s.teacher)]
        if isinstance(judged, Ensemble)
        else []
    )
    learned = {"DaSS as shipped", "DaSS, no fallback", "DaSS, wrong teacher", *config.others}
    students = students_of(table, [s for s in unseen if s.teacher.name in headline])
    return Answer(
        tasks=tasks,
        students=students,
        equal_time=at_equal_time(students, tasks),
        ceilings=found,
        headline=headline,
        chosen=strongest_baselines(tasks, learned),
        awareness=awareness(records, student=config.student, ceilings=found, roles=roles),
        facts={
            "records": len(labelled),
            "train_students": len(known),
            "train_teachers": len({r.teacher for r in known}),
            "unseen_datasets": len(unseen),
            "coverage": covered,
            "answered_by_size": outside,
            "students": {s.teacher.name: len(s.records) for s in first},
        },
    )


def predictors(
    config: EvaluateConfig, registry: Registry, subjects: Sequence[LabelledTeacher]
) -> dict[str, Scorer]:
    """Read the predictors of the store; the judged one is also shown wrong teachers."""
    read: dict[str, Ensemble] = {}
    for name in (config.predictor, *config.others):
        if registry.has_predictor(name):
            ensemble, _ = registry.predictor(name, space=config.space, recipe=config.student.name)
            read[name if name != config.predictor else "DaSS as shipped"] = ensemble
    scorers: dict[str, Scorer] = dict(read)
    if "DaSS as shipped" in read:
        shipped, teachers = read["DaSS as shipped"], [s.teacher for s in subjects]
        scorers["DaSS, no fallback"] = replace(shipped, reference=None)
        scorers["DaSS, wrong teacher"] = scoring.WithAnother(shipped, teachers)
    return scorers


def coverage(
    ensemble: Ensemble, subjects: Sequence[LabelledTeacher], records: Sequence[StudentRecord]
) -> float | None:
    """Return how often one seed's test accuracy lies in the ensemble's 90 % interval.

    `None` for a predictor that gives no interval; `dass.predictor.ensemble` says what is in it.
    """
    inside = []
    for subject in subjects:
        found = predictions(ensemble, subject.teacher, subject.architectures)
        intervals = {str(p.architecture): p.interval(LEVEL) for p in found}
        for record in records:
            if record.teacher == subject.teacher.name:
                interval = intervals[record.architecture]
                if interval is None:
                    return None
                inside.append(interval[0] <= record.test_accuracy <= interval[1])
    return float(np.mean(inside)) if inside else None


def students_of(scores: pd.DataFrame, subjects: Sequence[LabelledTeacher]) -> pd.DataFrame:
    """Put every score beside what was measured on test images, and what that took."""
    parts = []
    for subject in subjects:
        frame = pd.DataFrame(
            {
                "architecture": [r.architecture for r in subject.records],
                "task": subject.records[0].task,
                "measured": [r.test_accuracy for r in subject.records],
                "share": subject.shares,
                "training": [r.seconds for r in subject.records],
            }
        )
        parts.append(frame.merge(scores[scores["teacher"] == subject.teacher.name]))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def at_equal_time(students: pd.DataFrame, tasks: pd.DataFrame) -> pd.DataFrame:
    """Set one epoch of KD against the predictor, on what each costs by itself."""
    ours, theirs = "DaSS as shipped", "one epoch of KD"
    rivals = []
    for teacher, own in students.groupby("teacher") if len(students) else ():
        epoch, search = (own[own["scorer"] == name] for name in (theirs, ours))
        if not len(epoch) or not len(search):
            continue
        rival = Competitor(
            measured=epoch["measured"].to_numpy(float),
            epoch=epoch["score"].to_numpy(float),
            shares=epoch["share"].to_numpy(float),
            search=CANDIDATES * float(search["seconds"].mean()),
            one=float(epoch["seconds"].mean()),
            whole=float(epoch["training"].mean()),
        )
        rivals.append((str(teacher), rival))
    return compare(tasks, rivals, ours) if rivals else pd.DataFrame()


def strongest_teachers(subjects: Sequence[LabelledTeacher]) -> list[LabelledTeacher]:
    """Keep, of each task, the subject whose teacher validates best."""
    best: dict[str, LabelledTeacher] = {}
    for subject in subjects:
        task = subject.records[0].task
        if task not in best or subject.teacher.accuracy > best[task].teacher.accuracy:
            best[task] = subject
    return list(best.values())


def measure(
    config: EvaluateConfig, scores: pd.DataFrame, subjects: Sequence[LabelledTeacher]
) -> pd.DataFrame:
    """Return every metric of every scorer, teacher and group of architectures."""
    space = by_name(config.space)
    pool = {str(a) for a in stratified(space, config.pool, seed=config.pool_seed)}
    rows = []
    for subject in subjects:
        frame = pd.DataFrame(
            {
                "architecture": [r.architecture for r in subject.records],
                "measured": [
                    r.test_accuracy if subject.role == "unseen" else r.validation_accuracy
                    for r in subject.records
                ],
                "flops": [float(r.flops) for r in subject.records],
            }
        )
        own = scores[scores["teacher"] == subject.teacher.name]
        for scorer, part in own.groupby("scorer"):
            joined = frame.merge(part, on="architecture")
            inside = joined["architecture"].isin(pool)
            groups = {"all": joined, "pool": joined[inside], "others": joined[~inside]}
            for group, students in groups.items():
                if len(students) >= 3:
                    rows.append(_row(str(scorer), subject, group=group, students=students))
    return pd.DataFrame(rows)


def _row(
    scorer: str, subject: LabelledTeacher, *, group: str, students: pd.DataFrame
) -> dict[str, Any]:
    columns = (students[name].to_numpy(float) for name in ("score", "measured", "flops"))
    score, measured, flops = columns
    teacher_flops = float(subject.teacher.flops)
    return {
        "scorer": scorer,
        "teacher": subject.teacher.name,
        "task": subject.records[0].task,
        "role": subject.role,
        "group": group,
        "students": len(students),
        "seconds": float(students["seconds"].mean()),
        **{
            name: metric(score, measured, flops, teacher_flops) for name, metric in METRICS.items()
        },
    }


def strongest_baselines(tasks: pd.DataFrame, learned: set[str]) -> dict[str, str]:
    """Return the baselines of highest mean Spearman on validation tasks."""
    rows = tasks[(tasks["role"] == "validation") & (tasks["group"] == "all")]
    means = rows.groupby("scorer")["spearman"].mean()
    means = means[[name for name in means.index if name not in learned]]
    trainless = means[[name for name in means.index if name in scoring.TRAINS_NOTHING]]
    chosen = {"any": means, "trains nothing": trainless}
    return {kind: str(part.idxmax()) for kind, part in chosen.items() if len(part)}
