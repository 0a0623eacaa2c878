"""What is known of a teacher without its weights: told by whoever adds it, and by its manifest.

Knows nothing of stores, nor of protocols.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dass.data.source_names import canonical
from dass.errors import CorruptArtifact, DassError, UnknownName
from dass.registry.adoption import ABOUT
from dass.space.spaces import by_name
from serve.scoring import version_of

LOOSE = {*ABOUT, "weights_file"}
"""What manifests of one and the same teacher may differ in."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Registration:
    """A teacher to be: facts, and its weights or where in the store they are."""

    name: str
    space: str
    classes: int
    accuracy: float
    """On its validation images; a fraction in (0, 1]."""
    weights: bytes | None = None
    """A safetensors file with the parameter names of `dass.networks.resnet.ResNet`."""
    path: str | None = None
    """Key of such a file inside the store."""
    dataset: str | None = None
    class_names: Sequence[str] = ()
    """Of its outputs, in their order; empty where they are not known."""
    note: str | None = None
    """Its owner's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TeacherFacts:
    """What the registry says of a teacher without its weights."""

    name: str
    space: str
    classes: int
    accuracy: float
    """On its validation images, a fraction."""
    flops: int
    """Multiply-adds of the teacher, the largest member of its space."""
    parameters: int
    smallest_flops: int
    """Of the cheapest student."""
    smallest_parameters: int
    version: str = field(repr=False)
    """Changes with the weights."""
    identity: str = field(repr=False)
    """The same for the same weights and facts, however they are kept and what is said of them."""
    dataset: str | None = None
    """What it was trained on, without its place; `None` where nothing says so."""
    class_names: tuple[str, ...] = ()
    note: str | None = None
    """Its owner's."""
    created: str | None = None
    """When it was registered: ISO 8601, in UTC."""
    deleted: str | None = None
    """When it was deleted, where it was and can be restored."""


def facts_of(name: str, manifest: Mapping[str, Any]) -> TeacherFacts:
    """Read the facts of a teacher out of its manifest.

    Raises:
        CorruptArtifact: it is unusable.
    """
    try:
        space, classes = by_name(manifest["space"]), int(manifest["num_classes"])
        members = [space.largest, space.smallest]
        flops = space.flops(members, num_classes=classes).tolist()
        parameters = space.parameters(members, num_classes=classes).tolist()
        accuracy = float(manifest["accuracy"])
        if not 0 < accuracy <= 1 or classes < 1:
            raise ValueError(f"accuracy is {accuracy} and num_classes {classes}")
    except (KeyError, TypeError, ValueError, OverflowError, UnknownName) as error:
        raise CorruptArtifact(
            f"the manifest of teacher {name} is unusable: {type(error).__name__}: {error}"
        ) from error
    return TeacherFacts(
        name=name,
        space=space.name,
        classes=classes,
        accuracy=accuracy,
        flops=flops[0],
        parameters=parameters[0],
        smallest_flops=flops[1],
        smallest_parameters=parameters[1],
        version=version_of(manifest),
        identity=version_of({n: v for n, v in manifest.items() if n not in LOOSE}),
        dataset=_text(manifest, "dataset") or _dataset(manifest),
        class_names=_names(manifest, classes),
        note=_text(manifest, "note"),
        created=_text(manifest, "created"),
    )


def _text(manifest: Mapping[str, Any], name: str) -> str | None:
    value = manifest.get(name)
    return value if isinstance(value, str) else None


def _dataset(manifest: Mapping[str, Any]) -> str | None:
    """Return the short name of a teacher's dataset: of a path only how the file is called."""
    task = manifest.get("task")
    source = task.get("source") if isinstance(task, dict) else None
    try:
        return canonical(source)[1] if isinstance(source, str) else None
    except DassError:  # a source of another version, or of somebody's own
        return None


def _names(manifest: Mapping[str, Any], classes: int) -> tuple[str, ...]:
    names = manifest.get("class_names")
    if not isinstance(names, list) or len(names) != classes:
        return ()
    return tuple(str(name) for name in names)
