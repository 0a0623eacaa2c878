"""The catalogue: the teachers of a store, listed, found, registered and deleted.

A teacher's weights come from outside, so nothing is taken on trust. Knows nothing of scores, nor
of protocols.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dass.data.source_names import canonical
from dass.errors import (
    CorruptArtifact,
    DassError,
    InvalidConfig,
    InvalidKey,
    MissingKey,
    NameTaken,
    UnknownName,
)
from dass.networks.teacher import Teacher
from dass.registry.adoption import adopt_teacher, read_weights
from dass.registry.registry import Registry
from dass.space.space import Space
from dass.space.spaces import by_name
from serve.limits import AlreadyExists, InvalidRequest, InvalidUpload, Limits
from serve.scoring import Teachers, version_of

logger = logging.getLogger(__name__)

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._=+@,~-]{0,127}")
"""Names of teachers: one part of a store's key, readable in a URL."""


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
    dataset: str | None = None
    """Short name of what it was trained on, without its place; `None` where nothing says so."""


class Catalogue:
    """The teachers of one space in a registry; threads may share one."""

    def __init__(self, registry: Registry, space: Space, limits: Limits) -> None:
        self.registry, self.space, self.limits = registry, space, limits
        self._teachers = Teachers(registry)

    def teachers(self) -> list[TeacherFacts]:
        """Return the teachers of the space, in order of their names."""
        found = []
        for name in self.registry.teachers():
            # One broken or just deleted teacher must not hide the others.
            try:
                facts = self.facts(name)
            except (CorruptArtifact, UnknownName, InvalidRequest) as error:
                logger.warning("teacher %r is left out of the list: %s", name, error)
                continue
            if facts.space == self.space.name:
                found.append(facts)
        return found

    def facts(self, name: str) -> TeacherFacts:
        """Return the facts of one teacher.

        Raises:
            UnknownName: there is none of that name.
            CorruptArtifact: its manifest is broken.
        """
        check_name(name)
        manifest = self._manifest(name)
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
            dataset=_dataset(manifest),
        )

    def get(self, name: str) -> tuple[TeacherFacts, Teacher]:
        """Return a teacher of the space and its facts.

        Raises:
            UnknownName: there is none of that name.
            InvalidConfig: it is of another space.
        """
        facts = self.facts(name)
        if facts.space != self.space.name:
            raise InvalidConfig(
                f"the teacher must be of space {self.space.name!r}, the predictor's, but "
                f"{name!r} is of {facts.space!r}"
            )
        return facts, self._teachers.get(name, facts.version)

    def register(
        self, teacher: Registration, *, check: Callable[[Teacher], None] = lambda _: None
    ) -> TeacherFacts:
        """Check a user's own teacher and publish it; the same one again is fine.

        Args:
            teacher: what the user says of it.
            check: raises a `DassError` if its students cannot be ranked.

        Raises:
            InvalidUpload: the weights are no safetensors file of the space's largest member.
            AlreadyExists: another teacher has that name.
        """
        self.check(teacher)
        data = self._weights(teacher)
        self.limits.at_most("upload_bytes", len(data))
        try:
            network = read_weights(
                data, space=self.space, num_classes=teacher.classes, where=teacher.name
            )
            made = Teacher(name=teacher.name, network=network, accuracy=teacher.accuracy)
            check(made)
        except (CorruptArtifact, InvalidConfig) as error:
            raise InvalidUpload(str(error)) from error
        if not self.registry.has_teacher(teacher.name):
            self.limits.at_most("teachers", len(self.registry.teachers()) + 1)
        try:
            adopt_teacher(self.registry, made, data)
            return self.facts(teacher.name)
        except NameTaken as error:
            raise AlreadyExists(str(error)) from error
        except UnknownName as error:
            raise AlreadyExists(
                f"a name must be free, but {teacher.name!r} was taken and deleted at this moment; "
                "ask again"
            ) from error

    def check(self, teacher: Registration) -> None:
        """Raise unless all but its weights is as it must be, as `register` does."""
        check_name(teacher.name)
        if teacher.space != self.space.name:
            raise InvalidConfig(
                f"`space` must be {self.space.name!r}, the predictor's, but got {teacher.space!r}"
            )
        self.limits.at_most("classes", teacher.classes)
        if teacher.classes < 2:
            raise InvalidConfig(f"`classes >= 2` must hold, but got {teacher.classes}")

    def delete(self, name: str) -> None:
        """Remove a teacher.

        Raises:
            UnknownName: there is none of that name.
        """
        check_name(name)
        self._manifest(name)
        self.registry.drop_teacher(name)

    def _manifest(self, name: str) -> dict[str, Any]:
        try:
            return self.registry.teacher_facts(name)
        except UnknownName as error:  # the registry's own words tell where the store is
            raise UnknownName(
                f"a teacher must be registered, but {name!r} is not; list the teachers for those "
                "that are"
            ) from error

    def _weights(self, teacher: Registration) -> bytes:
        if (teacher.weights is None) == (teacher.path is None):
            raise InvalidRequest("exactly one of `weights` and `path` must be given")
        if teacher.weights is not None:
            return teacher.weights
        assert teacher.path is not None
        store = self.registry.store
        try:
            self.limits.at_most("upload_bytes", store.size(teacher.path))
            return store.read(teacher.path)
        except (MissingKey, InvalidKey) as error:  # their own words tell where the store is
            raise InvalidUpload(
                "`path` must be the key of a safetensors file inside the store, parts of letters, "
                "digits and ._=+@,~- joined by '/', but there is no such file; list the store, or "
                "upload the weights"
            ) from error


def _dataset(manifest: Mapping[str, Any]) -> str | None:
    """Return the short name of a teacher's dataset: of a path only how the file is called."""
    task = manifest.get("task")
    source = task.get("source") if isinstance(task, dict) else None
    try:
        return canonical(source)[1] if isinstance(source, str) else None
    except DassError:  # a source of another version, or of somebody's own
        return None


def check_name(name: str) -> None:
    """Raise unless a teacher may be called that.

    Raises:
        InvalidRequest: says which names there may be.
    """
    if not NAME.fullmatch(name) or ".." in name:
        raise InvalidRequest(
            "a teacher's name must be 1 to 128 of the letters a-z, A-Z, digits and ._=+@,~-, the "
            f"first a letter or digit and no two dots in a row, but got {name[:80]!r}"
        )
