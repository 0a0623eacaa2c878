"""One student in process: cut out of its teacher, distilled, measured.

What a distributed build does with one job is put together from the same functions, so that both
give the same record. Knows nothing of stores, checkpoints or workers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict

import torch

from dass.data.task import Split, Task, load_task
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
    curve = Curve(task.validation, device.type)
    network = student(teacher.network, architecture, policy=recipe.remap).train()
    source = training_batches(task.train, recipe, teacher=teacher.network, flip=task.flip)
    started = clock(device.type)
    for epoch in train(network, source, recipe=recipe, seed=seed):
        curve.measure(network)
        if on_epoch is not None:
            on_epoch(epoch)
    seconds = clock(device.type) - started - curve.overhead_s
    teacher.network.train(training)
    identity = Identity(
        space=teacher.network.space.name,
        task=task.name,
        teacher=teacher.name,
        architecture=str(architecture),
        recipe=recipe.name,
        seed=seed,
    )
    record = measured(network, task, identity=identity, curve=curve.values, seconds=seconds)
    return network.eval(), record


class Curve:
    """Validation accuracy after each epoch of one training, and what measuring it took.

    Args:
        images: of the validation part.
        device: kind of device, as `clock` takes it.
        values: what was measured before the training was stopped and went on.
    """

    def __init__(self, images: Split, device: str, values: Sequence[float] = ()) -> None:
        self._images, self._device = images, device
        self.values = list(values)
        self._seconds: list[float] = []

    def measure(self, network: ResNet) -> None:
        """Add the network's accuracy; its next epoch is as if nothing had been measured."""
        started = clock(self._device)
        self.values.append(accuracy(network, self._images))
        self._seconds.append(clock(self._device) - started)

    @property
    def overhead_s(self) -> float:
        """Seconds of all measurements but the last, which every training needs."""
        return sum(self._seconds[:-1], 0.0)


def measured(
    network: ResNet, task: Task, *, identity: Identity, curve: Sequence[float], seconds: float
) -> StudentRecord:
    """Measure a trained student on its test and validation images, and return its record.

    Args:
        network: after its last epoch.
        task: its images.
        identity: what the training was.
        curve: validation accuracy after each epoch, the last one among them; fractions.
        seconds: what the training cost, as `clock` counts.
    """
    right = hits(network, task.test)
    half = hits(network, Split(task.validation.images[::2], task.validation.labels[::2]))
    space, classes = network.space, task.num_classes
    return StudentRecord(
        **asdict(identity),
        validation_accuracy=curve[-1],
        test_accuracy=int(right.sum()) / len(right),
        test_half_accuracy=int(right[::2].sum()) / len(right[::2]),
        validation_images=len(task.validation),
        test_images=len(task.test),
        flops=int(space.flops([network.architecture], num_classes=classes)[0]),
        parameters=int(space.parameters([network.architecture], num_classes=classes)[0]),
        seconds=seconds,
        device=device_name(network.fc.weight.device.type),
        curve=tuple(curve),
        validation_half_accuracy=int(half.sum()) / len(half),
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
