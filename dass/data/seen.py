"""Pictures that a teacher was trained on, by their names: never validated or tested on.

Knows nothing of how the other pictures are divided.

Letters in shapes: n images.
"""

import posixpath
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from jaxtyping import Bool
from torch import Tensor

from dass.data.images import Images
from dass.data.parts import PARTS, PartName
from dass.errors import InvalidConfig, InvalidData

SHOWN = 3
"""Names that an error lists."""

Seen = dict[PartName, Bool[Tensor, " _"]]
"""Of each part of a source, which pictures the teacher was trained on."""


def read_names(file: str | Path) -> tuple[str, ...]:
    """Read a list of pictures, one path a line, as people write them.

    Empty lines and those that begin with `#` are passed over; backslashes part folders too.

    Raises:
        InvalidConfig: The file cannot be read, or names nothing.
    """
    try:
        lines = Path(file).expanduser().read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidConfig(
            f"the teacher's split must be a text file in UTF-8 with one path a line, but {error}: "
            f"write the pictures that the teacher was trained on to one"
        ) from error
    written = (line.strip() for line in lines)
    names = sorted({plain(line) for line in written if line and not line.startswith("#")})
    if not names:
        raise InvalidConfig(
            f"the teacher's split must name the pictures that the teacher was trained on, but "
            f"{file} names none: write one path a line, or leave it out"
        )
    return tuple(names)


def plain(name: str) -> str:
    """Return a path with `/` between its folders and nothing that leads nowhere."""
    return posixpath.normpath(name.replace("\\", "/"))


def seen_rows(images: Images, names: Iterable[str], *, source: str) -> Seen:
    """Return which pictures a teacher was trained on; exact copies of those that are named too.

    A path is read from the source's folder on. One that begins farther out, or leaves out outer
    folders, is understood where a single picture ends or begins so.

    Args:
        images: A folder as read.
        names: Paths of pictures.
        source: Its name, `folder:PATH`.

    Raises:
        InvalidData: A path is of no picture there, or of several.
    """
    found: Seen = {
        part: torch.zeros(len(getattr(images, f"{part}_labels")), dtype=torch.bool)
        for part in PARTS
    }
    named = [plain(name) for name in dict.fromkeys(names)]
    paths = _resolved(named, list(images.rows), source=source)
    foreign = [name for name in named if not paths[name]]
    doubtful = [name for name in named if len(paths[name]) > 1]
    if foreign or doubtful:
        first = min(images.rows, default=None)
        raise InvalidData(_misnamed(foreign, doubtful, source=source, first=first))
    for name in named:
        for part, row in images.rows[paths[name][0]]:
            found[part][row] = True
    return found


def _resolved(names: Sequence[str], known: Sequence[str], *, source: str) -> dict[str, list[str]]:
    """Return for each name the pictures that it may stand for."""
    below = plain(source.partition(":")[2])
    outer = (f"{below}/", f"{posixpath.basename(below)}/")
    namesakes: dict[str, list[str]] = defaultdict(list)
    for path in known:
        namesakes[posixpath.basename(path)].append(path)
    found = {}
    for name in names:
        spelled = {name, *(name.removeprefix(each) for each in outer)}
        alike = namesakes[posixpath.basename(name)]
        found[name] = (
            [path for path in alike if path == name]
            or [path for path in alike if path in spelled]
            or [path for path in alike if path.endswith(f"/{name}")]
        )
    return found


def _misnamed(
    foreign: Sequence[str], doubtful: Sequence[str], *, source: str, first: str | None
) -> str:
    there = "" if first is None else f"as {first!r} is, "
    told = []
    if foreign:
        told.append(f"{len(foreign)} name none: {_listed(foreign)}")
    if doubtful:
        told.append(f"{len(doubtful)} may be any of several: {_listed(doubtful)}")
    return (
        f"Every line of the teacher's split must name a picture of {source} by its path in it, "
        f"{there}but {'; '.join(told)}. Correct these lines, or remove those of pictures that "
        f"are not there any more"
    )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(map(repr, names[:SHOWN])) + more
