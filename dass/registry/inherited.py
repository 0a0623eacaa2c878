"""Inheritances at rest: what students were measured to inherit, a JSON file for each teacher.

They are measured on a task's images, so a store that lacks these may have them still.

Dimension letters: n students.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from dass.decoding import decode
from dass.errors import CorruptArtifact
from dass.networks.inheritance import NAMES
from dass.store.store import Store

KEY = "inheritance/{teacher}.json"

Rows = Mapping[str, tuple[float, ...]]
"""By architecture, the numbers of `NAMES`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _File:
    measured: tuple[str, ...]
    students: dict[str, list[float]]


def read_inherited(store: Store, teacher: str) -> Rows:
    """Return what is kept of a teacher's students; nothing where nothing is.

    Raises:
        CorruptArtifact: the file is broken, or of other numbers.
    """
    key = KEY.format(teacher=teacher)
    if not store.exists(key):
        return {}
    try:
        plain = json.loads(store.read(key))
    except ValueError as error:
        raise CorruptArtifact(f"{key} must be JSON, but: {error}; delete it") from error
    found = decode(_File, plain, what=key, error=CorruptArtifact)
    lengths = {len(row) for row in found.students.values()}
    if found.measured != NAMES or lengths - {len(NAMES)}:
        raise CorruptArtifact(
            f"{key} must hold {NAMES} of each student, but has {found.measured} and rows of "
            f"{sorted(lengths)} numbers; delete it, and train again where images are at hand"
        )
    return {architecture: tuple(row) for architecture, row in found.students.items()}


def write_inherited(store: Store, teacher: str, students: Rows) -> None:
    """Keep them, replacing what was kept."""
    rows = {one: [round(value, 6) for value in row] for one, row in sorted(students.items())}
    text = json.dumps({"measured": NAMES, "students": rows}, indent=1)
    store.write(KEY.format(teacher=teacher), text.encode())
