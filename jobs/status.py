"""How a build stands, seen from any machine: a snapshot in the store, written every ten seconds.

    dass status s3://bucket/prefix

Reads and writes `status/build.json` and `failures/KEY.json`; knows nothing of who works or how.
"""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from types import TracebackType
from typing import Any

from cluster.fleet.job import Failure
from cluster.progress import Progress
from dass.errors import MissingKey, StorageError, StoreUnavailable
from dass.registry import record_files
from dass.store.store import Store
from jobs import console

KEY = "status/build.json"
FAILURES = "failures"
EVERY_S = 10.0
"""Seconds between two snapshots."""
STALE_S = 60.0
"""Age in seconds at which a snapshot is taken for one of a build that was killed."""


class Snapshot:
    """Writes where a run stands into the store; use it as a `progress`, inside a `with`.

    The cost of earlier runs on the same store is carried on.
    """

    def __init__(self, store: Store, *, unit: str, share: float) -> None:
        """Take over the cost so far.

        Args:
            unit: what a worker takes: "core" or "GPU".
            share: how much of it.
        """
        self._store, self._unit, self._share = store, unit, share
        former = read(store)
        self._cost_h: dict[str, float] = dict(former["cost_h"]) if former else {}
        self._latest: Progress | None = None
        self._written_at = -EVERY_S

    def __call__(self, progress: Progress) -> None:
        """Write, if the last time is long enough ago."""
        self._latest = progress
        if time.monotonic() - self._written_at >= EVERY_S:
            self._write(ended=False)

    def _write(self, *, ended: bool) -> None:
        assert self._latest is not None
        hours = self._latest.busy_s * self._share / 3600
        cost = self._cost_h | {self._unit: self._cost_h.get(self._unit, 0.0) + hours}
        text = asdict(self._latest) | {
            "line": self._latest.line("trainings"),
            "ended": ended,
            "time": time.time(),
            "host": socket.gethostname(),
            "cost_h": cost,
        }
        # The next one will tell; a run does not end for want of a snapshot.
        with contextlib.suppress(StoreUnavailable):
            self._store.write(KEY, json.dumps(text, indent=2).encode())
        self._written_at = time.monotonic()

    def __enter__(self) -> Snapshot:
        """Return it."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Write the last state."""
        if self._latest is not None:
            self._write(ended=True)


def read(store: Store) -> dict[str, Any] | None:
    """Return the latest snapshot, or `None` if no build ever wrote one."""
    try:
        found: dict[str, Any] = json.loads(store.read(KEY))
    except MissingKey:
        return None
    return found


def put_failures(store: Store, failures: Iterable[Failure], *, done: set[str]) -> None:
    """Record the jobs given up, and forget the failures of those that are done now."""
    failed = {failure.key: failure for failure in failures}
    for key, failure in failed.items():
        store.write(f"{FAILURES}/{key}.json", json.dumps(asdict(failure), indent=2).encode())
    known = {k.removeprefix(f"{FAILURES}/").removesuffix(".json") for k in store.list(FAILURES)}
    for key in (known & done) - set(failed):
        store.delete(f"{FAILURES}/{key}.json")


def describe(store: Store, now: float) -> str:
    """Return what people want to know of a build, in a few lines."""
    found = read(store)
    if found is None:
        return f"no build has written to {store.root} yet"
    age = now - found["time"]
    state = "ended" if found["ended"] else "running" if age < STALE_S else "silent, was it killed?"
    cost = ", ".join(f"{hours:.2f} {unit}-hours" for unit, hours in found["cost_h"].items())
    records = len(record_files.keys(store))
    lines = [
        f"{state}: {found['line']}",
        f"snapshot {age:.0f} s old, by {found['host']}",
        f"{records} records in the store, {cost}; "
        f"attempts retried: {found['retried']}, lost: {found['lost']}",
    ]
    lines += [f"  running: {name}" for name in found["running"]]
    for key in store.list(FAILURES):
        failure = json.loads(store.read(key))
        lines.append(f"  failed:  {failure['label']}: {failure['error']}")
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    """Print the status of the store that is named; return the exit code."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        asked = list(arguments) in (["-h"], ["--help"])
        print("usage: dass status STORE    (a folder, or s3://bucket/prefix)", file=sys.stderr)
        return 0 if asked else 2
    store = Store(arguments[0])
    try:
        print(describe(store, time.time()))
    except StorageError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 2
    console.finish(store.url("records"), next_line="the line of the build, to go on with it")
    return 0


if __name__ == "__main__":
    from jobs.cli import run_module

    run_module(__file__)
