"""Scoring one chunk of architectures: what every replica does, from plain values to plain values.

A replica keeps the predictor and the teachers it served lately, in bounded memory. Scores depend
on nothing else, so a chunk can be scored again, anywhere. Knows nothing of Ray or requests.
"""

from __future__ import annotations

import hashlib
import itertools
import threading
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, Protocol, TypeVar

import torch
from cachetools import LRUCache
from torch import Tensor

from dass.errors import InvalidConfig, UnknownName
from dass.networks.teacher import Teacher
from dass.predictor import scorer
from dass.predictor.ensemble import Adapted, Ensemble
from dass.predictor.records import Measured
from dass.registry.registry import Registry
from dass.space.architecture import Architecture

CACHE_BYTES = 512 * 2**20
"""Bytes of teachers and adapted predictors that a process keeps."""

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(frozen=True, kw_only=True, slots=True)
class Support:
    """A measured student of the teacher, for the predictor to adapt on."""

    architecture: str
    """The student, as `str(Architecture)`."""
    validation_accuracy: float
    """Its accuracy after distillation, a fraction."""
    epochs: int = 0
    """How long it was trained; 0 is the whole recipe."""


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


def size_of(tensors: Iterable[Tensor]) -> int:
    """Return the bytes of some tensors."""
    return sum(t.numel() * t.element_size() for t in tensors)


class Cache(Generic[K, V]):
    """Values used lately, within a bound of bytes; threads may share one."""

    def __init__(self, size: Callable[[V], int], *, max_bytes: int) -> None:
        # A value larger than all of the bound counts as all of it: it is kept, alone, since
        # every chunk of a search asks for it again.
        self._values: LRUCache[K, V] = LRUCache(max_bytes, lambda v: min(size(v), max_bytes))
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Return how many values it holds."""
        return len(self._values)

    def get(self, key: K, make: Callable[[], V]) -> V:
        """Return the value of a key, made now if it is not there."""
        with self._lock:
            if key in self._values:
                return self._values[key]
        value = make()  # without the lock: others need not wait for it
        with self._lock:
            self._values[key] = value
        return value


class Teachers:
    """Teachers of a registry, those read lately from a cache."""

    def __init__(self, registry: Registry, *, max_bytes: int = CACHE_BYTES) -> None:
        self._registry = registry
        self.cache: Cache[tuple[str, str], Teacher] = Cache(
            lambda teacher: size_of(teacher.network.state_dict().values()), max_bytes=max_bytes
        )

    def get(self, name: str, version: str) -> Teacher:
        """Return a teacher, from memory or from the store.

        Raises:
            UnknownName: it was deleted, or replaced by another of its name.
            CorruptArtifact: its files are broken.
        """
        return self.cache.get((name, version), lambda: self._read(name, version))

    def _read(self, name: str, version: str) -> Teacher:
        teacher = self._registry.teacher(name)
        if version_of(self._registry.teacher_facts(name)) != version:
            raise UnknownName(
                f"teacher {name!r} must stay the same during a request, but was replaced; "
                "ask again"
            )
        return teacher


class Local:
    """Scoring in this process. What it keeps: teachers, and predictors adapted to them."""

    def __init__(
        self, registry: Registry, ensemble: Ensemble, *, max_bytes: int = CACHE_BYTES
    ) -> None:
        self._ensemble = ensemble
        self.teachers = Teachers(registry, max_bytes=max_bytes // 2)
        self.adapted: Cache[tuple[str, str, tuple[Support, ...]], Adapted] = Cache(
            _size_of_adapted, max_bytes=max_bytes // 2
        )

    def __call__(self, chunk: Chunk, /) -> Scores:
        """Adapt to the chunk's teacher and score its architectures.

        Raises:
            UnknownName: there is no such teacher.
            InvalidArchitecture: one of them is not a member of the teacher's space.
        """
        if not chunk.architectures:  # a question whether anybody is there; of no teacher
            return Scores(accuracies=(), uncertainties=None)
        members = [Architecture.parse(text) for text in chunk.architectures]
        # Adapting costs as much as scoring a dozen students, and a search asks many times.
        adapted = self.adapted.get(
            (chunk.teacher, chunk.version, chunk.support), lambda: self._adapt(chunk)
        )
        accuracies, std = adapted.predict(members)
        return Scores(
            accuracies=tuple(accuracies.tolist()),
            uncertainties=None if std is None else tuple(std.tolist()),
        )

    def _adapt(self, chunk: Chunk) -> Adapted:
        teacher = self.teachers.get(chunk.teacher, chunk.version)
        return self._ensemble.adapt(teacher, support=chunk.support)


def _size_of_adapted(adapted: Adapted) -> int:
    """Return the bytes it holds: weights, the support's feature maps, the teacher it refers to."""
    return (
        size_of(tensor for weights in adapted.weights for tensor in weights.values())
        + size_of([adapted.task.support_feature_maps])
        + size_of(adapted.teacher.network.state_dict().values())
    )


class RemoteScorer:
    """A `Scorer` for one teacher whose scores come from any `Scoring`."""

    def __init__(self, scoring: Scoring, version: str) -> None:
        self._scoring, self._version = scoring, version

    def predict(
        self,
        teacher: Teacher,
        architectures: Sequence[Architecture],
        *,
        support: Sequence[Measured] = (),
    ) -> scorer.Scores:
        """Return predicted accuracies and their standard deviations."""
        scores = self._scoring(
            Chunk(
                teacher=teacher.name,
                version=self._version,
                architectures=tuple(map(str, architectures)),
                support=tuple(
                    Support(
                        architecture=s.architecture,
                        validation_accuracy=s.validation_accuracy,
                        epochs=getattr(s, "epochs", 0),
                    )
                    for s in support
                ),
            )
        )
        std = None if scores.uncertainties is None else torch.tensor(scores.uncertainties)
        found = scorer.Scores(torch.tensor(scores.accuracies), std)
        check_finite(found, teacher.name)
        return found


def check_finite(scores: scorer.Scores, teacher: str) -> None:
    """Raise unless every score is a number: weights may each be finite and overflow together.

    Raises:
        InvalidConfig: names the teacher.
    """
    tensors = [scores.mean] if scores.std is None else [scores.mean, scores.std]
    if not all(bool(torch.isfinite(t).all()) for t in tensors):
        raise InvalidConfig(
            f"predictions of the students of a teacher must be finite, but those of {teacher!r} "
            "are not: its weights overflow; register it with the weights as they were trained"
        )


def split(chunk: Chunk, parts: int, *, least: int = 24) -> list[tuple[list[int], Chunk]]:
    """Cut a chunk into at most `parts` of nearly equal size, none smaller than `least`.

    Neighbours in order of widths stay together, since they share their first blocks when they
    are embedded: in `small`, one among 24 costs 1.4 times as much as among 100. Each part comes
    with the positions that its architectures have in the chunk.
    """
    number = len(chunk.architectures)
    parts = max(1, min(parts, number // least))
    members = [Architecture.parse(text).path for text in chunk.architectures]
    ordered = sorted(range(number), key=members.__getitem__)
    bounds = [number * i // parts for i in range(parts + 1)]
    cut = [ordered[low:high] for low, high in itertools.pairwise(bounds)]
    return [
        (positions, replace(chunk, architectures=tuple(chunk.architectures[i] for i in positions)))
        for positions in cut
    ]


def join(parts: Sequence[tuple[Sequence[int], Scores]]) -> Scores:
    """Put the scores of a chunk's parts back into its own order."""

    def back(values: Callable[[Scores], Sequence[float]]) -> tuple[float, ...]:
        pairs = [zip(where, values(scores), strict=True) for where, scores in parts]
        return tuple(value for _, value in sorted(itertools.chain(*pairs)))

    unsure = any(scores.uncertainties is None for _, scores in parts)
    return Scores(
        accuracies=back(lambda scores: scores.accuracies),
        uncertainties=None if unsure else back(lambda scores: scores.uncertainties or ()),
    )
