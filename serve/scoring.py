"""Scoring one chunk of architectures: what every replica does, from plain values to plain values.

A replica keeps the predictor and the teachers it served lately, in bounded memory. Scores depend
on nothing else, so a chunk can be scored again, anywhere. Knows nothing of Ray or requests.
"""

from __future__ import annotations

import hashlib
import itertools
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from dass.errors import UnknownName
from dass.library import Library
from dass.predictor import Ensemble
from dass.space import Architecture
from dass.teacher import Teacher

CACHE_BYTES = 512 * 2**20
"""Weights of teachers that a process keeps."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Support:
    """A measured student of the teacher, for the predictor to adapt on."""

    architecture: str
    """The student, as `str(Architecture)`."""
    validation_accuracy: float
    """Its accuracy after distillation, a fraction."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Chunk:
    """Architectures to score for one teacher; plain values, so that it crosses processes."""

    teacher: str
    """Name of the teacher."""
    version: str
    """Which weights of that name: see `version_of`."""
    architectures: tuple[str, ...]
    """What to score, in this order."""
    support: tuple[Support, ...] = ()
    """Measured students."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scores:
    """Predicted accuracies of a chunk and their standard deviations, if there are any."""

    accuracies: tuple[float, ...]
    uncertainties: tuple[float, ...] | None


class Scoring(Protocol):
    """Scores a chunk: here, or on other machines."""

    def __call__(self, chunk: Chunk, /) -> Scores:
        """Return the scores in the chunk's order."""
        ...


def version_of(facts: Mapping[str, Any]) -> str:
    """Return what changes when a teacher is replaced by another of its name."""
    return hashlib.sha256(repr(sorted(facts.items())).encode()).hexdigest()[:16]


def size_of(teacher: Teacher) -> int:
    """Return the bytes of a teacher's weights."""
    return sum(t.numel() * t.element_size() for t in teacher.network.state_dict().values())


class Teachers:
    """Teachers read lately, the longest unused leaving first once their weights fill a bound."""

    def __init__(self, library: Library, *, most_bytes: int = CACHE_BYTES) -> None:
        self._library, self._most_bytes = library, most_bytes
        self._kept: OrderedDict[tuple[str, str], Teacher] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Return how many are kept."""
        return len(self._kept)

    def get(self, name: str, version: str) -> Teacher:
        """Return a teacher, from memory or from the store.

        Raises:
            UnknownName: it was deleted, or replaced by another of its name.
            CorruptArtifact: its files are broken.
        """
        with self._lock:
            if (name, version) in self._kept:
                self._kept.move_to_end((name, version))
                return self._kept[name, version]
        teacher = self._library.teacher(name)
        if version_of(self._library.teacher_facts(name)) != version:
            raise UnknownName(
                f"teacher {name!r} must stay the same during a request, but was replaced; "
                "ask again"
            )
        with self._lock:
            self._kept[name, version] = teacher
            while (
                len(self._kept) > 1 and sum(map(size_of, self._kept.values())) > self._most_bytes
            ):
                self._kept.popitem(last=False)
        return teacher


class Local:
    """Scoring in this process."""

    def __init__(
        self, library: Library, ensemble: Ensemble, *, most_bytes: int = CACHE_BYTES
    ) -> None:
        self._teachers = Teachers(library, most_bytes=most_bytes)
        self._ensemble = ensemble

    def __call__(self, chunk: Chunk, /) -> Scores:
        """Adapt to the chunk's teacher and score its architectures.

        Raises:
            UnknownName: there is no such teacher.
            InvalidArchitecture: one of them is not a member of the teacher's space.
        """
        teacher = self._teachers.get(chunk.teacher, chunk.version)
        members = [Architecture.parse(text) for text in chunk.architectures]
        accuracies, spread = self._ensemble.forecast(teacher, members, support=chunk.support)
        return Scores(
            accuracies=tuple(accuracies.tolist()),
            uncertainties=None if spread is None else tuple(spread.tolist()),
        )


class Elsewhere:
    """A `dass` forecaster for one teacher whose scores come from any `Scoring`."""

    def __init__(self, scoring: Scoring, version: str) -> None:
        self._scoring, self._version = scoring, version

    def forecast(
        self,
        teacher: Teacher,
        architectures: Sequence[Architecture],
        *,
        support: Sequence[Any] = (),
    ) -> tuple[Tensor, Tensor | None]:
        """Return predicted accuracies and their standard deviations."""
        scores = self._scoring(
            Chunk(
                teacher=teacher.name,
                version=self._version,
                architectures=tuple(map(str, architectures)),
                support=tuple(support),
            )
        )
        spread = scores.uncertainties
        return torch.tensor(scores.accuracies), None if spread is None else torch.tensor(spread)

    def score(self, teacher: Teacher, architectures: Sequence[Architecture]) -> Tensor:
        """Return the accuracies alone."""
        return self.forecast(teacher, architectures)[0]


def split(chunk: Chunk, parts: int, *, least: int = 8) -> list[Chunk]:
    """Cut a chunk into at most `parts` of nearly equal size, none smaller than `least`.

    Neighbours in order of widths stay together, since they share their first blocks when they
    are embedded; `join` puts the scores back into the chunk's order.
    """
    number = len(chunk.architectures)
    parts = max(1, min(parts, number // least))
    ordered = [chunk.architectures[i] for i in order(chunk)]
    bounds = [number * i // parts for i in range(parts + 1)]
    return [
        Chunk(
            teacher=chunk.teacher,
            version=chunk.version,
            architectures=tuple(ordered[low:high]),
            support=chunk.support,
        )
        for low, high in itertools.pairwise(bounds)
    ]


def order(chunk: Chunk) -> list[int]:
    """Return positions of a chunk's architectures in the order that `split` deals them out."""
    members = [Architecture.parse(text).widths for text in chunk.architectures]
    return sorted(range(len(members)), key=members.__getitem__)


def join(chunk: Chunk, parts: Sequence[Scores]) -> Scores:
    """Put the scores of a chunk's parts back into its own order."""
    positions = order(chunk)

    def back(values: Sequence[float]) -> tuple[float, ...]:
        placed = dict(zip(positions, values, strict=True))
        return tuple(placed[i] for i in range(len(positions)))

    spreads = [part.uncertainties for part in parts]
    return Scores(
        accuracies=back([a for part in parts for a in part.accuracies]),
        uncertainties=None
        if any(spread is None for spread in spreads)
        else back([u for spread in spreads if spread is not None for u in spread]),
    )
