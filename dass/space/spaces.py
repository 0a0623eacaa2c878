"""The spaces that have names: the published one, one for CPUs, one for tests, and derived ones.

A derived space is the family of one torchvision ResNet at one image size, and its name says all:
`resnet18@64`, or in general `resnet-w32.64.128.256-d2.2.2.2-s3@32` (widths, depths, stem).
"""

from __future__ import annotations

from collections.abc import Sequence

from dass.space import names
from dass.space.names import NAMES
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


SPACES = dict(zip(NAMES, (paper, small, micro), strict=True))


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
    network = names.Derived(tuple(widths), tuple(depths), stem, image_size)
    return ResidualSpace(
        name=network.name,
        stage_widths=network.widths,
        max_depths=network.depths,
        stem_kernel=stem,
        strides=tuple(1 if stage == 0 else 2 for stage in range(len(widths))),
        image_size=image_size,
        noise_size=4 * 2 ** (len(widths) - 1) * (4 if stem == names.STEM else 1),
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
    if name in NAMES:
        return SPACES[name]()
    network = names.derived(name)
    return residual(
        network.widths, network.depths, stem=network.stem, image_size=network.image_size
    )
