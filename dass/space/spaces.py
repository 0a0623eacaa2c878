"""The spaces that have names: the published one, one for CPUs, one for tests."""

from __future__ import annotations

from dass.space.names import NAMES, check_name
from dass.space.space import Space


def paper() -> Space:
    """The published space: 64 px images, ResNets of at most 42 weighted layers."""
    return Space(
        name="paper",
        stage_widths=(32, 64, 128, 256),
        depth=5,
        multipliers=tuple(step / 16 for step in range(8, 17)),
        strides=(1, 2, 2, 2),
        stem_stride=1,
        image_size=64,
        noise_size=64,
    )


def small() -> Space:
    """A space whose students a CPU core labels in seconds: 32 px images, a stem of stride 2."""
    return Space(
        name="small",
        stage_widths=(16, 32, 64, 128),
        depth=3,
        multipliers=tuple(step / 16 for step in range(8, 17)),
        strides=(1, 2, 2, 2),
        stem_stride=2,
        image_size=32,
        noise_size=64,
    )


def micro() -> Space:
    """A space for tests and the quickstart: 8 px images, a student in about a second."""
    return Space(
        name="micro",
        stage_widths=(8, 16, 32),
        depth=2,
        multipliers=(0.5, 0.625, 0.75, 0.875, 1.0),
        strides=(1, 2, 2),
        stem_stride=1,
        image_size=8,
        noise_size=16,
    )


SPACES = dict(zip(NAMES, (paper, small, micro), strict=True))


def by_name(name: str) -> Space:
    """Look a space up.

    Raises:
        UnknownName: lists the spaces there are.
    """
    check_name(name)
    return SPACES[name]()
