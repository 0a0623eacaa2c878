"""Measured students of teachers, kept in a store: what every later search is conditioned on.

service/students/TEACHER/IDENTITY/STUDENT-CONTENT.json    one of them

They are those of a teacher's weights, not of its name: of another teacher of that name they are
not, of one that was deleted and restored they are. What a key names never changes, so that it is
read once. Knows nothing of scores, nor of protocols.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict

from cachetools import LRUCache

from dass.errors import CorruptArtifact, MissingKey, UnknownName
from dass.store.store import Store
from serve.limits import Limits
from serve.scoring import Support

PREFIX = "service/students"
REMEMBERED = 10_000
"""Students that a process keeps in memory."""


class MeasuredStudents:
    """The measured students in a store; threads may share one."""

    def __init__(self, store: Store, limits: Limits) -> None:
        self.store, self.limits = store, limits
        self._known: LRUCache[str, Support] = LRUCache(REMEMBERED)

    def of(self, teacher: str, identity: str) -> tuple[Support, ...]:
        """Return a teacher's, in order of their ids and epochs.

        Raises:
            CorruptArtifact: one is broken.
        """
        # Of two at once of one student either may be there: the last by key is taken.
        latest = {_student(key): key for key in self._keys(teacher, identity)}
        found = [student for key in latest.values() if (student := self._read(key)) is not None]
        return tuple(sorted(found, key=lambda one: (one.architecture, one.epochs)))

    def add(self, teacher: str, identity: str, students: Sequence[Support]) -> None:
        """Keep more; one of the same architecture and epochs replaces the former.

        Raises:
            TooLarge: there would be more than may be.
        """
        keys = self._keys(teacher, identity)
        new = {_key(teacher, identity, student): student for student in students}
        whole = {_student(key) for key in (*keys, *new)}
        self.limits.at_most("students", len(whole))
        latest = {_student(key): key for key in new}
        for key in latest.values():
            self.store.write(key, json.dumps(asdict(new[key])).encode())
        for key in keys:
            if latest.get(_student(key), key) != key:
                self.store.delete(key)

    def remove(self, teacher: str, identity: str, architecture: str) -> None:
        """Forget one, however long it was trained.

        Raises:
            UnknownName: there is none.
        """
        found = [
            key
            for key in self._keys(teacher, identity)
            if (student := self._read(key)) and student.architecture == architecture
        ]
        if not found:
            raise UnknownName(
                f"a student must have been posted, but {architecture[:400]!r} of {teacher!r} was "
                "not; list those that were"
            )
        for key in found:
            self.store.delete(key)

    def purge(self, teacher: str) -> None:
        """Forget all of every teacher of a name."""
        for key in self.store.list(f"{PREFIX}/{teacher}"):
            self.store.delete(key)

    def _keys(self, teacher: str, identity: str) -> list[str]:
        return self.store.list(f"{PREFIX}/{teacher}/{identity}")

    def _read(self, key: str) -> Support | None:
        known = self._known.get(key)
        if known is not None:
            return known
        try:
            student = Support(**json.loads(self.store.read(key)))
        except MissingKey:  # deleted at this moment
            return None
        except (ValueError, TypeError) as error:
            raise CorruptArtifact(f"{key} must be a measured student, but: {error}") from error
        self._known[key] = student
        return student


def _key(teacher: str, identity: str, student: Support) -> str:
    named = _short(f"{student.architecture} {student.epochs}")
    content = _short(json.dumps(asdict(student)))
    return f"{PREFIX}/{teacher}/{identity}/{named}-{content}.json"


def _student(key: str) -> str:
    """Return what keys of one architecture and epochs have in common."""
    return key.rpartition("-")[0]


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
