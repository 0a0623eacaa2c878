"""Heaps: folders of pictures that have no classes, flat or nested.

Knows nothing of who will say what the pictures show.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from dass.data.decoded import Listed, decode, tell_passed, without_copies
from dass.data.files import by_suffix, readable, walk
from dass.data.images import Images
from dass.data.parts import PartName
from dass.data.pictures import suffixes
from dass.data.reader import BACKGROUND
from dass.errors import InvalidData

CLASS = "not labelled"
"""What the one class of such pictures is called."""


def read_heap(
    path: Path,
    *,
    image_size: int,
    background: str = BACKGROUND,
    held_out: Mapping[PartName, Path] = MappingProxyType({}),
) -> Images:
    """Read all pictures below a folder as one class, whatever folders they lie in.

    Args:
        path: The folder.
        image_size: Rows and columns of the result, in pixels.
        background: Colour under transparent pixels.
        held_out: Folders of parts that lie elsewhere.

    Raises:
        InvalidData: It is no folder, has no picture, or a file in it cannot be read.
    """
    homes: dict[PartName, Path] = {"train": path, **held_out}
    listed = {part: _list(home) for part, home in homes.items()}
    tell_passed(path, [file for part in listed.values() for file in part.passed])
    decoded = {
        part: decode(each, image_size=image_size, background=background)
        for part, each in listed.items()
    }
    parts, rows = without_copies(path, decoded)
    return replace(Images.of(str(path), (CLASS,), parts=parts), rows=rows)


def _list(path: Path) -> Listed:
    with readable(path):
        if not path.is_dir():
            raise InvalidData(
                f"Images without classes must be a folder of pictures, but {path} is none: "
                f"correct it"
            )
        found, passed = walk(path)
    named = suffixes()
    files = [file for file in found if file.suffix.lower() in named]
    others = [file for file in found if file.suffix.lower() not in named]
    if not files:
        only = f", only {by_suffix(others)}" if others else ""
        raise InvalidData(
            f"{path} must have pictures in it, but has no file that ends in .jpg, .png or another "
            f"ending of Pillow's formats{only}: add pictures, or correct the path"
        )
    return Listed(files=files, labels=[0] * len(files), passed=sorted([*others, *passed]))
