"""Scorers fitted to records of other tasks, or to one epoch of training; none reads a map.

Knows nothing of embeddings or of meta-training.

Dimension letter: n architectures.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from sklearn.ensemble import GradientBoostingRegressor
from torch import Tensor, nn

from dass.answers import accuracy
from dass.baselines import deviations
from dass.describe import describe
from dass.distill import train
from dass.feed import feed
from dass.recipe import Recipe
from dass.record import StudentRecord
from dass.remap import student
from dass.space import Architecture, Space
from dass.task import Split, Task
from dass.teacher import Teacher


def _learned(
    space: Space, records: Iterable[StudentRecord]
) -> tuple[Float[np.ndarray, "n d"], Float[np.ndarray, " n"]]:
    rows = [row for group in deviations(records).values() for row in group]
    codes = space.encode([Architecture.parse(text) for text, _, _ in rows]).double().numpy()
    return codes, np.array([deviation for _, deviation, _ in rows])


class BoostedTrees:
    """Gradient-boosted trees on the encoding, fitted to accuracies less their task's mean."""

    def __init__(self, space: Space, records: Iterable[StudentRecord]) -> None:
        self._trees = GradientBoostingRegressor(
            n_estimators=200, learning_rate=0.05, max_depth=3, subsample=0.8, random_state=0
        )
        self._trees.fit(*_learned(space, records))

    def score(
        self, teacher: Teacher, architectures: Sequence[Architecture]
    ) -> Float[Tensor, " n"]:
        """Return accuracies relative to a task's mean."""
        codes = teacher.network.space.encode(architectures).double().numpy()
        values = self._trees.predict(codes) if len(codes) else np.zeros(0)
        return torch.from_numpy(values)


class ShapeRegression:
    """Accuracy, relative to its task's mean, as a ridge regression on size and shape.

    What `dass.describe` tells the shipped predictor, without map or teacher: its nearest rival.
    """

    def __init__(
        self, space: Space, records: Iterable[StudentRecord], *, penalty: float = 10.0
    ) -> None:
        codes, targets = _learned(space, records)
        features = self._features(space, torch.from_numpy(codes).float())
        self._offset = float(targets.mean())
        gram = features.T @ features + penalty * np.eye(features.shape[1])
        self._weights = np.linalg.solve(gram, features.T @ (targets - self._offset))

    @staticmethod
    def _features(space: Space, codes: Float[Tensor, "n d"]) -> Float[np.ndarray, "n f"]:
        return describe(space, codes).double().numpy()

    def score(
        self, teacher: Teacher, architectures: Sequence[Architecture]
    ) -> Float[Tensor, " n"]:
        """Return accuracies relative to a task's mean."""
        space = teacher.network.space
        features = self._features(space, space.encode(architectures))
        return torch.from_numpy(self._offset + features @ self._weights)


class ArchitectureOnly:
    """The predictor's code encoder and head alone, fitted to accuracies less their task's mean."""

    def __init__(
        self, space: Space, records: Iterable[StudentRecord], *, steps: int = 400
    ) -> None:
        codes, targets = (torch.from_numpy(a).float() for a in _learned(space, records))
        self._unit = float(targets.std(correction=0)) or 1.0
        self._layers = [nn.Linear(codes.shape[1], 64), nn.Linear(64, 64), nn.Linear(64, 1)]
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
                loss = (self._forward(codes) - targets / self._unit).square().mean()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()

    def _forward(self, codes: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        first, second, last = self._layers
        out: Tensor = last(torch.tanh(second(first(codes))))
        return out.squeeze(1)

    @torch.no_grad()
    def score(
        self, teacher: Teacher, architectures: Sequence[Architecture]
    ) -> Float[Tensor, " n"]:
        """Return accuracies relative to a task's mean."""
        codes = teacher.network.space.encode(architectures)
        return self._forward(codes).double() * self._unit


class OneEpoch:
    """Distil every student for one epoch and believe its validation accuracy.

    The strongest of the plain ways, and the dearest: seconds per student. It serves the one task
    that it was made for.
    """

    def __init__(self, task: Task, recipe: Recipe, *, seed: int = 0) -> None:
        warmup = 0  # a warm-up may not take the whole of one epoch
        self._recipe = replace(recipe, epochs=1, warmup_epochs=warmup)
        self._task, self._seed = task, seed

    def score(
        self, teacher: Teacher, architectures: Sequence[Architecture]
    ) -> Float[Tensor, " n"]:
        """Return validation accuracies after one epoch, fractions."""
        task, recipe = self._task, self._recipe
        source = feed(task.train, recipe, teacher=teacher.network, flip=task.flip)
        glance = Split(task.validation.images[:1], task.validation.labels[:1])
        values = []
        for architecture in architectures:
            network = student(teacher.network, architecture, policy=recipe.remap).train()
            for _ in train(network, source, glance, recipe=recipe, seed=self._seed):
                pass
            values.append(accuracy(network, task.validation))
        return torch.tensor(values, dtype=torch.float64)
