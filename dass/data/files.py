"""Files: which there are below a folder, which names nobody put there, and what may not be read.

Knows nothing of what the files hold.
"""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path

from dass.errors import InvalidData

IGNORED = (
    *(".*", "*~", "~$*"),
    *("__macosx", "__pycache__", "icon\r", "network trash folder", "temporary items"),
    *("@eadir", "@tmp", "@recycle", "#recycle", "#snapshot"),
    *("$recycle.bin", "system volume information", "thumbs.db", "ehthumbs*.db", "desktop.ini"),
    *("lost+found", "lost.dir"),
)
"""Names, in lower case, of what systems, editors and network disks leave: files and folders."""


def ignored(name: str) -> bool:
    """Return whether a file or folder of that name is left by a system, an editor or a disk."""
    return any(fnmatchcase(name.lower(), pattern) for pattern in IGNORED)


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn what the system answers for files in `path` into a sentence.

    Raises:
        InvalidData: Something may not be read, or cannot be.
    """
    try:
        yield
    except PermissionError as error:
        raise denied(path, error) from error
    except OSError as error:
        raise InvalidData(
            f"{path} must be readable, but got {type(error).__name__}: {error}. Check the path "
            f"and the disk"
        ) from error


def denied(path: Path, error: PermissionError) -> InvalidData:
    """Return the sentence for what the user who runs this may not read."""
    return InvalidData(
        f"{error.filename or path} must be readable for the user who runs this, but got: {error}. "
        f"Give the right to read it, `chmod -R a+rX {path}` as its owner say"
    )


def posing(beginning: bytes) -> str:
    """Return what a file is that stands where another was meant to come, for errors; else ''."""
    text = beginning.lstrip()[:64].lower()
    if text.startswith(b"version https://git-lfs"):
        return " It is a pointer of Git LFS, not the file: fetch that with `git lfs pull`."
    if text.startswith((b"<!doctype html", b"<html")):
        return " It is a web page, an error or a login say, not the file: download that again."
    return ""


def folders(path: Path) -> tuple[str, ...]:
    """Return the names of the folders in a folder, sorted, without the ignored ones."""
    return tuple(
        sorted(
            found.name for found in path.iterdir() if found.is_dir() and not ignored(found.name)
        )
    )


def walk(path: Path) -> tuple[list[Path], list[Path]]:
    """Return the files below a folder, sorted, and what was passed over for its name.

    A folder that is passed over stands for all in it. Links to folders are not followed, since
    they may lead in a circle: they are passed over too.
    """
    files: list[Path] = []
    passed: list[Path] = []
    for home, inside, names in os.walk(path, onerror=_fail):
        here = Path(home)
        passed += [here / name for name in (*inside, *names) if ignored(name)]
        inside[:] = [name for name in inside if not ignored(name)]
        passed += [here / name for name in inside if (here / name).is_symlink()]
        files += [here / name for name in names if not ignored(name)]
    return sorted(files), sorted(passed)


def stamp(path: Path) -> tuple[int, int]:
    """Return what changes when files are added, removed or written: their number, latest time."""
    if not path.exists():
        return 0, 0
    found = [path]
    if path.is_dir():
        for home, inside, names in os.walk(path, onerror=_fail):
            found += [Path(home, name) for name in (*inside, *names)]
    times = [each.stat().st_mtime_ns for each in found if each.exists()]
    return len(times), max(times)


def by_suffix(files: Sequence[Path]) -> str:
    """Return numbers of files by their endings, the first of each named: `2 .txt (a.txt)`."""
    kinds = Counter(_kind(file) for file in files)
    first = {_kind(file): file.name for file in reversed(files)}
    return ", ".join(f"{count} {kind} ({first[kind]})" for kind, count in kinds.most_common())


def _kind(file: Path) -> str:
    if ignored(file.name):
        return "of a system or an editor"
    return file.suffix.lower() or "without an ending"


def _fail(error: OSError) -> None:
    raise error
