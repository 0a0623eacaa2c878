"""What the predictor must beat: scorers that need no gradient and no trained student.

All share one signature with the predictor, `Scorer`. A score orders architectures; only some are
accuracies. Knows nothing of searching.

Dimension letter: n architectures.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from scipy import stats
from torch import Tensor

from dass.errors import InvalidData
from dass.record import StudentRecord
from dass.space import Architecture, Space
from dass.teacher import Teacher


@runtime_checkable
class Scorer(Protocol):
    """Anything that orders a teacher's students: the higher, the better after distillation."""

    def score(
        self, teacher: Teacher, architectures: Sequence[Architecture]
    ) -> Float[Tensor, " n"]:
        """Score each architecture, whatever else is in the list."""
        ...


class ByParameters:
    """More parameters, better student."""

    def score(
        self, teacher: Teacher, architectures: Sequence[Architecture]
    ) -> Float[Tensor, " n"]:
        """Return the numbers of parameters."""
        classes = teacher.network.num_classes
        space = teacher.network.space
        return torch.from_numpy(space.parameters(architectures, num_classes=classes)).double()


class ByFlops:
    """More multiply-adds, better student."""

    def score(
        self, teacher: Teacher, architectures: Sequence[Architecture]
    ) -> Float[Tensor, " n"]:
        """Return the multiply-adds."""
        return torch.from_numpy(teacher.network.space.flops(architectures)).double()


class ByDepth:
    """More blocks, better student."""

    def score(
        self, teacher: Teacher, architectures: Sequence[Architecture]
    ) -> Float[Tensor, " n"]:
        """Return the numbers of blocks."""
        return torch.tensor([float(a.depth) for a in architectures], dtype=torch.float64)


def deviations(records: Iterable[StudentRecord]) -> dict[str, list[tuple[str, float, float]]]:
    """Group by teacher: (architecture, validation accuracy less its mean, rank in 0..1)."""
    groups: dict[str, list[StudentRecord]] = defaultdict(list)
    for record in records:
        groups[record.teacher].append(record)
    result = {}
    for name, group in groups.items():
        values = np.array([record.validation_accuracy for record in group])
        ranks = (stats.rankdata(values) - 0.5) / len(values)
        result[name] = [
            (record.architecture, float(value - values.mean()), float(rank))
            for record, value, rank in zip(group, values, ranks, strict=True)
        ]
    if not result:
        raise InvalidData("a fitted baseline must have records to learn from, but got none")
    return result


class SizeRegression:
    """Accuracy, relative to its task's mean, as a quadratic in log FLOPs and log parameters."""

    def __init__(self, space: Space, records: Iterable[StudentRecord]) -> None:
        rows = [row for group in deviations(records).values() for row in group]
        features = self._features(space, [Architecture.parse(text) for text, _, _ in rows])
        targets = np.array([deviation for _, deviation, _ in rows])
        self._weights = np.linalg.lstsq(features, targets, rcond=None)[0]

    @staticmethod
    def _features(space: Space, architectures: Sequence[Architecture]) -> Float[np.ndarray, "n 5"]:
        whole = [space.largest]
        flops = np.log(space.flops(architectures) / space.flops(whole))
        size = np.log(
            space.parameters(architectures, num_classes=0) / space.parameters(whole, num_classes=0)
        )
        return np.stack([np.ones_like(flops), flops, size, flops**2, size**2], axis=1)

    def score(
        self, teacher: Teacher, architectures: Sequence[Architecture]
    ) -> Float[Tensor, " n"]:
        """Return accuracies relative to the task's mean, as size alone predicts them."""
        return torch.from_numpy(
            self._features(teacher.network.space, architectures) @ self._weights
        )


class MeanRank:
    """How an architecture ranks on the other tasks, whatever the teacher.

    A pool architecture scores its mean rank over the records' tasks. One that was never measured
    scores what a ridge regression on the encodings, fitted to those ranks, says.
    """

    def __init__(
        self, space: Space, records: Iterable[StudentRecord], *, penalty: float = 1.0
    ) -> None:
        ranks: dict[str, list[float]] = defaultdict(list)
        for group in deviations(records).values():
            for architecture, _, rank in group:
                ranks[architecture].append(rank)
        self._means: Mapping[str, float] = {a: float(np.mean(r)) for a, r in ranks.items()}
        codes = space.encode([Architecture.parse(a) for a in self._means]).double().numpy()
        values = np.array(list(self._means.values()))
        self._offset = float(values.mean())
        gram = codes.T @ codes + penalty * np.eye(codes.shape[1])
        self._weights = np.linalg.solve(gram, codes.T @ (values - self._offset))

    def score(
        self, teacher: Teacher, architectures: Sequence[Architecture]
    ) -> Float[Tensor, " n"]:
        """Return mean ranks, 0 the worst and 1 the best."""
        codes = teacher.network.space.encode(architectures).double().numpy()
        regressed = self._offset + codes @ self._weights
        values = [
            self._means.get(str(a), float(guess))
            for a, guess in zip(architectures, regressed, strict=True)
        ]
        return torch.tensor(values, dtype=torch.float64)
