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
    place: int = 0
    """Of its search, where several spaces are searched."""

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


Ahead = Callable[[Sequence[tuple[int, Architecture]], int], object]
"""Told, before they are measured one by one, who is trained next (the place of its search and the
student) and to how many epochs in all: so that they may be trained at once."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Searched:
    """A space whose students are verified, alone or beside those of others."""

    ordered: Ordered
    """The search, given what was measured so far of this space."""
    space: Space
    measure: Measure
    """Trains and measures."""
    extra: Sequence[Architecture] = ()
    """Further students that are trained as well, the largest in the budget say; only those that
    `ordered` speaks of or that it finds."""
    keep: Kept = tuple
    """Drops, of those about to be trained, those that may not be; others are then asked for."""


def rungs(students: int, *, longest: int, least: int = 2) -> tuple[tuple[int, int], ...]:
    """Return epochs and students of each round of halving: `(1, 8), (2, 4), (4, 2)`.

    The last one is of `longest` epochs, and of `least` students where there are so many.
    """
    if students < 1 or longest < 1:
        raise InvalidConfig(
            f"verification must have students and epochs, but got {students} and {longest}"
        )
    found, epochs, left = [], 1, students
    while epochs < longest:
        found.append((epochs, left))
        epochs, left = min(2 * epochs, longest), max(min(least, students), -(-left // 2))
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
    """Train the best of one space, round by round; the first of the last round is the choice.

    Where `keep` leaves none, nothing is trained and no round is yielded.

    Args:
        ordered: the search, given what was measured so far.
        space: of the students.
        students: how many are trained in all; >= 1.
        longest: epochs of the last round; >= 1.
        measure: trains and measures.
        extra: as of `Searched`.
        keep: as of `Searched`.
    """
    one = Searched(ordered=ordered, space=space, measure=measure, extra=extra, keep=keep)
    return verify_among([one], students=students, longest=longest)


def verify_among(
    searches: Sequence[Searched], *, students: int, longest: int, ahead: Ahead | None = None
) -> Iterator[Round]:
    """Train the best of several spaces, round by round; the first of the last is the choice.

    Predictions of two spaces are not compared: each space enters as many students as the others
    (what is left over goes to the one whose students were measured best), and its best one stays
    to the last round, since an epoch says less across spaces than within one.

    Args:
        searches: one of each space.
        students: how many are trained in all; at least one of each space.
        longest: epochs of the last round; >= 1.
        ahead: told who is trained next.
    """
    if not 1 <= len(searches) <= students:
        raise InvalidConfig(
            f"a student of each space at least must be verified, but got {students} for "
            f"{len(searches)} spaces: verify {max(1, len(searches))} or more"
        )
    (first, _), *later = rungs(students, longest=longest, least=max(2, len(searches)))
    checked: list[Checked] = []
    for wanted in sorted({max(len(searches), -(-students // 2)), students}):
        chosen = _entered(searches, checked, count=wanted - len(checked), longest=longest)
        now = _measured(searches, chosen, epochs=first, ahead=ahead)
        checked += now
        if now:
            yield Round(epochs=first, checked=tuple(sorted(now, key=_worst_last)))
    for epochs, left in later if checked else ():
        best = [(one.place, one.prediction) for one in _remaining(checked, count=left)]
        checked = _measured(searches, best, epochs=epochs, ahead=ahead)
        yield Round(epochs=epochs, checked=tuple(sorted(checked, key=_worst_last)))
    if not later and len(checked) > 1:  # of two halves of one round, the best of both
        yield Round(epochs=first, checked=tuple(sorted(checked, key=_worst_last)))


def _entered(
    searches: Sequence[Searched], checked: Sequence[Checked], *, count: int, longest: int
) -> list[tuple[int, Prediction]]:
    """Return who is trained next: as many of each space, the better measured ones first."""
    reached = dict[int, float]()
    for one in checked:
        reached[one.place] = max(one.measured, reached.get(one.place, 0.0))
    places = sorted(range(len(searches)), key=lambda place: -reached.get(place, 0.0))
    found = []
    for rank, place in enumerate(places):
        search = searches[place]
        own = [one for one in checked if one.place == place]
        chosen = promising(
            search.ordered,
            search.space,
            count=(count - rank + len(places) - 1) // len(places),
            support=[_short(one, whole=longest) for one in own],
            seen=[one.architecture for one in own],
            extra=search.extra,
            keep=search.keep,
        )
        found += [(place, prediction) for prediction in chosen]
    return found


def _remaining(checked: Sequence[Checked], *, count: int) -> list[Checked]:
    """Return the best, the best one of each space among them."""
    best = sorted(checked, key=_worst_last)
    leaders = list({one.place: one for one in reversed(best)}.values())
    others = [one for one in best if one not in leaders]
    return sorted([*leaders, *others][: max(count, len(leaders))], key=_worst_last)


def _measured(
    searches: Sequence[Searched],
    students: Sequence[tuple[int, Prediction]],
    *,
    epochs: int,
    ahead: Ahead | None,
) -> list[Checked]:
    if ahead is not None and students:
        ahead([(place, p.architecture) for place, p in students], epochs)
    return [
        Checked(
            prediction=p,
            epochs=epochs,
            measured=searches[place].measure(p.architecture, epochs),
            place=place,
        )
        for place, p in students
    ]


def _short(one: Checked, *, whole: int) -> Short:
    return Short(
        architecture=str(one.architecture),
        validation_accuracy=one.measured,
        epochs=0 if one.epochs == whole else one.epochs,
    )


def _worst_last(one: Checked) -> tuple[float, float, str]:
    return -one.measured, -one.prediction.accuracy, str(one.architecture)
