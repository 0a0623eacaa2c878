"""One epoch of distillation as a scorer: the strongest of the plain ways, and the most expensive.

Knows nothing of records or feature feature_maps.

Dimension letter: n architectures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from dass.data.task import Task
from dass.networks.remap import student
from dass.networks.teacher import Teacher
from dass.predictor.records import Measured
from dass.predictor.scorer import Scores
from dass.space.architecture import Architecture
from dass.training.batches import training_batches
from dass.training.distillation import train
from dass.training.inference import accuracy
from dass.training.recipe import Recipe


class OneEpoch:
    """Distil every student for one epoch and believe its validation accuracy.

    The strongest of the plain ways, and the dearest: seconds per student. It serves the one task
    that it was made for.
    """

    def __init__(self, task: Task, recipe: Recipe, *, seed: int = 0) -> None:
        warmup = 0  # a warm-up may not take the whole of one epoch
        self._recipe = replace(recipe, epochs=1, warmup_epochs=warmup)
        self._task, self._seed = task, seed

    def predict(
        self,
        teacher: Teacher,
        architectures: Sequence[Architecture],
        *,
        support: Sequence[Measured] = (),
    ) -> Scores:
        """Return validation accuracies after one epoch, fractions."""
        task, recipe = self._task, self._recipe
        batches = training_batches(task.train, recipe, teacher=teacher.network, flip=task.flip)
        values = []
        for architecture in architectures:
            network = student(teacher.network, architecture, policy=recipe.remap).train()
            for _ in train(network, batches, recipe=recipe, seed=self._seed):
                pass
            values.append(accuracy(network, task.validation))
        return Scores(torch.tensor(values, dtype=torch.float64))
