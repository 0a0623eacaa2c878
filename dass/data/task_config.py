"""What a task is, as a value with a name: which images of which source, and how divided.

It imports no library of pictures or tensors, since command lines ask it. Knows nothing of how
images are read or divided.
"""

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from dass.data.parts import PartName
from dass.data.reader import BACKGROUND, READER, colour
from dass.data.source_names import canonical
from dass.decoding import decode
from dass.errors import InvalidConfig

NAMED_PARTS: tuple[PartName, ...] = ("validation", "test")
"""Parts that a task may take from another place than its source."""

Role = Literal["train", "validation", "unseen"]
"""What meta-training may do with a task: train on it, validate on it, or test on it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """Which classes and images of a source are taken, and how they are divided."""

    source: str
    """`digits`, `fashion`, a dataset of torchvision, `folder:PATH`, `npz:PATH` or
    `rendered:NAME`."""
    classes: int | None = None
    """Classes drawn from the candidates, ≥ 2; None takes all of them."""
    class_seed: int = 0
    """Seed of the draw of classes, ≥ 0."""
    only: tuple[str, ...] = ()
    """Names of the candidate classes; empty for all classes of the source."""
    exclude: tuple[str, ...] = ()
    """Names of classes that are no candidates."""
    train_per_class: int | None = None
    """Training images kept of each class at most, ≥ 1; None keeps all. Moves no other image."""
    validation_per_class: int | None = None
    """Validation images of each class, ≥ 1, exactly; None takes `validation_fraction`, or all of
    the source's own validation part where there is one."""
    test_per_class: int | None = None
    """Test images kept of each class at most, ≥ 1; None keeps all."""
    validation_fraction: float = 0.2
    """Share of the train part held out for validation, in (0, 1). Unread where the source has a
    validation part of its own."""
    pooled: bool = False
    """Pool the train and test parts and divide them anew. Always so where no test part is. The
    source's own validation part stays what it is."""
    test_fraction: float = 0.3
    """Share of a pooled source held out for testing, in (0, 1)."""
    split_seed: int = 0
    """Seed of the division into train, validation and test, ≥ 0."""
    validation: str = ""
    """A validation part of your own, of the same classes: `folder:PATH` or `npz:PATH`; empty for
    that of the source, or a share of its train part."""
    test: str = ""
    """A test part of your own, of the same classes: `folder:PATH` or `npz:PATH`; empty for that of
    the source, or a share of it."""
    seen: tuple[str, ...] = ()
    """Pictures that a teacher was trained on, by their paths in a `folder:` source: they are
    trained on, never validated or tested on. The others are divided as ever."""


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
        if self.background == BACKGROUND:
            return
        try:
            colour(self.background)
        except ValueError as error:
            raise InvalidConfig(
                f"`background` must be a colour, but got {self.background!r}: write `black` or "
                f"`#808080`, say"
            ) from error
        if not self.of_pictures():
            raise InvalidConfig(
                f"`background` must be {BACKGROUND!r} where the source is no `folder:`, but got "
                f"{self.background!r} for {self.source}: leave it out"
            )

    def _check_named_parts(self) -> None:
        for part in NAMED_PARTS:
            named = getattr(self, part)
            if named and canonical(named)[0] not in ("folder", "npz"):
                raise InvalidConfig(
                    f"`{part}` must be `folder:PATH` or `npz:PATH`, but got {named!r}: write "
                    f"where the images of that part lie"
                )
        if self.test and self.pooled:
            raise InvalidConfig(
                f"`pooled` must be off where a test part is named, but both are set "
                f"({self.test}): leave one out"
            )

        if self.seen and canonical(self.source)[0] != "folder":
            raise InvalidConfig(
                f"pictures that a teacher was trained on must be files of a `folder:` source, but "
                f"{self.source} has none: give the teacher's unseen images as a `test` part"
            )

    def of_pictures(self) -> bool:
        """Return whether the source or a part is a folder of pictures, which a reader decodes."""
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
        if self.seen:
            fields["seen"] = sorted(set(self.seen))
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
        by some version, and on another background than the usual one perhaps. Parts of one's own,
        and pictures that a teacher saw, are among them where they are named.
        """
        fields = {
            field: list(value) if isinstance(value, tuple) else value
            for field, value in dataclasses.asdict(self).items()
        }
        if self.reader == 1 or not self.of_pictures():  # as versions before wrote it
            del fields["reader"]
        if self.background == BACKGROUND:
            del fields["background"]
        for named in (*NAMED_PARTS, "seen"):
            if not fields[named]:
                del fields[named]
        return fields

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "TaskConfig":
        """Read what `to_dict` wrote; missing fields have their defaults, but `reader` is then 1.

        Raises:
            InvalidConfig: A field is unknown, of a wrong type or out of range.
            UnknownName: No source is called that.
        """
        config = decode(cls, fields, what="a task", error=InvalidConfig)
        if "reader" not in fields and config.of_pictures():
            return dataclasses.replace(config, reader=1)
        return config
