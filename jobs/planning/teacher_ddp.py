"""A teacher trained by several workers at once: data-parallel, checkpointed every epoch.

The steps are those of one worker: all draw the same batch and each takes its share of the rows,
so that the mean of their gradients is the batch's. Batch norm sees shares; that is the
difference to one worker.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch.nn.parallel import DistributedDataParallel

from dass.pipeline.students import clock
from dass.registry.registry import Registry
from dass.training.batches import Shard
from dass.training.inference import accuracy
from jobs.planning.plan import TeacherPlan
from jobs.planning.worker import Worker


@dataclass(frozen=True, slots=True)
class TeacherTraining:
    """Trains one teacher as one of several workers; the first of them publishes it."""

    worker: Worker
    plan: TeacherPlan

    def __call__(self, rank: int, world: int) -> Iterator[Mapping[str, float]]:
        """Train in step with the others, an epoch at a time."""
        if self.worker.device == "cpu":
            torch.set_num_threads(1)
        network, batches, task = self.worker.untrained(self.plan)
        started = clock(self.worker.device)
        epochs = self.worker.epochs(
            self.plan.name,
            network,
            Shard(batches, rank=rank, world=world),
            recipe=self.plan.recipe,
            seed=self.plan.seed,
            forward=DistributedDataParallel(network),
            every_s=0.0 if rank == 0 else float("inf"),
        )
        for epoch in epochs:
            yield {"epoch": epoch.number, "loss": epoch.loss}
        if rank == 0 and not Registry(self.worker.store).has_teacher(self.plan.name):
            value = accuracy(network, task.validation)
            seconds = clock(self.worker.device) - started
            self.worker.put_teacher(self.plan, network, task, value=value, seconds=seconds)
