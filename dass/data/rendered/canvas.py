"""What many domains share: a canvas, random colours and backgrounds, warps and noise.

Fields are floats of 0 to 1; pictures are bytes. Knows nothing of classes.

Letters in shapes: h rows, w columns, s rows and columns of a square.
"""

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image
from scipy import ndimage

SIZE = 64
"""Rows and columns of every rendered picture; the loader resizes it."""

Picture = UInt8[np.ndarray, "h w 3"]
Field = Float[np.ndarray, "h w"]
Colour = Float[np.ndarray, " 3"]


def mesh(size: int = SIZE) -> tuple[Field, Field]:
    """Return x, to the right, and y, downwards, of a square of pixels, from -1 to 1."""
    line = (np.arange(size) + 0.5) * (2 / size) - 1
    x, y = np.meshgrid(line, line)
    return x, y


def turned(x: Field, y: Field, *, angle: float) -> tuple[Field, Field]:
    """Return coordinates turned by an angle in radians."""
    cos, sin = np.cos(angle), np.sin(angle)
    return x * cos + y * sin, y * cos - x * sin


def placed(
    rng: np.random.Generator, *, shift: float = 0.2, low: float = 0.8, high: float = 1.25
) -> tuple[Field, Field]:
    """Return coordinates of a random pose: shifted, scaled, turned by any angle."""
    x, y = mesh()
    dx, dy = rng.uniform(-shift, shift, 2)
    scale = rng.uniform(low, high)
    return turned((x - dx) / scale, (y - dy) / scale, angle=rng.uniform(0, 2 * np.pi))


def unit(field: Field) -> Field:
    """Return a field stretched to 0..1."""
    low, high = field.min(), field.max()
    return np.asarray((field - low) / max(high - low, 1e-9))


def smooth_noise(rng: np.random.Generator, sigma: float) -> Field:
    """Return noise, 0 to 1, that is smooth over so many pixels and joins at its edges."""
    return unit(ndimage.gaussian_filter(rng.standard_normal((SIZE, SIZE)), sigma, mode="wrap"))


def colour(rng: np.random.Generator) -> Colour:
    """Draw a colour, red, green and blue of 0 to 1."""
    return rng.uniform(0, 1, 3)


def two_colours(rng: np.random.Generator, *, apart: float = 0.35) -> tuple[Colour, Colour]:
    """Draw two colours whose brightness differs by at least so much."""
    while True:
        first, second = colour(rng), colour(rng)
        if abs(first.mean() - second.mean()) >= apart:
            return first, second


def paper_and_ink(rng: np.random.Generator) -> tuple[Colour, Colour]:
    """Draw a light and a dark colour, both nearly grey.

    On grounds of any colour teachers of a thousand small pictures learned no letters at all.
    """
    paper, ink = rng.uniform(0.75, 1), rng.uniform(0, 0.3)
    shades = (tone + rng.normal(0, 0.04, 3) for tone in (paper, ink))
    light, dark = (np.clip(shade, 0, 1) for shade in shades)
    return light, dark


def paint(field: Field, first: Colour, second: Colour) -> Float[np.ndarray, "h w 3"]:
    """Blend two colours: the first where the field is 0, the second where it is 1."""
    weight = np.clip(field, 0, 1)[..., None]
    return np.asarray((1 - weight) * first + weight * second)


def backdrop(rng: np.random.Generator, ground: Colour, *, strength: float = 0.25) -> np.ndarray:
    """Return a background: one colour with a slope and clouds of light in it."""
    x, y = mesh()
    slope, _ = turned(x, y, angle=rng.uniform(0, 2 * np.pi))
    light = strength * (slope / 2 + smooth_noise(rng, rng.uniform(3, 9)) - 0.5)
    return np.asarray(np.clip(ground + light[..., None], 0, 1))


def finish(pixels: np.ndarray, rng: np.random.Generator, *, noise: float = 0.04) -> Picture:
    """Add the noise of a camera to floats of 0 to 1 and round them to bytes."""
    pixels = pixels[..., None].repeat(3, axis=2) if pixels.ndim == 2 else pixels
    noisy = pixels + rng.normal(0, noise, pixels.shape)
    return np.rint(255 * np.clip(noisy, 0, 1)).astype(np.uint8)


def tinted(field: Field, rng: np.random.Generator, *, noise: float = 0.04) -> Picture:
    """Return a field in two random colours, the darker one where it is 0."""
    dark, light = sorted(two_colours(rng), key=np.mean)
    return finish(paint(field, dark, light), rng, noise=noise)


def warp(field: Field, rng: np.random.Generator, *, strength: float) -> Field:
    """Bend a field by smooth random shifts of up to some pixels."""
    rows, columns = np.mgrid[:SIZE, :SIZE].astype(float)
    for grid in (rows, columns):
        grid += strength * (2 * smooth_noise(rng, 7.0) - 1)
    return np.asarray(ndimage.map_coordinates(field, [rows, columns], order=1, mode="nearest"))


def mask_of(picture: Image.Image) -> Field:
    """Return a grey Pillow image as a field."""
    return np.asarray(picture, dtype=np.float64) / 255


def affine(
    picture: Image.Image,
    rng: np.random.Generator,
    *,
    turn: float = 0.2,
    shear: float = 0.2,
    shift: float = 0.1,
) -> Image.Image:
    """Turn (radians), shear, scale by 0.8 to 1.2 and shift (share of the picture) at random."""
    angle, lean = rng.uniform(-turn, turn), rng.uniform(-shear, shear)
    inverse = 1 / rng.uniform(0.8, 1.2, 2)
    cos, sin = np.cos(angle), np.sin(angle)
    matrix = np.diag(inverse) @ np.array([[cos, sin + lean], [-sin, cos]])
    size = np.array(picture.size)
    middle = size / 2
    offset = middle - matrix @ (middle + rng.uniform(-shift, shift, 2) * size)
    data = (*matrix[0], offset[0], *matrix[1], offset[1])
    return picture.transform(picture.size, Image.Transform.AFFINE, data, Image.Resampling.BILINEAR)
