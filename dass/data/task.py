"""Tasks: which classes of a source, and which of its images train, validate and test.

A task is a value: the same config gives the same images in the same parts, on every machine.
Each class is shuffled by its own seed, whatever the other classes and the caps are, so an image
held out in one task is held out in every task of that source and split seed. Knows nothing of
networks, of how sources are read, or of what a part is used for.

Letters in shapes: n images, s rows and columns of a square image.
"""

import dataclasses
from dataclasses import dataclass

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from dass.data.division import Rows, divide, divide_unlabelled
from dass.data.images import Images
from dass.data.reader import BACKGROUND, READER
from dass.data.sources import load_source
from dass.data.task_config import NAMED_PARTS, TaskConfig
from dass.errors import InvalidData


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """One part of a task: images and their labels, on one device."""

    images: UInt8[Tensor, "n 3 s s"]
    """Pixels, 0..255."""
    labels: Int64[Tensor, " n"]
    """Classes, numbered from 0."""

    def to(self, device: torch.device | str) -> "Split":
        """Return the part on a device."""
        return Split(self.images.to(device), self.labels.to(device))

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.labels)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Task:
    """A dataset as a classification problem: three disjoint parts of its images."""

    config: TaskConfig
    """What the task was made from."""
    class_names: tuple[str, ...]
    """Names of the classes, in the order of the labels."""
    train: Split
    """Images to train on."""
    validation: Split
    """Images to validate on: the only accuracy that meta-training and search may read."""
    test: Split
    """Images to report on."""

    @property
    def name(self) -> str:
        """Name of the task: see `TaskConfig.name`."""
        return self.config.name

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    @property
    def image_size(self) -> int:
        """Rows and columns of an image, in pixels."""
        return self.train.images.shape[-1]

    @property
    def flip(self) -> bool:
        """Whether images may be mirrored in training."""
        return self.config.flip

    def to(self, device: torch.device | str) -> "Task":
        """Return the task with its images on a device."""
        parts = {part: getattr(self, part).to(device) for part in ("train", "validation", "test")}
        return dataclasses.replace(self, **parts)


def load_task(
    config: TaskConfig, *, image_size: int, data_root: str = "data", unlabelled: bool = False
) -> Task:
    """Read the images of a task and divide them into train, validation and test.

    The parts are disjoint and hold each class by its share. Labels are numbered from 0 in the
    order of the source's classes.

    Args:
        config: Which images.
        image_size: Rows and columns of the images, in pixels. It moves no image to another part.
        data_root: Folder of torchvision's datasets; what is missing is downloaded to it.
        unlabelled: Read all pictures below a `folder:` source as one class, for who labels them
            afterwards.

    Raises:
        UnknownName: The source, or a class in `only` or `exclude`, does not exist.
        InvalidData: The source cannot be read, or a class has too few images, or the task was
            made by a version that read pictures otherwise.
    """
    if config.reader != READER and config.of_pictures():
        raise InvalidData(
            f"Pictures of a task must be read as they were when it was made, but {config.name} is "
            f"of reader {config.reader} and this is {READER}, which turns them by EXIF, lays "
            f"transparent ones on {BACKGROUND} and counts no copies: make the task anew, "
            f"`TaskConfig(source={config.source!r})`, whose name is another, and label it again"
        )
    images = load_source(
        config.source,
        image_size=image_size,
        data_root=data_root,
        background=config.background,
        held_out={part: named for part in NAMED_PARTS if (named := getattr(config, part))},
        unlabelled=unlabelled,
    )
    chosen, divided = (
        ([0], [divide_unlabelled(images, config)]) if unlabelled else divide(images, config)
    )
    train, validation, test = (_gather(images, divided, part=part) for part in range(3))
    return Task(
        config=config,
        class_names=tuple(images.class_names[label] for label in chosen),
        train=train,
        validation=validation,
        test=test,
    )


def _gather(images: Images, divided: list[Rows], *, part: int) -> Split:
    """Copy one part, by its place among the rows of each new label, out of a source."""
    rows = [each[part] for each in divided]
    picked = torch.cat(rows)
    labels = torch.cat([torch.full_like(row, label) for label, row in enumerate(rows)])
    pixels = images.train_images.new_empty(len(picked), *images.train_images.shape[1:])
    start = 0
    for stored in (images.train_images, images.test_images, images.validation_images):
        inside = (picked >= start) & (picked < start + len(stored))
        pixels[inside] = stored[picked[inside] - start]
        start += len(stored)
    return Split(pixels, labels)
