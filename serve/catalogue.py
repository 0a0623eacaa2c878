"""The catalogue: the teachers of a store, listed, found, registered and deleted.

A teacher's weights come from outside, so nothing is taken on trust. Knows nothing of scores, nor
of protocols.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from dass.errors import (
    CorruptArtifact,
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
from serve.deletions import Deletions
from serve.limits import AlreadyExists, InvalidRequest, InvalidUpload, Limits
from serve.names import check_name
from serve.scoring import Teachers
from serve.teacher_facts import Registration, TeacherFacts, facts_of

logger = logging.getLogger(__name__)


class Catalogue:
    """The teachers of one space in a registry; threads may share one."""

    def __init__(self, registry: Registry, space: Space, limits: Limits) -> None:
        self.registry, self.space, self.limits = registry, space, limits
        self._teachers = Teachers(registry)
        self.deletions = Deletions(registry.store, limits)

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
        return facts_of(name, self._manifest(name))

    def deleted(self) -> list[TeacherFacts]:
        """Return the teachers of the space that were deleted and can be restored, latest first."""
        found = []
        for one in self.deletions.kept():
            if (manifest := self.deletions.facts(one)) is None:
                continue
            try:
                facts = facts_of(one.name, manifest)
            except CorruptArtifact as error:
                logger.warning("deleted teacher %r is left out: %s", one.name, error)
                continue
            if facts.space == self.space.name:
                found.append(replace(facts, deleted=one.at.isoformat()))
        return found

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
            adopt_teacher(self.registry, made, data, about=self._about(teacher))
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
        if teacher.class_names and len(set(teacher.class_names)) != teacher.classes:
            raise InvalidConfig(
                f"`class_names` must name each of the {teacher.classes} classes once, but got "
                f"{len(set(teacher.class_names))} names; leave them out where they are not known"
            )

    def delete(self, name: str) -> None:
        """Remove a teacher so that it can be restored.

        Raises:
            UnknownName: there is none of that name.
        """
        check_name(name)
        if not self.registry.has_teacher(name):
            raise _unknown(name)
        self.deletions.delete(name)

    def restore(self, name: str) -> TeacherFacts:
        """Restore a deleted teacher; one that is there, and was not deleted, is fine.

        Raises:
            UnknownName: none of that name can be restored.
            AlreadyExists: another has the name by now.
        """
        check_name(name)
        if not self.registry.has_teacher(name):
            self.limits.at_most("teachers", len(self.registry.teachers()) + 1)
        elif not self.deletions.kept(name):  # as after an answer that was lost
            return self.facts(name)
        self.deletions.restore(name)
        return self.facts(name)

    def purge(self, name: str) -> None:
        """Remove a teacher, and deleted ones of its name, for good.

        Raises:
            UnknownName: there is none of that name.
        """
        check_name(name)
        there = self.registry.has_teacher(name)
        self.registry.drop_teacher(name)
        if not self.deletions.purge(name) and not there:
            raise _unknown(name)

    def _about(self, teacher: Registration) -> dict[str, Any]:
        """Return what a manifest says of a teacher beside: only what is known."""
        told = {
            "dataset": teacher.dataset,
            "class_names": list(teacher.class_names),
            "note": teacher.note,
            "created": self.deletions.clock().isoformat(timespec="seconds"),
        }
        return {name: value for name, value in told.items() if value}

    def _manifest(self, name: str) -> dict[str, Any]:
        try:
            return self.registry.teacher_facts(name)
        except UnknownName as error:  # the registry's own words tell where the store is
            raise _unknown(name) from error

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


def _unknown(name: str) -> UnknownName:
    return UnknownName(
        f"a teacher must be registered, but {name!r} is not; list the teachers for those that are"
    )
