"""What a worker process does with one job of a build: train a teacher, or distil a student.

Its result is published before it returns, and a long training leaves checkpoints, so a kill at
any time costs little. Knows nothing of queues or of other workers.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

import torch
from torch import Tensor, nn

from cluster.fleet.job import Job
from dass.data.task import Task, load_task
from dass.data.task_config import TaskConfig
from dass.networks.remap import student
from dass.networks.resnet import ResNet, initialise
from dass.networks.teacher import Teacher
from dass.pipeline.students import Curve, clock, device_name, measured
from dass.predictor.records import StudentRecord
from dass.registry.registry import Registry
from dass.space.spaces import by_name
from dass.store.store import Store
from dass.training.batches import Batches, training_batches
from dass.training.distillation import Epoch, train
from dass.training.inference import accuracy
from dass.training.lanes import side_stream
from dass.training.recipe import Recipe
from jobs.planning.kept import Kept
from jobs.planning.plan import StudentPlan, TeacherPlan

Made = TypeVar("Made")

CHECKPOINT_EVERY_S = 60.0
"""Seconds of training between two checkpoints; most students end before the first."""


@dataclass(frozen=True, slots=True)
class Worker:
    """What a worker process needs to do any job; its result is published before it returns."""

    store: Store
    device: str
    data_root: str

    def __call__(self, job: Job) -> dict[str, float]:
        """Train the teacher or distil the student of a job; return the images trained on."""
        if self.device == "cpu":
            torch.set_num_threads(1)  # two such processes beat one of two threads by far
        plan, before = job.payload, _seen.images
        with side_stream(torch.device(self.device)):
            if isinstance(plan, TeacherPlan):
                self.teach(plan)
            # A worker that was thought dead may have published after its job went to another.
            elif not Registry(self.store).has_record(plan.identity.key):
                self.distil(plan)
        return {"images": float(_seen.images - before)}

    def teach(self, plan: TeacherPlan) -> None:
        """Train a teacher and publish it."""
        network, batches, task = self.untrained(plan)
        started = clock(self.device)
        for _ in self.epochs(plan.name, network, batches, recipe=plan.recipe, seed=plan.seed):
            pass
        value = accuracy(network, task.validation)
        seconds = clock(self.device) - started
        self.put_teacher(plan, network, task, value=value, seconds=seconds)

    def untrained(self, plan: TeacherPlan) -> tuple[ResNet, Batches, Task]:
        """Return the untrained network of a teacher-to-be, its batches and its task."""
        task = _task(plan.task, plan.space, worker=self)
        space = by_name(plan.space)
        network = ResNet(space, space.largest, num_classes=task.num_classes)
        initialise(network, generator=torch.Generator().manual_seed(plan.seed))
        network.to(self.device)
        return (
            network,
            training_batches(task.train, plan.recipe, teacher=None, flip=task.flip),
            task,
        )

    def put_teacher(
        self,
        plan: TeacherPlan,
        network: ResNet,
        task: Task,
        *,
        value: float,
        seconds: float,
    ) -> None:
        """Publish a teacher that was trained in `seconds` to the validation accuracy `value`."""
        teacher = Teacher(
            name=plan.name,
            network=network,
            accuracy=value,
            test_accuracy=accuracy(network, task.test),
            task=plan.task,
        )
        facts = {
            "recipe": plan.recipe.name,
            "seed": plan.seed,
            "seconds": seconds,
            "device": device_name(self.device),
        }
        Registry(self.store).put_teacher(teacher, facts)
        Registry(self.store).drop_checkpoint(plan.name)

    def distil(self, plan: StudentPlan) -> tuple[ResNet, StudentRecord]:
        """Distil one student and publish its record; return both."""
        registry = Registry(self.store)
        teacher, task, batches = _shared(self, plan.teacher, task=plan.task, recipe=plan.recipe)
        network = student(teacher.network, plan.architecture, policy=plan.recipe.remap).train()
        key = plan.identity.key
        curve = Curve(task.validation, self.device)
        started = clock(self.device)
        for _ in self.epochs(
            key, network, batches, recipe=plan.recipe, seed=plan.seed, curve=curve
        ):
            pass
        if not curve.values:  # it was stopped after its last epoch
            curve.measure(network)
        seconds = clock(self.device) - started - curve.overhead_s
        record = measured(
            network, task, identity=plan.identity, curve=curve.values, seconds=seconds
        )
        registry.put_record(record)
        registry.drop_checkpoint(key)
        return network, record

    def task(self, plan: StudentPlan) -> Task:
        """Return the images of a student, on the worker's device; loaded once."""
        return _task(plan.task, plan.space, worker=self)

    def epochs(
        self,
        key: str,
        network: ResNet,
        batches: Batches,
        *,
        recipe: Recipe,
        seed: int,
        curve: Curve | None = None,
        forward: nn.Module | None = None,
        every_s: float | None = None,
    ) -> Iterator[Epoch]:
        """Train from the last checkpoint on, leaving a checkpoint every now and then.

        Args:
            curve: measured after each epoch, and kept with the checkpoints.
            forward: see `dass.training.distillation.train`.
            every_s: seconds between checkpoints; `CHECKPOINT_EVERY_S` where `None`.
        """
        registry = Registry(self.store)
        state: Mapping[str, Tensor] | None = registry.checkpoint(key)
        if curve is not None and state is not None:
            # A checkpoint of before curves were kept has none: its epochs are unknown.
            curve.values = state.get("curve", torch.empty(0)).tolist()
        saved_at = time.monotonic()
        for epoch in train(
            network, batches, recipe=recipe, seed=seed, state=state, forward=forward
        ):
            _seen.images += epoch.images
            if curve is not None:
                curve.measure(network)
            if time.monotonic() - saved_at > (CHECKPOINT_EVERY_S if every_s is None else every_s):
                registry.put_checkpoint(key, {**epoch.state, **_kept(curve)})
                saved_at = time.monotonic()
            yield epoch


def _kept(curve: Curve | None) -> dict[str, Tensor]:
    return {} if curve is None else {"curve": torch.tensor(curve.values, dtype=torch.float64)}


class _Seen(threading.local):
    """What this thread has trained on so far."""

    images = 0


_seen = _Seen()


@dataclass(frozen=True, slots=True)
class _Shelf:
    """What students of a process share."""

    tasks: Kept[Task]
    teachers: Kept[tuple[Teacher, Task, Batches]]


@cache
def _shelf(device: str) -> _Shelf:
    """Return what is kept on a device: a GPU's students, many at once, are of many teachers."""
    most = 2 if device == "cpu" else 16
    return _Shelf(Kept(most), Kept(most))


def _task(config: TaskConfig, space: str, *, worker: Worker) -> Task:
    def load() -> Task:
        size = by_name(space).image_size
        task = load_task(config, image_size=size, data_root=worker.data_root)
        return _whole(task.to(worker.device))

    return _shelf(worker.device).tasks.get((config, space, worker.data_root), load)


def _shared(
    worker: Worker, name: str, *, task: TaskConfig, recipe: Recipe
) -> tuple[Teacher, Task, Batches]:
    """Load what all students of a teacher share: it, the images, and its logits of them."""

    def load() -> tuple[Teacher, Task, Batches]:
        teacher = Registry(worker.store).teacher(name)
        teacher.network.to(worker.device)
        images = _task(task, teacher.network.space.name, worker=worker)
        source = training_batches(images.train, recipe, teacher=teacher.network, flip=images.flip)
        return _whole((teacher, images, source))

    return _shelf(worker.device).teachers.get((worker, name, task, recipe), load)


def _whole(made: Made) -> Made:
    """Return what was asked of a device once it is there: other threads' streams do not wait."""
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.current_stream().synchronize()
    return made
