"""Scores beside measured accuracies, as tables: a row per student, or per scorer and teacher.

Knows nothing of how scores came about, nor of how tables are shown.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any, Protocol, runtime_checkable

import pandas as pd

from dass.data.task_config import Role
from dass.evaluation import scoring
from dass.evaluation.metrics import METRICS
from dass.evaluation.scoring import LabelledTeacher
from dass.predictor.records import StudentRecord


def strongest_teachers(labelled: Sequence[LabelledTeacher]) -> list[LabelledTeacher]:
    """Keep, of each task, the labelled teacher whose teacher validates best."""
    best: dict[str, LabelledTeacher] = {}
    for one in labelled:
        task = one.records[0].task
        if task not in best or one.teacher.accuracy > best[task].teacher.accuracy:
            best[task] = one
    return list(best.values())


def students_of(scores: pd.DataFrame, labelled: Sequence[LabelledTeacher]) -> pd.DataFrame:
    """Put every score beside what was measured on test images, and what that took."""
    parts = []
    for one in labelled:
        frame = pd.DataFrame(
            {
                "architecture": [r.architecture for r in one.records],
                "task": one.records[0].task,
                "measured": [r.test_accuracy for r in one.records],
                "fraction": one.fractions,
                "training": [r.seconds for r in one.records],
            }
        )
        parts.append(frame.merge(scores[scores["teacher"] == one.teacher.name]))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


@runtime_checkable
class Named(Protocol):
    """What is read of a teacher: a name and what it costs."""

    @property
    def name(self) -> str:
        """Identity in records."""
        ...

    @property
    def flops(self) -> int:
        """Multiply-adds of one forward pass."""
        ...


@runtime_checkable
class Labelled(Protocol):
    """A teacher and its labelled students; its network need not be at hand."""

    @property
    def teacher(self) -> Named:
        """The teacher."""
        ...

    @property
    def role(self) -> Role:
        """What meta-training may do with its task: tells which accuracies are judged."""
        ...

    @property
    def records(self) -> Sequence[StudentRecord]:
        """Means over seeds, one per architecture."""
        ...


def measure(
    scores: pd.DataFrame, labelled: Sequence[Labelled], *, pool: Container[str]
) -> pd.DataFrame:
    """Return every metric of every scorer, teacher and group of architectures.

    Args:
        scores: of `scoring.table` and `scoring.expensive`.
        labelled: whose students were measured.
        pool: ids of the architectures that every task labels.
    """
    rows = []
    for one in labelled:
        frame = pd.DataFrame(
            {
                "architecture": [r.architecture for r in one.records],
                "measured": [
                    r.test_accuracy if one.role == "unseen" else r.validation_accuracy
                    for r in one.records
                ],
                "flops": [float(r.flops) for r in one.records],
            }
        )
        own = scores[scores["teacher"] == one.teacher.name]
        for scorer, part in own.groupby("scorer"):
            joined = frame.merge(part, on="architecture")
            inside = joined["architecture"].map(lambda name: name in pool)
            groups = {"all": joined, "pool": joined[inside], "others": joined[~inside]}
            for group, students in groups.items():
                if len(students) >= 3:
                    rows.append(_row(str(scorer), one, group=group, students=students))
    return pd.DataFrame(rows)


def _row(scorer: str, one: Labelled, *, group: str, students: pd.DataFrame) -> dict[str, Any]:
    columns = (students[name].to_numpy(float) for name in ("score", "measured", "flops"))
    score, measured, flops = columns
    teacher_flops = float(one.teacher.flops)
    return {
        "scorer": scorer,
        "teacher": one.teacher.name,
        "task": one.records[0].task,
        "role": one.role,
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
