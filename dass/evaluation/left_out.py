"""The second comparison: what a predictor says of origins that it never saw, beside its rivals.

Everything is fitted anew without each fold of origins. Measured students of a teacher, trained by
the whole recipe or for one epoch, are given to all that can use them; they are not judged.
docs/protocol.md has the rules. Knows nothing of how results are shown.

Dimension letters: n students, d inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from dass.evaluation.scoring import LabelledTeacher, fitted
from dass.evaluation.tables import measure
from dass.networks.teacher import Teacher
from dass.predictor.crossfit import Fold, Lesson, crossfitted, unheard
from dass.predictor.ensemble import Ensemble, standing
from dass.predictor.network import Predictor
from dass.predictor.records import StudentRecord
from dass.predictor.surrogate import Observed, Surrogate
from dass.space.architecture import Architecture

KEPT = "evidence/{name}.parquet"
"""Where scores are kept, by their name."""

SURROGATE, DEAF, MEMBERS = "DaSS, surrogate", "surrogate without DaSS", "DaSS"
"""The judged predictor, the same without its members, and its members alone."""

MEASURED = (4, 8)
"""How many measured students are given."""

DRAWS = 4
"""Random choices of which students are measured; scores of each are judged apart."""

RIVALS = (
    "random",
    "parameters",
    "FLOPs",
    "size regression",
    "mean rank",
    "boosted trees",
    "Gaussian process",
    "extremely random trees",
)
"""Scorers of `fitted` that are shown."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A labelled teacher whose students are predicted."""

    teacher: Teacher
    lesson: Lesson
    records: Sequence[StudentRecord]
    """Means over seeds, in the order of the lesson's students."""
    first_epochs: Float[np.ndarray, " n"] | None
    """Validation accuracy of each after one epoch, where it was measured."""


def scores_of(
    judged: Sequence[Judged],
    lessons: Sequence[Lesson],
    *,
    records: Sequence[StudentRecord],
    folds: Sequence[Fold],
    member_without: Callable[[Fold], Predictor],
) -> Iterator[pd.DataFrame]:
    """Yield the scores of each fold: scorer, teacher, architecture, score, std, seconds, draw.

    Args:
        judged: whose students are scored; those of no fold are scored by what all folds teach.
        lessons: all that may be learned from.
        records: of the lessons' teachers, means over seeds: what rivals are fitted to.
        folds: of groups; each is left out in turn.
        member_without: returns a member trained without some groups.
    """
    for left_out in (*folds, Fold()):
        own = [one for one in judged if _belongs(one, left_out, folds)]
        if not own:
            continue
        kept = [one for one in lessons if one.students.group not in left_out]
        names = {one.students.teacher for one in kept}
        rest = [fold for fold in folds if fold != left_out]
        heard = crossfitted(kept, rest, partial(_without_both, member_without, left_out))
        known = [record for record in records if record.teacher in names]
        yield _fold(own, heard, unheard(kept), known)


def _without_both(member_without: Callable[[Fold], Predictor], one: Fold, two: Fold) -> Predictor:
    return member_without(one | two)


def _belongs(one: Judged, left_out: Fold, folds: Sequence[Fold]) -> bool:
    group = one.lesson.students.group
    return group in left_out if left_out else not any(group in fold for fold in folds)


def _fold(
    judged: Sequence[Judged],
    heard: Ensemble,
    deaf: Surrogate,
    known: Sequence[StudentRecord],
) -> pd.DataFrame:
    assert heard.surrogate is not None, "cross-fitting makes one"
    space = judged[0].teacher.network.space
    rivals = {n: s for n, s in fitted(space.name, known).items() if n in RIVALS}
    rows = []
    for one in judged:
        members = [Architecture.parse(record.architecture) for record in one.records]
        for name, scorer in rivals.items():
            mean, std = scorer.predict(one.teacher, members)
            rows.append(_rows(one, name, mean, std))
        said = torch.stack([m.predict_episode(one.lesson.episode) for m in heard.members])
        rows.append(_rows(one, MEMBERS, said.mean(0), None))
        opinion = standing(said.double(), said.double()).mean(0)
        plain = one.lesson.students.inputs
        for name, surrogate, inputs in (
            (SURROGATE, heard.surrogate, torch.cat([plain, opinion[:, None]], 1)),
            (DEAF, deaf, plain),
        ):
            rows += list(_conditioned(one, name, surrogate, inputs))
    return pd.concat(rows, ignore_index=True)


def _conditioned(
    one: Judged, name: str, surrogate: Surrogate, inputs: Float[Tensor, "n d"]
) -> Iterator[pd.DataFrame]:
    """Score with nothing measured, and with some students measured, several times."""
    expected = surrogate.level.expected(one.lesson.students.facts)
    yield _rows(one, name, *surrogate.conditioned(expected).predict(inputs))
    number = len(inputs)
    for draw in range(DRAWS):
        order = torch.randperm(number, generator=torch.Generator().manual_seed(draw))
        for k in MEASURED:
            chosen, rest = order[:k], order[k:]
            for label, observed in _observations(one, inputs, chosen, k=k):
                found = surrogate.conditioned(expected, observed).predict(inputs[rest])
                rows = _rows(one, f"{name}, {label}", *found, kept=rest.tolist())
                yield rows.assign(draw=draw)


def _observations(
    one: Judged, inputs: Float[Tensor, "n d"], chosen: Tensor, *, k: int
) -> Iterator[tuple[str, Observed]]:
    images = one.records[0].validation_images
    accuracies = one.lesson.students.accuracies[chosen]
    yield f"{k} measured", Observed(inputs[chosen], accuracies, (0,) * k, images)
    if one.first_epochs is not None:
        early = torch.from_numpy(one.first_epochs)[chosen]
        yield f"{k} epochs", Observed(inputs[chosen], early, (1,) * k, images)


def _rows(
    one: Judged,
    scorer: str,
    mean: Float[Tensor, " n"],
    std: Float[Tensor, " n"] | None,
    *,
    kept: Sequence[int] | None = None,
) -> pd.DataFrame:
    rows = range(len(one.records)) if kept is None else kept
    return pd.DataFrame(
        {
            "scorer": scorer,
            "teacher": one.teacher.name,
            "architecture": [one.records[i].architecture for i in rows],
            "score": mean.double().cpu().numpy(),
            "std": np.nan if std is None else std.double().cpu().numpy(),
            "draw": 0,
        }
    )


def with_early(scores: pd.DataFrame, judged: Sequence[Judged]) -> pd.DataFrame:
    """Return rows of one epoch alone, as a scorer, where it was measured."""
    parts = [scores]
    for one in judged:
        if one.first_epochs is not None:
            parts.append(_rows(one, "one epoch of KD", torch.from_numpy(one.first_epochs), None))
    return pd.concat(parts, ignore_index=True)


def intervals(scores: pd.DataFrame, judged: Sequence[Judged], *, half: float) -> pd.DataFrame:
    """Return by scorer and teacher how often labels lie within `half` standard deviations.

    Returns:
        Columns scorer, teacher, coverage of test accuracies, and the mean width, a fraction.
    """
    tests = {
        (one.teacher.name, record.architecture): record.test_accuracy
        for one in judged
        for record in one.records
    }
    frame = scores.dropna(subset=["std"])
    frame = frame[frame["scorer"].str.contains("surrogate")]
    keys = zip(frame["teacher"], frame["architecture"], strict=True)
    measured = np.array([tests[key] for key in keys])
    reach = half * frame["std"].to_numpy()
    inside = np.abs(measured - frame["score"].to_numpy()) <= reach
    frame = frame.assign(coverage=inside.astype(float), width=2 * reach)
    return frame.groupby(["scorer", "teacher"], as_index=False)[["coverage", "width"]].mean()


def _mean_over_draws(rows: pd.DataFrame) -> pd.DataFrame:
    names = ["scorer", "teacher", "task", "role", "group"]
    return rows.groupby(names, as_index=False).mean(numeric_only=True)


def measures(
    scores: pd.DataFrame, judged: Sequence[LabelledTeacher], *, pool: Container[str]
) -> pd.DataFrame:
    """Return every metric by scorer, teacher and group of architectures, on test accuracies.

    Scores that depend on which students were measured are judged choice by choice; the result is
    their mean.

    Args:
        scores: of `scores_of`.
        judged: labelled teachers, whatever the role of their task.
        pool: ids of the architectures that every task labels.
    """
    tested = [replace(one, role="unseen") for one in judged]
    every = scores.assign(seconds=0.0)
    parts = [measure(part, tested, pool=pool) for _, part in every.groupby("draw", sort=True)]
    return _mean_over_draws(pd.concat(parts, ignore_index=True))
