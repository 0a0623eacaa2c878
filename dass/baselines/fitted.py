"""What the predictor must beat: scorers that need no gradient and no trained student.

All share one signature with the predictor, `Scorer`. A score orders architectures; only some are
accuracies. Knows nothing of searching.

Dimension letter: n architectures.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from scipy import stats
from sklearn.base import RegressorMixin
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import Ridge
from torch import Tensor, nn

from dass.errors import InvalidData
from dass.networks.teacher import Teacher
from dass.predictor.features import student_features
from dass.predictor.records import Measured, StudentRecord
from dass.predictor.scorer import Scores
from dass.space.architecture import Architecture
from dass.space.space import Space


def centred(records: Iterable[StudentRecord]) -> dict[str, list[tuple[str, float, float]]]:
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
        rows = [row for group in centred(records).values() for row in group]
        features = self._features(space, [Architecture.parse(text) for text, _, _ in rows])
        targets = np.array([relative for _, relative, _ in rows])
        self._weights = np.linalg.lstsq(features, targets, rcond=None)[0]

    @staticmethod
    def _features(space: Space, architectures: Sequence[Architecture]) -> Float[np.ndarray, "n 5"]:
        full = [space.largest]
        flops = np.log(space.flops(architectures) / space.flops(full))
        size = np.log(
            space.parameters(architectures, num_classes=0) / space.parameters(full, num_classes=0)
        )
        return np.stack([np.ones_like(flops), flops, size, flops**2, size**2], axis=1)

    def predict(
        self,
        teacher: Teacher,
        architectures: Sequence[Architecture],
        *,
        support: Sequence[Measured] = (),
    ) -> Scores:
        """Return accuracies relative to the task's mean, as size alone predicts them."""
        return Scores(
            torch.from_numpy(self._features(teacher.network.space, architectures) @ self._weights)
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
        for group in centred(records).values():
            for architecture, _, rank in group:
                ranks[architecture].append(rank)
        self._means: Mapping[str, float] = {a: float(np.mean(r)) for a, r in ranks.items()}
        encodings = space.encode([Architecture.parse(a) for a in self._means]).double().numpy()
        values = np.array(list(self._means.values()))
        self._offset = float(values.mean())
        self._ridge = Ridge(penalty, fit_intercept=False).fit(encodings, values - self._offset)

    def predict(
        self,
        teacher: Teacher,
        architectures: Sequence[Architecture],
        *,
        support: Sequence[Measured] = (),
    ) -> Scores:
        """Return mean ranks, 0 the worst and 1 the best."""
        encodings = teacher.network.space.encode(architectures).double().numpy()
        regressed = self._offset + predicted(self._ridge, encodings)
        values = [
            self._means.get(str(a), float(guess))
            for a, guess in zip(architectures, regressed, strict=True)
        ]
        return Scores(torch.tensor(values, dtype=torch.float64))


def predicted(
    regressor: RegressorMixin, inputs: Float[np.ndarray, "n d"]
) -> Float[np.ndarray, " n"]:
    """Ask a regressor of scikit-learn, which refuses to be asked about nothing."""
    return np.asarray(regressor.predict(inputs)) if len(inputs) else np.zeros(0)


def _learned(
    space: Space, records: Iterable[StudentRecord]
) -> tuple[Float[np.ndarray, "n d"], Float[np.ndarray, " n"]]:
    rows = [row for group in centred(records).values() for row in group]
    encodings = space.encode([Architecture.parse(text) for text, _, _ in rows]).double().numpy()
    return encodings, np.array([relative for _, relative, _ in rows])


class BoostedTrees:
    """Gradient-boosted trees on the encoding, fitted to accuracies less their task's mean."""

    def __init__(self, space: Space, records: Iterable[StudentRecord]) -> None:
        self._trees = GradientBoostingRegressor(
            n_estimators=200, learning_rate=0.05, max_depth=3, subsample=0.8, random_state=0
        )
        self._trees.fit(*_learned(space, records))

    def predict(
        self,
        teacher: Teacher,
        architectures: Sequence[Architecture],
        *,
        support: Sequence[Measured] = (),
    ) -> Scores:
        """Return accuracies relative to a task's mean."""
        encodings = teacher.network.space.encode(architectures).double().numpy()
        return Scores(torch.from_numpy(predicted(self._trees, encodings)))


class ShapeRegression:
    """Accuracy, relative to its task's mean, as a ridge regression on size and shape.

    What `dass.predictor.features` tells the shipped predictor, without map or teacher.
    """

    def __init__(
        self, space: Space, records: Iterable[StudentRecord], *, penalty: float = 10.0
    ) -> None:
        encodings, targets = _learned(space, records)
        features = self._features(space, torch.from_numpy(encodings).float())
        self._offset = float(targets.mean())
        self._ridge = Ridge(penalty, fit_intercept=False).fit(features, targets - self._offset)

    @staticmethod
    def _features(space: Space, encodings: Float[Tensor, "n d"]) -> Float[np.ndarray, "n f"]:
        return student_features(space, encodings).double().numpy()

    def predict(
        self,
        teacher: Teacher,
        architectures: Sequence[Architecture],
        *,
        support: Sequence[Measured] = (),
    ) -> Scores:
        """Return accuracies relative to a task's mean."""
        space = teacher.network.space
        features = self._features(space, space.encode(architectures))
        return Scores(torch.from_numpy(self._offset + predicted(self._ridge, features)))


class ArchitectureOnly:
    """The predictor's code encoder and head alone, fitted to accuracies less their task's mean."""

    def __init__(
        self, space: Space, records: Iterable[StudentRecord], *, steps: int = 400
    ) -> None:
        encodings, targets = (torch.from_numpy(a).float() for a in _learned(space, records))
        self._unit = float(targets.std(correction=0)) or 1.0
        self._layers = [nn.Linear(encodings.shape[1], 64), nn.Linear(64, 64), nn.Linear(64, 1)]
        generator = torch.Generator().manual_seed(0)
        parameters = [p for layer in self._layers for p in layer.parameters()]
        with torch.no_grad():
            for layer in self._layers:
                for parameter in layer.parameters():
                    bound = layer.in_features**-0.5
                    parameter.uniform_(-bound, bound, generator=generator)
        optimizer = torch.optim.AdamW(parameters, lr=3e-3, weight_decay=1e-2)
        with torch.enable_grad():
            for _ in range(steps):
                optimizer.zero_grad()
                loss = (self._forward(encodings) - targets / self._unit).square().mean()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()

    def _forward(self, encodings: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        first, second, last = self._layers
        out: Tensor = last(torch.tanh(second(first(encodings))))
        return out.squeeze(1)

    @torch.no_grad()
    def predict(
        self,
        teacher: Teacher,
        architectures: Sequence[Architecture],
        *,
        support: Sequence[Measured] = (),
    ) -> Scores:
        """Return accuracies relative to a task's mean."""
        encodings = teacher.network.space.encode(architectures)
        return Scores(self._forward(encodings).double() * self._unit)
