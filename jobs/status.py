"""How a build or a tune stands, seen from any machine: a snapshot in the store every ten seconds.

    dass status s3://bucket/prefix

Writes what `dass.registry.run_status` reads; knows nothing of who works or how.
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
from dass.errors import StorageError, StoreUnavailable
from dass.registry import record_files, run_status
from dass.registry.run_status import FAILURES, Kind, read
from dass.registry.run_status import STALE_S as STALE_S
from dass.store.store import Store
from jobs import console

EVERY_S = 10.0
"""Seconds between two snapshots."""


class Snapshot:
    """Writes where a run stands into the store; use it as a `progress`, inside a `with`.

    The cost of earlier runs on the same store is carried on.
    """

    def __init__(self, store: Store, *, unit: str, share: float, kind: Kind = "build") -> None:
        """Take over the cost so far.

        Args:
            store: where it is written.
            unit: what a worker takes: "core" or "GPU".
            share: how much of it.
            kind: of run.
        """
        self._store, self._unit, self._share, self._kind = store, unit, share, kind
        former = read(store, kind)
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
            "line": self._latest.line("trials" if self._kind == "tune" else "trainings"),
            "ended": ended,
            "time": time.time(),
            "host": socket.gethostname(),
            "cost_h": cost,
        }
        # The next one will tell; a run does not end for want of a snapshot.
        with contextlib.suppress(StoreUnavailable):
            self._store.write(run_status.key(self._kind), json.dumps(text, indent=2).encode())
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
    tune = read(store, "tune")
    told = [] if tune is None else [f"tune, {_state(tune, now)}: {tune['line']}"]
    if found is None:
        return "\n".join([*told, f"no build has written to {store.root} yet"])
    age = now - found["time"]
    cost = ", ".join(f"{hours:.2f} {unit}-hours" for unit, hours in found["cost_h"].items())
    records = len(record_files.keys(store))
    lines = [
        f"{_state(found, now)}: {found['line']}",
        f"snapshot {age:.0f} s old, by {found['host']}",
        f"{records} records in the store, {cost}; "
        f"attempts retried: {found['retried']}, lost: {found['lost']}",
    ]
    lines += [f"  running: {name}" for name in found["running"]]
    for failure in run_status.failures(store):
        lines.append(f"  failed:  {failure['label']}: {failure['error']}")
    return "\n".join([*lines, *told])


def _state(snapshot: dict[str, Any], now: float) -> str:
    found = run_status.state(snapshot, now)
    return "silent, was it killed?" if found == "silent" else found


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
