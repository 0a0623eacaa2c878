"""The names of the spaces, for whoever checks one without building it.

The name of a derived space says all that there is to know: `resnet18@64`, or in general
`resnet-w32.64.128.256-d2.2.2.2-s3@32` (widths, depths, stem, pixels). It is read and checked
here, with no library that is slow to load; what its members are is in `dass.space.residual`.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from dass.errors import InvalidConfig, UnknownName

NAMES = ("paper", "small", "micro")
"""Of the published kind, in the order of `dass.space.spaces`, which says what they are."""

TORCHVISION: dict[str, tuple[int, ...]] = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3)}
"""Depths of networks that have a name of their own; widths and stem are those below."""
WIDTHS: tuple[int, ...] = (64, 128, 256, 512)
STEM = 7

KERNELS = ("7", "3")
"""Stems of derived spaces: 7×7 with stride 2 and max-pool, or 3×3."""
LEAST_WIDTH, MOST_WIDTH, MOST_BLOCKS, MOST_STAGES, MOST_PIXELS = 8, 4096, 64, 6, 1024

_DERIVED = re.compile(
    r"(?:(?P<known>resnet\d+)|resnet-w(?P<widths>[\d.]+)-d(?P<depths>[\d.]+)-s(?P<stem>\d))"
    r"@(?P<size>\d{1,4})",
    re.ASCII,
)
"""What the name of a derived space looks like."""


class Derived(NamedTuple):
    """What the name of a derived space says: a torchvision ResNet and the size of its images."""

    widths: tuple[int, ...]
    """Channels of each stage."""
    depths: tuple[int, ...]
    """Blocks of each stage."""
    stem: int
    """Kernel of the stem: 7 or 3."""
    image_size: int
    """Height and width of the students' images, in pixels."""

    @property
    def name(self) -> str:
        """The one name of that space."""
        widths, depths = (".".join(map(str, numbers)) for numbers in self[:2])
        network = f"resnet-w{widths}-d{depths}-s{self.stem}"
        for known, known_depths in TORCHVISION.items():
            if self[:3] == (WIDTHS, known_depths, STEM):
                network = known
        return f"{network}@{self.image_size}"

    def check(self) -> None:
        """Raise unless there is such a network.

        Raises:
            InvalidConfig: says which number is out of range.
        """
        limits = (
            ("widths", self.widths, LEAST_WIDTH, MOST_WIDTH),
            ("depths", self.depths, 1, MOST_BLOCKS),
            ("stages", (len(self.widths),), 1, MOST_STAGES),
            ("image size", (self.image_size,), 8, MOST_PIXELS),
        )
        for what, values, least, most in limits:
            if not all(least <= value <= most for value in values):
                raise InvalidConfig(f"{what} must be {least} to {most}, but got {list(values)}")
        if len(self.depths) != len(self.widths) or str(self.stem) not in KERNELS:
            raise InvalidConfig(
                "there must be as many depths as widths and a stem of "
                f"{' or '.join(KERNELS)}, but got {len(self.depths)}, {len(self.widths)} and "
                f"{self.stem}"
            )


def check_name(name: str) -> None:
    """Raise unless a space is called that.

    Raises:
        UnknownName: lists the spaces there are.
    """
    if name not in NAMES:
        derived(name)


def derived(name: str) -> Derived:
    """Read the name of a derived space.

    Raises:
        UnknownName: lists the spaces there are, or says why this network is none.
    """
    found = _DERIVED.fullmatch(str(name))
    if found is None or (found["known"] or "resnet18") not in TORCHVISION:
        raise UnknownName(
            f"a space must be one of {sorted(NAMES)} or derived from a network, such as "
            f"resnet18@64, resnet34@96 or resnet-w32.64.128.256-d2.2.2.2-s3@32 (widths, depths, "
            f"stem of 3 or 7, pixels), but got {str(name)[:120]!r}"
        )
    try:
        space = _read(found)
        space.check()
    except ValueError as error:  # of `int`, or `InvalidConfig`
        reason = error if isinstance(error, InvalidConfig) else "join numbers by '.'"
        raise UnknownName(
            f"the network of a derived space must exist, but {name[:120]!r} is none: {reason}"
        ) from error
    if space.name != name:  # a record is found under one name only
        raise UnknownName(f"a space has one name: {name[:120]!r} must be written {space.name!r}")
    return space


def _read(found: re.Match[str]) -> Derived:
    size = int(found["size"])
    if found["known"]:
        return Derived(WIDTHS, TORCHVISION[found["known"]], STEM, size)
    widths, depths = (tuple(map(int, found[part].split("."))) for part in ("widths", "depths"))
    return Derived(widths, depths, int(found["stem"]), size)
