"""Pictures of a folder, decoded part by part: exact copies are left out, and paths lead to rows.

Knows nothing of class folders, of the names of parts, or of tasks.
"""

import hashlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from dass.data.copies import Sorted, sort_copies
from dass.data.files import by_suffix, ignored
from dass.data.images import Part, RowsOfPaths, stack
from dass.data.parts import PartName
from dass.data.pictures import read_picture

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Listed:
    """Pictures of one part: files, their labels, and what is no picture."""

    files: list[Path]
    labels: list[int]
    passed: list[Path]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Decoded:
    """One part: pixels and labels, and a digest of the pixels of each picture as it was stored."""

    part: Part
    digests: list[bytes]
    listed: Listed


def decode(listed: Listed, *, image_size: int, background: str) -> Decoded:
    """Read listed pictures as squares of `image_size` pixels."""
    digests: list[bytes] = []

    def pictures() -> Iterator[Tensor]:
        for file in listed.files:
            pixels = read_picture(file, background=background)
            digest = hashlib.sha256(str(tuple(pixels.shape)).encode())
            digest.update(pixels.numpy().tobytes())
            digests.append(digest.digest())
            yield pixels

    images = stack(pictures(), count=len(listed.files), image_size=image_size)
    part = images, torch.tensor(listed.labels, dtype=torch.int64)
    return Decoded(part=part, digests=digests, listed=listed)


def without_copies(
    path: Path, decoded: Mapping[PartName, Decoded]
) -> tuple[dict[str, Part], RowsOfPaths]:
    """Leave out exact copies of pictures, and tell how many.

    Returns:
        The parts, and the rows that have the pixels of each picture below `path`: a copy that
        is left out leads to what it is a copy of.
    """
    found = sort_copies(
        {
            part: list(zip(read.digests, read.listed.labels, strict=True))
            for part, read in decoded.items()
        }
    )
    _tell_copies(path, decoded, found)
    parts: dict[str, Part] = {}
    for part, read in decoded.items():
        rows = torch.tensor(found.kept[part], dtype=torch.int64)
        parts[part] = (read.part[0][rows], read.part[1][rows])
    return parts, _rows_of_paths(path, decoded, found)


def tell_passed(path: Path, passed: list[Path]) -> None:
    """Tell what of a folder is not read."""
    if passed:
        logger.warning(
            "passed over %d files and folders of %s that are no pictures to read: %s",
            *(len(passed), path, by_suffix(passed)),
        )


def loose(found: Path) -> bool:
    """Return whether something beside class folders is no folder to read."""
    return ignored(found.name) or not found.is_dir()


def _tell_copies(path: Path, decoded: Mapping[PartName, Decoded], found: Sorted) -> None:
    left = [decoded[part].listed.files[row] for part in found.left for row in found.left[part]]
    if left:
        counts = ", ".join(f"{len(rows)} in {part}" for part, rows in found.left.items() if rows)
        logger.warning(
            "left out %d exact copies of pictures of %s: %s, first %s. Each counts once, in the "
            "test part if it lies there, else in validation, else in train",
            *(len(left), path, counts, left[0]),
        )
    doubtful = [
        decoded[part].listed.files[row]
        for part, rows in found.contradictory.items()
        for row in rows
    ]
    if doubtful:
        logger.warning(
            "%d pictures of %s have the pixels of a picture of another class, first %s: one of "
            "the two labels must be wrong",
            *(len(doubtful), path, doubtful[0]),
        )


def _rows_of_paths(path: Path, decoded: Mapping[PartName, Decoded], found: Sorted) -> RowsOfPaths:
    alike: dict[bytes, list[tuple[PartName, int]]] = {}
    for part, read in decoded.items():
        for row, before in enumerate(found.kept[part]):
            alike.setdefault(read.digests[before], []).append((part, row))
    return {
        file.relative_to(path).as_posix(): tuple(alike[digest])
        for read in decoded.values()
        for file, digest in zip(read.listed.files, read.digests, strict=True)
        if file.is_relative_to(path)
    }
