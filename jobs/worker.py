"""What a worker process does with one job of a build: train a teacher, or distil a student.

Its result is published before it returns, and a long training leaves checkpoints, so a kill at
any time costs little. Knows nothing of queues or of other workers.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache

import torch
from torch import Tensor

from cluster.job import Job
from cluster.storage import Store
from dass.answers import accuracy, hits
from dass.distill import train
from dass.feed import Feed, feed
from dass.library import Library
from dass.network import ResNet, initialise
from dass.recipe import Recipe
from dass.record import StudentRecord
from dass.remap import student
from dass.space import by_name
from dass.task import Split, Task, TaskConfig, load_task
from dass.teacher import Teacher
from jobs.plan import StudentPlan, TeacherPlan

CHECKPOINT_EVERY_S = 60.0
"""Seconds of training between two checkpoints; most students end before the first."""

GLANCE = 16
"""Validation images measured after each epoch; after the last one, all are."""


@dataclass(frozen=True, slots=True)
class Worker:
    """What a worker process needs to do any job; its result is published before it returns."""

    store: Store
    device: str
    data_root: str

    def __call__(self, job: Job) -> None:
        """Train the teacher or distil the student of a job."""
        if self.device == "cpu":
            torch.set_num_threads(1)  # two such processes beat one of two threads by far
        plan = job.payload
        if isinstance(plan, TeacherPlan):
            self._teach(plan)
        else:
            self.distil(plan)

    def _teach(self, plan: TeacherPlan) -> None:
        task = _task(plan.task, plan.space, self.device, self.data_root)
        space = by_name(plan.space)
        network = ResNet(space, space.largest, num_classes=task.num_classes)
        initialise(network, generator=torch.Generator().manual_seed(plan.seed))
        network.to(self.device)
        source = feed(task.train, plan.recipe, teacher=None, flip=task.flip)
        started = clock(self.device)
        value = self.train(plan.name, network, source, task, recipe=plan.recipe, seed=plan.seed)
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
            "seconds": clock(self.device) - started,
            "device": device_name(self.device),
        }
        Library(self.store).put_teacher(teacher, facts)
        Library(self.store).drop_checkpoint(plan.name)

    def distil(self, plan: StudentPlan) -> tuple[ResNet, StudentRecord]:
        """Distil one student and publish its record; return both."""
        library = Library(self.store)
        teacher, task, source = _classroom(self, plan.teacher, plan.task, plan.recipe)
        network = student(teacher.network, plan.architecture, policy=plan.recipe.remap).train()
        key = plan.identity.key
        started = clock(self.device)
        value = self.train(key, network, source, task, recipe=plan.recipe, seed=plan.seed)
        seconds = clock(self.device) - started
        right = hits(network, task.test)
        space, classes = by_name(plan.space), task.num_classes
        record = StudentRecord(
            **asdict(plan.identity),
            validation_accuracy=value,
            test_accuracy=int(right.sum()) / len(right),
            test_half_accuracy=int(right[::2].sum()) / len(right[::2]),
            validation_images=len(task.validation),
            test_images=len(task.test),
            flops=int(space.flops([plan.architecture], num_classes=classes)[0]),
            parameters=int(space.parameters([plan.architecture], num_classes=classes)[0]),
            seconds=seconds,
            device=device_name(self.device),
        )
        library.put_record(record)
        library.drop_checkpoint(key)
        return network, record

    def train(
        self, key: str, network: ResNet, source: Feed, task: Task, *, recipe: Recipe, seed: int
    ) -> float:
        """Train to the last epoch, going on from a checkpoint; return its validation accuracy."""
        library = Library(self.store)
        state: Mapping[str, Tensor] | None = library.checkpoint(key)
        saved_at = time.monotonic()
        # Nobody looks at the accuracies between epochs, so a few images do for them.
        glance = Split(task.validation.images[:GLANCE], task.validation.labels[:GLANCE])
        for epoch in train(network, source, glance, recipe=recipe, seed=seed, state=state):
            if time.monotonic() - saved_at > CHECKPOINT_EVERY_S:
                library.put_checkpoint(key, epoch.state)
                saved_at = time.monotonic()
        return accuracy(network, task.validation)


@lru_cache(maxsize=2)
def _task(config: TaskConfig, space: str, device: str, data_root: str) -> Task:
    size = by_name(space).image_size
    return load_task(config, image_size=size, data_root=data_root).to(device)


@lru_cache(maxsize=2)
def _classroom(
    worker: Worker, name: str, config: TaskConfig, recipe: Recipe
) -> tuple[Teacher, Task, Feed]:
    """Load what all students of a teacher share: it, the images, and its answers to them."""
    teacher = Library(worker.store).teacher(name)
    teacher.network.to(worker.device)
    task = _task(config, teacher.network.space.name, worker.device, worker.data_root)
    source = feed(task.train, recipe, teacher=teacher.network, flip=task.flip)
    return teacher, task, source


def clock(device: str) -> float:
    """Return the seconds that a training is charged: this process's own on a CPU, else all.

    Of a training that was stopped and went on, only the last part is charged.
    """
    return time.process_time() if device == "cpu" else time.perf_counter()


def device_name(device: str) -> str:
    """Return what a record says of a device."""
    return torch.cuda.get_device_name() if device.startswith("cuda") else "cpu"
