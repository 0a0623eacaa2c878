"""Deleted teachers: put aside under the moment of it, restored, and purged in the end.

deleted-teachers/TEACHER/MOMENT/     an artifact, whole as it was; the same name may be there often

Knows nothing of how long they are kept.
"""

from __future__ import annotations

import contextlib
import json
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from dass.errors import CorruptArtifact, MissingKey, NameTaken
from dass.registry import artifacts, teacher_files
from dass.store.store import Store

PREFIX, MOMENT = "deleted-teachers", "%Y%m%dT%H%M%S%f"


@dataclass(frozen=True, kw_only=True, slots=True)
class Deleted:
    """One that was put aside."""

    name: str
    at: datetime
    """When it was deleted, in UTC."""

    @property
    def prefix(self) -> str:
        """Key of its folder."""
        return f"{PREFIX}/{self.name}/{self.at.strftime(MOMENT)}"


def put_aside(store: Store, name: str, *, at: datetime) -> None:
    """Remove a teacher so that it can be restored; one whose files are broken is just removed.

    Raises:
        MissingKey: there is no such teacher.
    """
    manifest = store.read(f"teachers/{name}/{artifacts.MANIFEST}")
    aside = Deleted(name=name, at=at)
    try:
        weights = store.read(f"teachers/{name}/{teacher_files.weights_of(manifest)}")
    except (CorruptArtifact, MissingKey):
        weights = None
    if weights is not None:
        files = {artifacts.WEIGHTS: weights, artifacts.MANIFEST: manifest}
        store.write_all(aside.prefix, files, artifacts.MANIFEST)
    teacher_files.drop(store, name)


def deleted(store: Store, name: str | None = None) -> list[Deleted]:
    """Return those that were put aside, of one name or all, the latest first."""
    found = []
    for key in store.list(PREFIX if name is None else f"{PREFIX}/{name}"):
        parts = key.split("/")
        if len(parts) != 4 or parts[-1] != artifacts.MANIFEST:
            continue
        with contextlib.suppress(ValueError):  # no moment: not of this module
            at = datetime.strptime(parts[2], MOMENT).replace(tzinfo=UTC)
            found.append(Deleted(name=parts[1], at=at))
    return sorted(found, key=lambda one: (one.at, one.name), reverse=True)


def facts(store: Store, one: Deleted) -> dict[str, Any]:
    """Read what is written about one.

    Raises:
        MissingKey: it was restored or purged.
        CorruptArtifact: its manifest is broken.
    """
    manifest = store.read(f"{one.prefix}/{artifacts.MANIFEST}")
    return artifacts.facts(manifest, kind="teacher", where=f"deleted teacher {one.name}")


def restore(store: Store, one: Deleted) -> None:
    """Publish one again under its name, and put it aside no more.

    Raises:
        NameTaken: another has the name.
        MissingKey: it was restored or purged.
    """
    # A file of its own, as every teacher that is created among rivals has.
    file = f"weights-{uuid.uuid4().hex}.safetensors"
    manifest = facts(store, one) | {"weights_file": file}
    weights = store.read(f"{one.prefix}/{artifacts.WEIGHTS}")
    folder = f"teachers/{one.name}"
    store.write(f"{folder}/{file}", weights)
    text = json.dumps(manifest, indent=2, allow_nan=False).encode()
    if not store.create(f"{folder}/{artifacts.MANIFEST}", text):
        store.delete(f"{folder}/{file}")
        raise NameTaken(
            f"a name must be free for a teacher to be restored, but {one.name!r} is another's; "
            "delete that one first"
        )
    purge(store, one)


def purge(store: Store, one: Deleted) -> None:
    """Remove one for good, the manifest first; one that is gone is fine."""
    for file in (artifacts.MANIFEST, artifacts.WEIGHTS):
        store.delete(f"{one.prefix}/{file}")
