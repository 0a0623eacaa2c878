"""What the project ships in `zoo/`: measured students, their teachers, and the predictor.

    from dass import zoo
    zoo.records()
    predictor, card = zoo.predictor()

A folder of files that is only read. Knows nothing of how they were made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from dass.ensemble import Ensemble
from dass.errors import UnknownName
from dass.library import Library
from dass.record import to_frame
from dass.teacher import Teacher

ROOT = Path(__file__).resolve().parents[1] / "zoo"
"""Where the files lie: beside the package, in a checkout of the project."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A read-only shelf: files of a folder under their relative paths."""

    root: str

    def url(self, key: str) -> str:
        """Return the path of a key."""
        return f"{self.root}/{key}"

    def exists(self, key: str) -> bool:
        """Tell whether there is such a file."""
        return self._path(key).is_file()

    def read(self, key: str) -> bytes:
        """Return a file's bytes.

        Raises:
            UnknownName: there is no such file.
        """
        path = self._path(key)
        if not path.is_file():
            raise UnknownName(
                f"{key!r} must be a file of {self.root}, but is none; the shipped files come "
                "with a checkout of the project, and `python -m jobs.build evidence` makes them"
            )
        return path.read_bytes()

    def list(self, prefix: str = "") -> list[str]:
        """Return the relative paths of all files below a prefix, sorted."""
        root = Path(self.root)
        files = (root / prefix).rglob("*") if prefix else root.rglob("*")
        return sorted(path.relative_to(root).as_posix() for path in files if path.is_file())

    def write(self, key: str, data: bytes) -> None:
        """Refuse: shipped files are not changed."""
        raise PermissionError(f"{self.url(key)} is shipped and only read; write to a store")

    def write_all(self, prefix: str, files: Mapping[str, bytes], manifest: str) -> None:
        """Refuse: shipped files are not changed."""
        self.write(f"{prefix}/{manifest}", b"")

    def delete(self, key: str) -> None:
        """Refuse: shipped files are not changed."""
        self.write(key, b"")

    def _path(self, key: str) -> Path:
        root = Path(self.root).resolve()
        path = (root / key).resolve()
        if not path.is_relative_to(root):
            raise ValueError(f"a key must stay inside {self.root}, but got {key!r}")
        return path


def library(root: Path | str = ROOT) -> Library:
    """Return typed access to the shipped files, or to another folder of that layout."""
    return Library(Folder(str(root)))


def records(root: Path | str = ROOT) -> pd.DataFrame:
    """Return the meta-dataset: a row per measured student."""
    return to_frame(library(root).records())


def predictor(name: str = "predictor", root: Path | str = ROOT) -> tuple[Ensemble, dict[str, Any]]:
    """Return a shipped predictor and its card.

    Raises:
        UnknownName: lists the predictors there are.
    """
    return library(root).predictor(name)


def teachers(root: Path | str = ROOT) -> list[str]:
    """Return the names of the shipped teachers."""
    return library(root).teachers()


def teacher(name: str, root: Path | str = ROOT) -> Teacher:
    """Return a shipped teacher; its weights are half precision made single.

    Raises:
        UnknownName: lists the teachers there are.
    """
    return library(root).teacher(name)
