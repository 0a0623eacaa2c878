"""Cross-fitting: members that order students of teachers they never saw, and a surrogate on top.

A surrogate that reads what members say of the very students they were trained on learns to trust
them too much. So origins are divided into folds, each member is trained without one fold and
heard on that fold alone; students of a new teacher hear all members. Knows nothing of stores.

Dimension letters: n students, d inputs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from dass.errors import InvalidConfig, InvalidData
from dass.predictor.ensemble import Ensemble, standing
from dass.predictor.episode import Episode
from dass.predictor.meta import Step, fit
from dass.predictor.meta_config import MetaConfig
from dass.predictor.network import Predictor
from dass.predictor.surrogate import Surrogate
from dass.predictor.surrogate_fit import Students, fit_surrogate

SELECTED_BY = 6
"""Every so many-th teacher is not trained on: a member's weights are selected by those."""

Fold = frozenset[str]
"""Groups of one fold."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """A teacher's labelled students, as the surrogate reads them and as members do."""

    students: Students
    episode: Episode
    """In the same order."""


def folds_of(groups: Sequence[str], number: int) -> list[Fold]:
    """Divide groups into folds of about equally many teachers, no group in two.

    Args:
        groups: of each teacher.
        number: of folds; fewer where there are fewer groups.

    Raises:
        InvalidConfig: that would be fewer than two folds.
    """
    sizes = Counter(groups)
    number = min(number, len(sizes))
    if number < 2:
        raise InvalidConfig(
            "cross-fitting must have two folds or more, of teachers of two origins or more, but "
            f"got {number}; label tasks of other images too"
        )
    folds: list[list[str]] = [[] for _ in range(number)]
    for group in sorted(sizes, key=lambda g: (-sizes[g], g)):
        min(folds, key=lambda fold: sum(sizes[g] for g in fold)).append(group)
    return [frozenset(fold) for fold in folds]


def train_without(
    lessons: Sequence[Lesson], left_out: Fold, predictor: Predictor, *, config: MetaConfig
) -> Iterator[Step]:
    """Meta-train a predictor in place on the teachers of all other groups.

    Raises:
        InvalidData: too few teachers are left.
    """
    kept = [one.episode for one in lessons if one.students.group not in left_out]
    order = torch.randperm(len(kept), generator=torch.Generator().manual_seed(config.seed))
    chosen = order[::SELECTED_BY].tolist()
    if len(kept) < 2:
        raise InvalidData(
            "a member must have two teachers or more of other origins to learn from, but got "
            f"{len(kept)} without {sorted(left_out)}"
        )
    rest = [kept[i] for i in range(len(kept)) if i not in set(chosen)]
    yield from fit(predictor, rest, [kept[i] for i in chosen], config=config)


def crossfitted(
    lessons: Sequence[Lesson],
    folds: Sequence[Fold],
    member_without: Callable[[Fold], Predictor],
    *,
    hear: bool = True,
) -> Ensemble:
    """Return an ensemble of a member for each fold and a surrogate.

    Args:
        lessons: labelled teachers, each of a group of some fold.
        folds: disjoint sets of groups.
        member_without: returns a predictor trained without the groups of one fold.
        hear: whether what members say is one of the surrogate's inputs.

    Raises:
        InvalidData: there are too few labelled teachers.
    """
    members = {fold: member_without(fold) for fold in folds}
    if not hear:
        return Ensemble(tuple(members.values()), surrogate=unheard(lessons))
    heard = [
        _hearing(one, member)
        for fold, member in members.items()
        for one in lessons
        if one.students.group in fold
    ]
    return Ensemble(tuple(members.values()), surrogate=fit_surrogate(heard))


def _hearing(lesson: Lesson, member: Predictor) -> Students:
    """Return the students with one more input: how the member orders them."""
    said = member.predict_episode(lesson.episode).double().cpu()
    opinion: Float[Tensor, " n"] = standing(said, said)
    inputs = torch.cat([lesson.students.inputs, opinion[:, None]], 1)
    return replace(lesson.students, inputs=inputs)


def unheard(lessons: Sequence[Lesson]) -> Surrogate:
    """Return a surrogate of size, shape and teacher alone: the ablation without members."""
    return fit_surrogate([one.students for one in lessons])
