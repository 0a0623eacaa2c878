"""How builds and tunes of a store stand, for whoever watches: snapshots, failures, costs.

Tells nothing of places: neither the store's, nor a host's, nor of files that an error names.
Knows nothing of who works, nor of protocols.
"""

from __future__ import annotations

import json
import logging
import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from pydantic import ValidationError

from dass.registry import run_status
from dass.registry.run_status import KINDS, Kind
from dass.store.store import Store
from serve.run_wire import Run, RunCost, RunFailure, RunList, TeacherCost

logger = logging.getLogger(__name__)

FAILURES, TEACHERS, RUNNING = 100, 200, 20
"""Most that is told of each."""
TEXT = 400
"""Characters of an error that are told."""
PLACE = re.compile(r"(?:\b[a-z0-9+]+://|(?<![\w./:-])~?/)[^\s'\",;:()\[\]]*")
"""An absolute path, or an address."""


class Runs:
    """Reads where runs of a store leave word; threads may share one."""

    def __init__(self, store: Store, *, clock: Callable[[], float] = time.time) -> None:
        self.store, self._clock = store, clock
        self._files: dict[str, list[tuple[str, str, float]]] = {}
        self._lock = threading.Lock()

    def all(self) -> RunList:
        """Return how all stand; one whose snapshot is broken is left out."""
        teachers = self._teachers()
        return RunList(
            runs=[run for kind in KINDS if (run := self._run(kind)) is not None],
            failures=self._failures(),
            teachers=teachers[:TEACHERS],
            records=sum(teacher.students for teacher in teachers),
        )

    def _run(self, kind: Kind) -> Run | None:
        try:
            found = run_status.read(self.store, kind)
            return None if found is None else self._told(kind, found)
        except (ValueError, KeyError, TypeError, AttributeError, ValidationError) as error:
            logger.warning("the snapshot of the %s is left out: %s", kind, error)
            return None

    def _told(self, kind: Kind, found: dict[str, Any]) -> Run:
        now = self._clock()
        names = ("total", "done", "failed", "retried", "lost", "fraction", "seconds", "line")
        return Run(
            kind=kind,
            state=run_status.state(found, now),
            running=[placeless(str(name)) for name in found["running"]][:RUNNING],
            age_seconds=max(0.0, now - found["time"]),
            cost=[RunCost(unit=u, hours=h) for u, h in sorted(found["cost_h"].items())],
            **{name: found[name] for name in names},
        )

    def _failures(self) -> list[RunFailure]:
        try:
            found = run_status.failures(self.store)[:FAILURES]
            return [
                RunFailure(
                    label=placeless(each["label"]),
                    error=placeless(each["error"]),
                    attempts=each["attempts"],
                )
                for each in found
            ]
        except (ValueError, KeyError, TypeError) as error:
            logger.warning("the failures of the store are left out: %s", error)
            return []

    def _teachers(self) -> list[TeacherCost]:
        """Return what was trained of each teacher; a file of records is read once."""
        with self._lock:
            listed = set(self.store.list("records"))
            for gone in set(self._files) - listed:
                del self._files[gone]
            for key in listed - set(self._files):
                self._files[key] = self._read(key)
            unique = {key: (t, s) for rows in self._files.values() for key, t, s in rows}
        students: dict[str, int] = defaultdict(int)
        seconds: dict[str, float] = defaultdict(float)
        for teacher, spent in unique.values():
            students[teacher] += 1
            seconds[teacher] += spent
        order = sorted(students, key=lambda name: (-seconds[name], name))
        return [
            TeacherCost(teacher=name, students=students[name], hours=seconds[name] / 3600)
            for name in order
        ]

    def _read(self, key: str) -> list[tuple[str, str, float]]:
        from dass.registry import record_files  # pandas; most never watch

        try:
            found = record_files.read(self.store, key)
        except (ValueError, json.JSONDecodeError) as error:
            logger.warning("records %s are left out of the costs: %s", key, error)
            return []
        return [(record.key, record.teacher, record.seconds) for record in found]


def placeless(text: str) -> str:
    """Return a text in one line without absolute paths and addresses; of each its last part."""
    line = " ".join(text.split())
    short = PLACE.sub(lambda found: f"…/{found[0].rstrip('/').rpartition('/')[2]}", line)
    return short if len(short) <= TEXT else f"{short[:TEXT]}…"
