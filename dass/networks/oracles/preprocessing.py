"""Preprocessing: what becomes of a picture before a classifier sees it, as a value.

Knows nothing of networks, files or tasks.

Letters in shapes: n images, h rows, w columns, s rows and columns of a square image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional

from dass.errors import InvalidConfig

Interpolation = Literal["nearest", "bilinear", "bicubic"]
"""How pixels are made from those of another size; the latter two with antialiasing."""

Three = tuple[float, float, float]
"""A number for each channel, in the order of the input."""

IMAGENET_MEAN: Three = (0.485, 0.456, 0.406)
IMAGENET_STD: Three = (0.229, 0.224, 0.225)


@dataclass(frozen=True, kw_only=True, slots=True)
class Preprocessing:
    """Resize, cut out the centre, scale to 0..1, order channels, subtract mean, divide by std.

    The defaults are those of most networks of torchvision.
    """

    size: int = 224
    """Rows and columns of the input, in pixels; ≥ 1."""
    resize: int = 256
    """Pixels that the shorter side is resized to before the centre is cut out; ≥ `size`."""
    fit: Literal["crop", "stretch"] = "crop"
    """What becomes of a picture that is not square: `crop` keeps its shape, `stretch` resizes
    both sides to `resize`."""
    interpolation: Interpolation = "bilinear"
    """How it is resized."""
    mean: Three = IMAGENET_MEAN
    """Subtracted from each channel of 0..1."""
    std: Three = IMAGENET_STD
    """Divides each channel afterwards; > 0. 1/255 each, and a mean of 0, leaves levels 0..255."""
    channels: Literal["RGB", "BGR"] = "RGB"
    """Order of the channels in the input; mean and std have the same."""

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            InvalidConfig: One is out of range.
        """
        if not 1 <= self.size <= self.resize:
            raise InvalidConfig(
                f"`1 ≤ size ≤ resize` must hold, but got {self.size} and {self.resize}: give both"
            )
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            raise InvalidConfig(
                f"`mean` and `std` must be three numbers each, std > 0, but got {self.mean} and "
                f"{self.std}: give one for each channel"
            )

    def __call__(self, images: UInt8[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 s s"]:
        """Return the input of the network, on the device of the images.

        Resized levels are rounded to the 256 that a picture has, as Pillow leaves them.
        """
        x = self._resized(images).float().div_(255)
        if self.channels == "BGR":
            x = x.flip(1)
        mean, std = (x.new_tensor(each)[:, None, None] for each in (self.mean, self.std))
        return x.sub_(mean).div_(std)

    def flags(self, other: Preprocessing) -> str:
        """Return the options of the command line that lead from here to another one."""
        words = []
        for name in ("size", "resize", "fit", "interpolation", "mean", "std", "channels"):
            value = getattr(other, name)
            if value != getattr(self, name):
                parts = value if isinstance(value, tuple) else (value,)
                words.append(f"--{name} " + " ".join(_short(part) for part in parts))
        return " ".join(words)

    def _resized(self, images: UInt8[Tensor, "n 3 h w"]) -> UInt8[Tensor, "n 3 s s"]:
        height, width = images.shape[2:]
        if self.fit == "stretch":
            target = (self.resize, self.resize)
        else:
            shorter = min(height, width)
            target = (self.resize * height // shorter, self.resize * width // shorter)
        if target != (height, width):
            images = self._interpolated(images, target)
        top, left = (round((side - self.size) / 2) for side in target)
        return images[:, :, top : top + self.size, left : left + self.size]

    def _interpolated(
        self, images: UInt8[Tensor, "n 3 _ _"], target: tuple[int, int]
    ) -> UInt8[Tensor, "n 3 _ _"]:
        smooth = self.interpolation != "nearest"
        pixels = functional.interpolate(
            images.float(), size=target, mode=self.interpolation, antialias=smooth
        )
        return pixels.round_().clamp_(0, 255).to(torch.uint8)


def adjusted(
    given: Preprocessing,
    *,
    size: int | None = None,
    resize: int | None = None,
    fit: Literal["crop", "stretch"] | None = None,
    interpolation: Interpolation | None = None,
    mean: Three | None = None,
    std: Three | None = None,
    channels: Literal["RGB", "BGR"] | None = None,
) -> Preprocessing:
    """Return a preprocessing with what a user says in place of it.

    A size alone means pictures of that size, of which nothing is cut off.
    """
    return Preprocessing(
        size=size or given.size,
        resize=resize or size or given.resize,
        fit=fit or given.fit,
        interpolation=interpolation or given.interpolation,
        mean=mean or given.mean,
        std=std or given.std,
        channels=channels or given.channels,
    )


def three(values: Sequence[float]) -> tuple[float, float, float]:
    """Return a number for each channel, as floats.

    Raises:
        ValueError: There are more or fewer than three.
    """
    red, green, blue = (float(value) for value in values)
    return red, green, blue


def _short(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
