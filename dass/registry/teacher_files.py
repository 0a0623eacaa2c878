"""The files of one teacher in a store: created among rivals, read and dropped.

A manifest names the file of its weights where that is not the usual one. Knows nothing of what a
teacher is for.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Mapping
from typing import Any

from dass.errors import CorruptArtifact, MissingKey
from dass.networks.teacher import Teacher
from dass.registry import artifacts
from dass.registry.networks import pack_teacher
from dass.store.store import Store


def create(store: Store, teacher: Teacher, facts: Mapping[str, Any]) -> bool:
    """Publish a teacher under a name that none has; return whether it was this one.

    Each writes its weights to a file of its own; whose manifest comes first has the name.
    """
    prefix, file = f"teachers/{teacher.name}", f"weights-{uuid.uuid4().hex}.safetensors"
    files = pack_teacher(teacher, dict(facts) | {"weights_file": file})
    store.write(f"{prefix}/{file}", files[artifacts.WEIGHTS])
    made = False
    try:
        made = store.create(f"{prefix}/{artifacts.MANIFEST}", files[artifacts.MANIFEST])
    finally:
        if not made:
            store.delete(f"{prefix}/{file}")
    return made


def weights_of(manifest: bytes) -> str:
    """Return the name of the file that a teacher's weights are in.

    Raises:
        CorruptArtifact: the manifest is broken.
    """
    return artifacts.weights_file(artifacts.facts(manifest, kind="teacher"))


def drop(store: Store, name: str) -> None:
    """Remove a teacher, the manifest first, so that no reader finds half of one."""
    manifest, weights = f"teachers/{name}/{artifacts.MANIFEST}", artifacts.WEIGHTS
    with contextlib.suppress(CorruptArtifact, MissingKey):
        weights = weights_of(store.read(manifest))
    for key in (manifest, f"teachers/{name}/{weights}"):
        store.delete(key)
