"""The spaces that have names: the published one, one for CPUs, one for tests, and derived ones.

A derived space is the family of one torchvision ResNet at one image size, and its name says all:
`resnet18@64`, or in general `resnet-w32.64.128.256-d2.2.2.2-s3@32` (widths, depths, stem).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from dass.errors import InvalidConfig, UnknownName
from dass.space.published import PublishedSpace
from dass.space.residual import ResidualSpace
from dass.space.space import Space


def paper() -> PublishedSpace:
    """The published space: 64 px images, ResNets of at most 42 weighted layers."""
    return PublishedSpace(
        name="paper",
        stage_widths=(32, 64, 128, 256),
        depth=5,
        multipliers=tuple(step / 16 for step in range(8, 17)),
        strides=(1, 2, 2, 2),
        stem_stride=1,
        image_size=64,
        noise_size=64,
    )


def small() -> PublishedSpace:
    """A space whose students a CPU core labels in seconds: 32 px images, a stem of stride 2."""
    return PublishedSpace(
        name="small",
        stage_widths=(16, 32, 64, 128),
        depth=3,
        multipliers=tuple(step / 16 for step in range(8, 17)),
        strides=(1, 2, 2, 2),
        stem_stride=2,
        image_size=32,
        noise_size=64,
    )


def micro() -> PublishedSpace:
    """A space for tests and the quickstart: 8 px images, a student in about a second."""
    return PublishedSpace(
        name="micro",
        stage_widths=(8, 16, 32),
        depth=2,
        multipliers=(0.5, 0.625, 0.75, 0.875, 1.0),
        strides=(1, 2, 2),
        stem_stride=1,
        image_size=8,
        noise_size=16,
    )


SPACES = {"paper": paper, "small": small, "micro": micro}

TORCHVISION: dict[str, tuple[int, ...]] = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3)}
"""Depths of networks that have a name of their own; widths and stem are those below."""
WIDTHS: tuple[int, ...] = (64, 128, 256, 512)
STEM = 7

_DERIVED = re.compile(
    r"(?:(?P<known>resnet\d+)|resnet-w(?P<widths>[\d.]+)-d(?P<depths>[\d.]+)-s(?P<stem>\d))"
    r"@(?P<size>\d{1,4})",
    re.ASCII,
)
"""What the name of a derived space looks like."""


def residual(
    widths: Sequence[int], depths: Sequence[int], *, stem: int, image_size: int
) -> ResidualSpace:
    """Return the space of a torchvision ResNet of BasicBlocks and of its smaller members.

    Its noise is as large as gives embeddings of 4×4 pixels.

    Args:
        widths: channels of each stage.
        depths: blocks of each stage.
        stem: 7 (7×7, stride 2, then max-pool) or 3 (3×3).
        image_size: height and width of the students' images, in pixels.

    Raises:
        InvalidConfig: there is no such network.
    """
    network = f"resnet-w{'.'.join(map(str, widths))}-d{'.'.join(map(str, depths))}-s{stem}"
    for known, known_depths in TORCHVISION.items():
        if (tuple(widths), tuple(depths), stem) == (WIDTHS, known_depths, STEM):
            network = known
    strides = tuple(1 if stage == 0 else 2 for stage in range(len(widths)))
    return ResidualSpace(
        name=f"{network}@{image_size}",
        stage_widths=tuple(widths),
        max_depths=tuple(depths),
        stem_kernel=stem,
        strides=strides,
        image_size=image_size,
        noise_size=4 * 2 ** (len(widths) - 1) * (4 if stem == STEM else 1),
    )


def at_size(space: ResidualSpace, image_size: int) -> ResidualSpace:
    """Return the space of the same networks for images of another size: weights fit both."""
    return residual(
        space.stage_widths, space.max_depths, stem=space.stem_kernel, image_size=image_size
    )


def by_name(name: str) -> Space:
    """Look a space up, or derive it from what its name says.

    Raises:
        UnknownName: lists the spaces there are.
    """
    if name in SPACES:
        return SPACES[name]()
    found = _DERIVED.fullmatch(name)
    if found is None or (found["known"] or "resnet18") not in TORCHVISION:
        raise UnknownName(
            f"a space must be one of {sorted(SPACES)} or derived from a network, such as "
            f"resnet18@64, resnet34@96 or resnet-w32.64.128.256-d2.2.2.2-s3@32 (widths, depths, "
            f"stem of 3 or 7, pixels), but got {name[:120]!r}"
        )
    return _derived(name, found)


def _derived(name: str, found: re.Match[str]) -> ResidualSpace:
    try:
        if found["known"]:
            widths, depths, stem = WIDTHS, TORCHVISION[found["known"]], STEM
        else:
            widths, depths = (
                tuple(int(n) for n in found[part].split(".")) for part in ("widths", "depths")
            )
            stem = int(found["stem"])
        space = residual(widths, depths, stem=stem, image_size=int(found["size"]))
    except ValueError as error:  # of `int`, or `InvalidConfig`
        reason = error if isinstance(error, InvalidConfig) else "join numbers by '.'"
        raise UnknownName(
            f"the network of a derived space must exist, but {name[:120]!r} is none: {reason}"
        ) from error
    if space.name != name:  # a record is found under one name only
        raise UnknownName(f"a space has one name: {name[:120]!r} must be written {space.name!r}")
    return space
