"""Pictures: files of Pillow's formats, decoded into what a person sees.

They are turned as their camera says (EXIF), laid on a background where they are transparent,
and 16 bits of grey become 8. Knows nothing of folders, classes or parts.

Letters in shapes: h rows and w columns.
"""

import struct
from contextlib import suppress
from functools import cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, ImageOps, features
from torch import Tensor

from dass.data.files import denied, posing
from dass.data.images import UNREADABLE
from dass.data.reader import BACKGROUND, colour
from dass.errors import InvalidData

UNDECODED = ("BUFR", "EPS", "GRIB", "HDF5", "MPEG", "PDF", "WMF")
"""Formats that Pillow knows by name but decodes nowhere, or only by another program."""

OPTIONAL = {"AVIF": "avif", "JPEG2000": "jpg_2000", "WEBP": "webp"}
"""Formats that a build of Pillow may lack, and what it calls their codecs."""

Levels = UInt8[np.ndarray, "h w 3"]


@cache
def suffixes() -> frozenset[str]:
    """Return the endings of all files that can be decoded: those that Pillow registers."""
    registered = Image.registered_extensions()
    opened = {*Image.OPEN, "MPO"} - set(UNDECODED)  # MPO is opened as the JPEG that it begins with
    opened -= {name for name, codec in OPTIONAL.items() if not features.check(codec)}
    return frozenset(ending for ending, name in registered.items() if name in opened)


def read_picture(file: Path, *, background: str = BACKGROUND) -> UInt8[Tensor, "1 3 h w"]:
    """Read the first frame of a file.

    Raises:
        InvalidData: It is no whole picture, or may not be read.
    """
    try:
        with Image.open(file) as picture:
            return decode(picture, background=background)
    except PermissionError as error:
        raise denied(file, error) from error
    except UNREADABLE as error:
        raise InvalidData(
            f"Every picture must be a whole image of 8 or 16 bits, but {file} is not ({error}): "
            f"replace or remove it.{_posing(file)}"
        ) from error


def _posing(file: Path) -> str:
    with suppress(OSError), file.open("rb") as opened:
        return posing(opened.read(128))
    return ""


def decode(picture: Image.Image, *, background: str = BACKGROUND) -> UInt8[Tensor, "1 3 h w"]:
    """Decode a Pillow image into the red, green and blue that a person sees.

    Args:
        picture: Of any mode but 32-bit floats.
        background: Colour under transparent pixels, as Pillow writes it: `white`, `#808080`.

    Raises:
        ValueError: Its levels are no 8 or 16 bits.
    """
    picture.load()
    with suppress(struct.error, SyntaxError, ValueError, TypeError, KeyError):
        picture = ImageOps.exif_transpose(picture)  # a broken EXIF block turns nothing
    if picture.mode.startswith(("I", "F")):
        pixels = _deep(picture, background)
    elif picture.has_transparency_data:
        pixels = _laid(picture, background)
    else:
        pixels = np.array(picture.convert("RGB"))
    return torch.from_numpy(pixels).permute(2, 0, 1)[None]


def _laid(picture: Image.Image, background: str) -> Levels:
    """Lay a picture on its background, whatever way its transparency is stored."""
    if picture.mode == "La":  # no way leads from it to RGBA at once
        picture = picture.convert("LA")
    front = picture.convert("RGBA")
    behind = Image.new("RGBA", front.size, (*colour(background), 255))
    return np.array(Image.alpha_composite(behind, front).convert("RGB"))


def _deep(picture: Image.Image, background: str) -> Levels:
    """Return 16 bits of grey as 8: 65,535 / 257 = 255."""
    levels = np.array(picture)
    if levels.dtype.kind not in "iu" or levels.min() < 0 or levels.max() > 65_535:
        raise ValueError(
            f"8 or 16 bits a channel are needed, but its mode is {picture.mode} with levels of "
            f"{levels.min()} to {levels.max()}"
        )
    pixels = np.rint(levels / 257).astype(np.uint8)[..., None].repeat(3, axis=2)
    transparent = picture.info.get("transparency")
    if isinstance(transparent, int):
        pixels[levels == transparent] = colour(background)
    return pixels
