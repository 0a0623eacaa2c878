"""Verification: the students that a search likes best are trained briefly, and the best goes on.

Successive halving (Jamieson & Talwalkar, 2016): many for one epoch, fewer for longer, each going
on from where it was. Those of the second half are chosen given what the first half measured.
Knows nothing of training: it is given a function that measures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch

from dass.errors import InvalidConfig
from dass.predictor.relative import relative_features
from dass.searching.prediction import Prediction
from dass.space.architecture import Architecture
from dass.space.space import Space

APART = 0.1
"""Mean absolute difference of relative features, logarithms, below which two are duplicates."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Short:
    """A measured student as support: trained for `epochs`, where 0 stands for all of them."""

    architecture: str
    validation_accuracy: float
    epochs: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    """A student that was trained for some epochs, and what had been predicted of it before."""

    prediction: Prediction
    epochs: int
    """Passes over the training images so far."""
    measured: float
    """Validation accuracy then, a fraction."""

    @property
    def architecture(self) -> Architecture:
        """The student."""
        return self.prediction.architecture


@dataclass(frozen=True, kw_only=True, slots=True)
class Round:
    """What was trained in one round of verification, the best first."""

    epochs: int
    """Passes that each of them has had after it."""
    checked: tuple[Checked, ...]


Ordered = Callable[[Sequence[Short]], Sequence[Prediction]]
"""Given measured students, predictions of those in the budget, the best first."""

Kept = Callable[[Sequence[Architecture]], Sequence[Architecture]]
"""Of students that are about to be trained, those that may be."""

ATTEMPTS = 5
"""Times that others are asked for in place of students that may not be trained."""

Measure = Callable[[Architecture, int], float]
"""Trains a student on to so many epochs in all; returns its validation accuracy."""


def rungs(students: int, *, longest: int) -> tuple[tuple[int, int], ...]:
    """Return epochs and students of each round of halving: `(1, 8), (2, 4), (4, 2)`.

    The last one is of `longest` epochs, and of two students at least where there are two.
    """
    if students < 1 or longest < 1:
        raise InvalidConfig(
            f"verification must have students and epochs, but got {students} and {longest}"
        )
    found, epochs, left = [], 1, students
    while epochs < longest:
        found.append((epochs, left))
        epochs, left = min(2 * epochs, longest), max(min(2, students), -(-left // 2))
    return (*found, (longest, left))


def diverse(
    space: Space, ordered: Sequence[Prediction], *, count: int, beside: Sequence[Architecture] = ()
) -> list[Prediction]:
    """Return the best that are no near-duplicates of each other, nor of those `beside` them.

    Where too few are so far apart, the distance is halved until there are enough.
    """
    count = min(count, len(ordered))
    if not count:
        return []
    features = relative_features(space, [p.architecture for p in ordered])
    there = relative_features(space, list(beside)) if beside else features[:0]
    apart, places = APART, list[int]()
    while len(places) < count:
        for place, row in enumerate(features):
            others = torch.cat([there, features[places]])
            near = len(others) and float((others - row).abs().mean(1).min()) < apart
            if place not in places and not near and len(places) < count:
                places.append(place)
        apart = apart / 2 if apart > 1e-3 else -1.0
    return [ordered[place] for place in sorted(places)]


def promising(
    ordered: Ordered,
    space: Space,
    *,
    count: int,
    support: Sequence[Short] = (),
    seen: Sequence[Architecture] = (),
    extra: Sequence[Architecture] = (),
    keep: Kept = tuple,
) -> list[Prediction]:
    """Return the most promising students that may be trained and were not seen yet.

    Fewer than asked for where those that may not be trained are replaced in vain. `ordered` is
    asked again after each such refusal. Other arguments as of `verify`.
    """
    found: list[Prediction] = []
    refused: set[Architecture] = set()
    for _ in range(ATTEMPTS):
        known = {*seen, *refused, *(p.architecture for p in found)}
        fresh = [p for p in ordered(support) if p.architecture not in known]
        chosen = [p for p in fresh if p.architecture in extra][: count - len(found)]
        rest = [p for p in fresh if p.architecture not in extra]
        beside = [*seen, *(p.architecture for p in [*found, *chosen])]
        left = count - len(found) - len(chosen)
        chosen += diverse(space, rest, count=left, beside=beside)
        may = set(keep([p.architecture for p in chosen]))
        found += [p for p in chosen if p.architecture in may]
        refused |= {p.architecture for p in chosen} - may
        if len(found) >= count or not chosen:
            break
    return found


def verify(
    ordered: Ordered,
    space: Space,
    *,
    students: int,
    longest: int,
    measure: Measure,
    extra: Sequence[Architecture] = (),
    keep: Kept = tuple,
) -> Iterator[Round]:
    """Train the best, round by round; the first of the last round is the choice.

    Args:
        ordered: the search, given what was measured so far.
        space: of the students.
        students: how many are trained in all; >= 1.
        longest: epochs of the last round; >= 1.
        measure: trains and measures.
        extra: further students that are trained as well, the largest in the budget say; only
            those that `ordered` speaks of or that it finds.
        keep: drops, of those about to be trained, those that may not be; others are then asked
            for. Where it leaves none, nothing is trained and no round is yielded.
    """
    steps = rungs(students, longest=longest)
    (first, _), *later = steps
    checked: list[Checked] = []
    for wanted in sorted({-(-students // 2), students}):
        chosen = promising(
            ordered,
            space,
            count=wanted - len(checked),
            support=[_short(one, whole=longest) for one in checked],
            seen=[one.architecture for one in checked],
            extra=extra,
            keep=keep,
        )
        now = _measured(chosen, measure, epochs=first)
        checked += now
        if now:
            yield Round(epochs=first, checked=tuple(sorted(now, key=_worst_last)))
    for epochs, left in later if checked else ():
        best = sorted(checked, key=_worst_last)[:left]
        checked = _measured([one.prediction for one in best], measure, epochs=epochs)
        yield Round(epochs=epochs, checked=tuple(sorted(checked, key=_worst_last)))
    if not later and len(checked) > 1:  # of two halves of one round, the best of both
        yield Round(epochs=first, checked=tuple(sorted(checked, key=_worst_last)))


def _measured(students: Sequence[Prediction], measure: Measure, *, epochs: int) -> list[Checked]:
    return [
        Checked(prediction=p, epochs=epochs, measured=measure(p.architecture, epochs))
        for p in students
    ]


def _short(one: Checked, *, whole: int) -> Short:
    return Short(
        architecture=str(one.architecture),
        validation_accuracy=one.measured,
        epochs=0 if one.epochs == whole else one.epochs,
    )


def _worst_last(one: Checked) -> tuple[float, float, str]:
    return -one.measured, -one.prediction.accuracy, str(one.architecture)
