"""The second comparison: what a predictor says of origins that it never saw, beside its rivals.

Everything is fitted anew without each fold of origins. Measured students of a teacher, trained by
the whole recipe or for one epoch, are given to all that can use them; they are not judged.
docs/protocol.md has the rules. Knows nothing of how results are shown.

Dimension letters: n students, d inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from dass.evaluation.ablations import WRONG, Ablation, ablations, another, told_another
from dass.evaluation.comparison_config import PROBE
from dass.evaluation.scoring import fitted
from dass.networks.inheritance import Inherited
from dass.networks.teacher import Teacher
from dass.predictor.crossfit import Fold, Lesson, crossfitted, unheard
from dass.predictor.ensemble import Ensemble, sample_of, standing
from dass.predictor.informed import blended, standings
from dass.predictor.network import Predictor
from dass.predictor.records import StudentRecord
from dass.predictor.relative import relative_features
from dass.predictor.surrogate import Conditioned, Observed, Surrogate
from dass.predictor.surrogate_fit import Students
from dass.space.architecture import Architecture

KEPT = "evidence/{name}.parquet"
"""Where scores are kept, by their name."""

SURROGATE, DEAF, MEMBERS = "DaSS, surrogate", "surrogate without DaSS", "DaSS"
"""The judged predictor, the same without its members, and its members alone."""

INFORMED, INHERITANCE = "DaSS, informed", "inheritance"
"""The surrogate that looks at images too, and what students inherit alone."""

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

WITH_EPOCH = (SURROGATE, DEAF, "Gaussian process", "extremely random trees", "FLOPs")
"""Scorers that are shown with one epoch of every student added to them too."""

WITH_INHERITANCE = ("Gaussian process", "extremely random trees", "FLOPs", PROBE)
"""Scorers that are shown with the inheritance of every student added to them too."""


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
    member_without: Callable[[Fold], Predictor] | None,
) -> Iterator[pd.DataFrame]:
    """Yield the scores of each fold: scorer, teacher, architecture, score, std, seconds, draw.

    Args:
        judged: whose students are scored; those of no fold are scored by what all folds teach.
        lessons: all that may be learned from.
        records: of the lessons' teachers, means over seeds: what rivals are fitted to.
        folds: of groups; each is left out in turn.
        member_without: returns a member trained without some groups; `None` leaves all that
            hears members out.
    """
    for left_out in (*folds, Fold()):
        own = [one for one in judged if belongs(one, left_out, folds)]
        if not own:
            continue
        kept = [one for one in lessons if one.students.group not in left_out]
        names = {one.students.teacher for one in kept}
        rest = [fold for fold in folds if fold != left_out]
        heard = None
        if member_without is not None:
            heard = crossfitted(kept, rest, partial(_without_both, member_without, left_out))
        known = [record for record in records if record.teacher in names]
        ours = Ours(
            heard,
            unheard(kept),
            ablations([one.students for one in kept]),
            [one.lesson.students for one in judged],
        )
        yield _fold(own, ours, known=known)


@dataclass(frozen=True, slots=True)
class Ours:
    """What is judged, fitted without some origins."""

    heard: Ensemble | None
    """The surrogate that hears DaSS's members, if there are any."""
    deaf: Surrogate
    """The surrogate that does not."""
    ablations: Mapping[str, Ablation]
    """The latter without some of its inputs."""
    judged: Sequence[Students]
    """The teachers that a wrong one is taken from."""


def _without_both(member_without: Callable[[Fold], Predictor], one: Fold, two: Fold) -> Predictor:
    return member_without(one | two)


def belongs(one: Judged, left_out: Fold, folds: Sequence[Fold]) -> bool:
    group = one.lesson.students.group
    return group in left_out if left_out else not any(group in fold for fold in folds)


def _fold(judged: Sequence[Judged], ours: Ours, *, known: Sequence[StudentRecord]) -> pd.DataFrame:
    space = judged[0].teacher.network.space
    rivals = {n: s for n, s in fitted(space.name, known).items() if n in RIVALS}
    rows = []
    for one in judged:
        members = [Architecture.parse(record.architecture) for record in one.records]
        for name, scorer in rivals.items():
            rows.append(_rows(one, name, scorer.predict(one.teacher, members)))
        rows += [*_ours(one, ours), *_ablated(one, ours)]
    return pd.concat(rows, ignore_index=True)


def _ours(one: Judged, ours: Ours) -> Iterator[pd.DataFrame]:
    """Yield what members say, and what surrogates that read it, or not, or images predict."""
    students, plain = one.lesson.students, one.lesson.students.inputs
    if ours.heard is not None:
        yield from _heard(one, ours.heard)
    yield from conditioned(one, DEAF, ours.deaf, inputs=plain)
    if students.inherited is not None:
        yield from conditioned(one, INFORMED, ours.deaf, inputs=plain, look=students.inherited)


def _heard(one: Judged, heard: Ensemble) -> Iterator[pd.DataFrame]:
    """Yield what members say, and what the surrogate that hears them predicts."""
    assert heard.surrogate is not None, "cross-fitting makes one"
    said = torch.stack([m.predict_episode(one.lesson.episode) for m in heard.members]).double()
    yield _rows(one, MEMBERS, (said.mean(0), None))
    told = torch.cat([one.lesson.students.inputs, standing(said, said).mean(0)[:, None]], 1)
    yield from conditioned(one, SURROGATE, heard.surrogate, inputs=told)


def _ablated(one: Judged, ours: Ours) -> Iterator[pd.DataFrame]:
    """Yield what the surrogate says without some input, and of another teacher."""
    students = one.lesson.students
    for name, ablation in ours.ablations.items():
        yield _rows(one, name, ablation.predict(students.inputs, students.facts))
    other = another(students, ours.judged)
    if other is not None:
        inputs, facts = told_another(students, other)
        expected = ours.deaf.level.expected(facts)
        yield _rows(one, WRONG, ours.deaf.conditioned(expected).predict(inputs))


def conditioned(
    one: Judged,
    name: str,
    surrogate: Surrogate,
    *,
    inputs: Float[Tensor, "n d"],
    look: Inherited | None = None,
) -> Iterator[pd.DataFrame]:
    """Score with nothing measured, and with some students measured, several times."""
    expected = surrogate.level.expected(one.lesson.students.facts)
    sample = None if look is None else _sample_inputs(one)

    def said(conditioned: Conditioned) -> tuple[Tensor, Tensor]:
        mean, std = conditioned.predict(inputs)
        if look is not None and sample is not None:
            mean = blended(mean, conditioned.predict(sample)[0], look)
        return mean, std

    yield _rows(one, name, said(surrogate.conditioned(expected)))
    number = len(inputs)
    for draw in range(DRAWS):
        order = torch.randperm(number, generator=torch.Generator().manual_seed(draw))
        for k in MEASURED:
            chosen, rest = order[:k], order[k:]
            for label, observed in _observations(one, inputs, chosen, k=k):
                mean, std = said(surrogate.conditioned(expected, observed))
                rows = _rows(one, f"{name}, {label}", (mean[rest], std[rest]), kept=rest.tolist())
                yield rows.assign(draw=draw)


def _sample_inputs(one: Judged) -> Float[Tensor, "a d"]:
    """Return what describes the members among which students stand."""
    space, inputs = one.teacher.network.space, one.lesson.students.inputs
    features = relative_features(space, sample_of(space))
    told = inputs[:1, features.shape[1] :].expand(len(features), -1)  # the same of all students
    return torch.cat([features, told], 1)


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
    scores: tuple[Float[Tensor, " n"], Float[Tensor, " n"] | None],
    *,
    kept: Sequence[int] | None = None,
) -> pd.DataFrame:
    mean, std = scores
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
    """Return rows of one epoch too, alone and with others: the sum of both, standardised."""
    parts = [scores]
    for one in judged:
        if one.first_epochs is not None:
            alone = _rows(one, PROBE, (torch.from_numpy(one.first_epochs), None))
            parts += [alone, *_with(scores, one, alone, names=WITH_EPOCH, named="one epoch")]
    return pd.concat(parts, ignore_index=True)


def with_inheritance(scores: pd.DataFrame, judged: Sequence[Judged]) -> pd.DataFrame:
    """Return rows of what students inherit too, alone and with others, as `with_early` does."""
    parts = [scores]
    for one in judged:
        inherited = one.lesson.students.inherited
        if inherited is not None:
            alone = _rows(one, INHERITANCE, (standings(inherited)[0], None))
            parts += [alone, *_with(scores, one, alone, names=WITH_INHERITANCE, named=INHERITANCE)]
    return pd.concat(parts, ignore_index=True)


def _with(
    scores: pd.DataFrame, one: Judged, alone: pd.DataFrame, *, names: Sequence[str], named: str
) -> Iterator[pd.DataFrame]:
    said = scores[(scores["teacher"] == one.teacher.name) & (scores["draw"] == 0)]
    for name in names:
        if (said["scorer"] == name).any():
            yield joined(said[said["scorer"] == name], alone, named=f"{name} + {named}")


def joined(scores: pd.DataFrame, others: pd.DataFrame, *, named: str) -> pd.DataFrame:
    """Return the scores of one scorer and teacher with those of another added to them.

    Both in standard deviations from their mean; a sum has no interval.
    """
    both = scores.merge(
        others[["architecture", "score"]], on="architecture", suffixes=("", "_other")
    )
    total = sum(
        (both[name] - both[name].mean()) / max(float(both[name].std(ddof=0)), 1e-9)
        for name in ("score", "score_other")
    )
    return both.assign(score=total, std=np.nan, scorer=named).drop(columns="score_other")
