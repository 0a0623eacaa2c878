"""Tasks: which classes of a source, and which of its images train, validate and test.

A task is a value: the same config gives the same images in the same parts, on every machine.
Each class is shuffled by its own seed, whatever the other classes and the caps are, so an image
held out in one task is held out in every task of that source and split seed. Knows nothing of
networks, of how sources are read, or of what a part is used for.

Letters in shapes: n images, s rows and columns of a square image.
"""

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from dass.data.division import Rows, Rules, divide
from dass.data.images import Images
from dass.data.parts import PartName
from dass.data.pictures import BACKGROUND, READER, colour
from dass.data.sources import canonical, load_source
from dass.decoding import decode
from dass.errors import InvalidConfig, InvalidData

NAMED_PARTS: tuple[PartName, ...] = ("validation", "test")
"""Parts that a task may take from another place than its source."""

Role = Literal["train", "validation", "unseen"]
"""What meta-training may do with a task: train on it, validate on it, or test on it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskConfig(Rules):
    """A classification problem out of a source of images: how it is divided, and how read."""

    flip: bool = True
    """May images be mirrored in training? Natural images may; signs and characters may not."""
    background: str = BACKGROUND
    """Colour under transparent pixels, of `folder:` sources only: `black`, `#808080`."""
    reader: int = READER
    """Version of how `folder:` sources are read, 1 in what older programs wrote; leave it out."""

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            InvalidConfig: A setting is out of range.
            UnknownName: No source is called that.
        """
        least = {"classes": 2, "class_seed": 0, "split_seed": 0}
        least |= {f"{part}_per_class": 1 for part in ("train", "validation", "test")}
        for field, lowest in least.items():
            value = getattr(self, field)
            if value is not None and value < lowest:
                raise InvalidConfig(f"`{field} ≥ {lowest}` must hold, but got {value}: raise it")
        for field in ("validation_fraction", "test_fraction"):
            value = getattr(self, field)
            if not 0 < value < 1:
                raise InvalidConfig(
                    f"`0 < {field} < 1` must hold, but got {value}: give a share, 0.2 say"
                )
        self._check_reading()
        self._check_named_parts()
        both = sorted(set(self.only) & set(self.exclude))
        if both:
            raise InvalidConfig(
                f"`only` and `exclude` must have no class in common, but both name {both[0]!r}: "
                f"remove it from one of them"
            )
        canonical(self.source)

    def _check_reading(self) -> None:
        if not 1 <= self.reader <= READER:
            raise InvalidConfig(
                f"`1 ≤ reader ≤ {READER}` must hold, but got {self.reader}: leave it out, or "
                f"update this program"
            )
        try:
            colour(self.background)
        except ValueError as error:
            raise InvalidConfig(
                f"`background` must be a colour, but got {self.background!r}: write `black` or "
                f"`#808080`, say"
            ) from error
        if self.background != BACKGROUND and not self._of_pictures():
            raise InvalidConfig(
                f"`background` must be {BACKGROUND!r} where the source is no `folder:`, but got "
                f"{self.background!r} for {self.source}: leave it out"
            )

    def _check_named_parts(self) -> None:
        for part in NAMED_PARTS:
            named = getattr(self, part)
            if named and canonical(named)[0] == "named":
                raise InvalidConfig(
                    f"`{part}` must be `folder:PATH` or `npz:PATH`, but got {named!r}: write "
                    f"where the images of that part lie"
                )
        if self.test and self.pooled:
            raise InvalidConfig(
                f"`pooled` must be off where a test part is named, but both are set "
                f"({self.test}): leave one out"
            )

    def _of_pictures(self) -> bool:
        places = (self.source, *(getattr(self, part) for part in NAMED_PARTS))
        return any(place.startswith("folder:") for place in places)

    @property
    def name(self) -> str:
        """Name of the task, safe in file names and URLs: `digits-3classes-s0-1a2b3c4d`.

        Its last part is a hash of all fields, so that two tasks share a name only if they are
        the same. Of `npz:` and `folder:` sources only the last part of the path enters it (and
        the kind): the same data at another path is the same task.
        """
        kind, stem = canonical(self.source)
        fields = self.to_dict() | {
            "source": f"{kind}:{stem}",
            "only": sorted(set(self.only)),
            "exclude": sorted(set(self.exclude)),
        }
        for part in NAMED_PARTS:
            if getattr(self, part):
                fields[part] = ":".join(canonical(getattr(self, part)))
        digest = hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:8]
        words = [re.sub(r"[^a-z0-9_]+", "-", stem.lower()).strip("-") or "images"]
        if self.classes is not None:
            words += [f"{self.classes}classes", f"s{self.class_seed}"]
        return "-".join([*words, digest])

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as values of JSON.

        How pictures are read is among them only where it matters: a `folder:` source was read
        by some version, and on another background than the usual one perhaps. Parts of one's own
        are among them where they are named.
        """
        fields = {
            field: list(value) if isinstance(value, tuple) else value
            for field, value in dataclasses.asdict(self).items()
        }
        if self.reader == 1 or not self._of_pictures():  # as versions before wrote it
            del fields["reader"]
        if self.background == BACKGROUND:
            del fields["background"]
        for part in NAMED_PARTS:
            if not fields[part]:
                del fields[part]
        return fields

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "TaskConfig":
        """Read what `to_dict` wrote; missing fields have their defaults, but `reader` is then 1.

        Raises:
            InvalidConfig: A field is unknown, of a wrong type or out of range.
            UnknownName: No source is called that.
        """
        config = decode(cls, fields, what="a task", error=InvalidConfig)
        if "reader" not in fields and config._of_pictures():
            return dataclasses.replace(config, reader=1)
        return config


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


def load_task(config: TaskConfig, *, image_size: int, data_root: str = "data") -> Task:
    """Read the images of a task and divide them into train, validation and test.

    The parts are disjoint and hold each class by its share. Labels are numbered from 0 in the
    order of the source's classes.

    Args:
        config: Which images.
        image_size: Rows and columns of the images, in pixels. It moves no image to another part.
        data_root: Folder of torchvision's datasets; what is missing is downloaded to it.

    Raises:
        UnknownName: The source, or a class in `only` or `exclude`, does not exist.
        InvalidData: The source cannot be read, or a class has too few images, or the task was
            made by a version that read pictures otherwise.
    """
    if config.reader != READER and config._of_pictures():
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
    )
    chosen, divided = divide(images, config)
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
