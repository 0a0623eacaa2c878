"""One student in process: cut out of its teacher, distilled, measured.

What a distributed build does with one job is put together from the same functions, so that both
give the same record. Knows nothing of stores, checkpoints or workers.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict

import torch

from dass.data.task import Task, load_task
from dass.errors import InvalidConfig
from dass.networks.remap import student
from dass.networks.resnet import ResNet
from dass.networks.teacher import Teacher
from dass.predictor.records import Identity, StudentRecord
from dass.space.architecture import Architecture
from dass.training.batches import training_batches
from dass.training.distillation import Epoch, train
from dass.training.inference import accuracy, hits
from dass.training.recipe import Recipe


def distill(
    teacher: Teacher,
    architecture: Architecture | str,
    task: Task | None = None,
    *,
    recipe: Recipe | None = None,
    seed: int = 0,
    data_root: str = "data",
    on_epoch: Callable[[Epoch], object] | None = None,
) -> tuple[ResNet, StudentRecord]:
    """Distil one student from its teacher, on the device of the teacher's network.

    Args:
        teacher: whose knowledge it gets; its network is left as it was.
        architecture: the student, a member of the teacher's space, or its id.
        task: images to train on and to measure with; the teacher's own where it is `None`.
        recipe: how to train; the published recipe (50 epochs) where it is `None`.
        seed: of order, augmentation and views.
        data_root: folder of torchvision's datasets, for a task that is to be loaded.
        on_epoch: called after every pass over the images: to show progress.

    Returns:
        The trained network, in eval mode, and what was measured of it.

    Raises:
        InvalidArchitecture: the architecture does not parse or is no member of the space.
        InvalidConfig: there are no images, or they have other classes than the teacher.
        DivergedTraining: the loss is not finite.
    """
    if not isinstance(architecture, Architecture):
        architecture = Architecture.parse(architecture)
    recipe = recipe or Recipe()
    device = teacher.network.fc.weight.device
    task = (task or task_of(teacher, data_root=data_root)).to(device)
    check_classes(teacher, task)
    training = teacher.network.training
    network = student(teacher.network, architecture, policy=recipe.remap).train()
    source = training_batches(task.train, recipe, teacher=teacher.network, flip=task.flip)
    started = clock(device.type)
    for epoch in train(network, source, recipe=recipe, seed=seed):
        if on_epoch is not None:
            on_epoch(epoch)
    value = accuracy(network, task.validation)
    seconds = clock(device.type) - started
    teacher.network.train(training)
    identity = Identity(
        space=teacher.network.space.name,
        task=task.name,
        teacher=teacher.name,
        architecture=str(architecture),
        recipe=recipe.name,
        seed=seed,
    )
    record = measured(network, task, identity=identity, validation_accuracy=value, seconds=seconds)
    return network.eval(), record


def measured(
    network: ResNet, task: Task, *, identity: Identity, validation_accuracy: float, seconds: float
) -> StudentRecord:
    """Measure a trained student on every test image and return its record.

    Args:
        network: after its last epoch.
        task: its images.
        identity: what the training was.
        validation_accuracy: a fraction, of all validation images.
        seconds: what the training cost, as `clock` counts.
    """
    right = hits(network, task.test)
    space, classes = network.space, task.num_classes
    return StudentRecord(
        **asdict(identity),
        validation_accuracy=validation_accuracy,
        test_accuracy=int(right.sum()) / len(right),
        test_half_accuracy=int(right[::2].sum()) / len(right[::2]),
        validation_images=len(task.validation),
        test_images=len(task.test),
        flops=int(space.flops([network.architecture], num_classes=classes)[0]),
        parameters=int(space.parameters([network.architecture], num_classes=classes)[0]),
        seconds=seconds,
        device=device_name(network.fc.weight.device.type),
    )


def task_of(teacher: Teacher, *, data_root: str = "data") -> Task:
    """Load the images that a teacher was trained on.

    Raises:
        InvalidConfig: the teacher came without images.
    """
    if teacher.task is None:
        raise InvalidConfig(
            f"teacher {teacher.name} must have a task to distil on, but came without images; "
            "give a task, or adopt the teacher with its images (`jobs.adopt --source ...`)"
        )
    size = teacher.network.space.image_size
    return load_task(teacher.task, image_size=size, data_root=data_root)


def check_classes(teacher: Teacher, task: Task) -> None:
    """Raise `InvalidConfig` unless the task has as many classes as the teacher."""
    if task.num_classes != teacher.network.num_classes:
        raise InvalidConfig(
            f"images to distil on must have the {teacher.network.num_classes} classes of teacher "
            f"{teacher.name}, but task {task.name} has {task.num_classes}; give the teacher's task"
        )


def clock(device: str) -> float:
    """Return the seconds that a training is charged: this process's own on a CPU, else all.

    Of a training that was stopped and went on, only the last part is charged.
    """
    return time.process_time() if device == "cpu" else time.perf_counter()


def device_name(device: str) -> str:
    """Return what a record says of a device."""
    return torch.cuda.get_device_name() if device.startswith("cuda") else "cpu"
