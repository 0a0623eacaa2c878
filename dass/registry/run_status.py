"""How builds and tunes of a store stand: snapshots that they leave, and jobs that were given up.

status/build.json, status/tune.json    the latest snapshot of each
failures/KEY.json                      a job given up

Knows nothing of who works or how.
"""

from __future__ import annotations

import json
from typing import Any, Literal

from dass.errors import MissingKey
from dass.store.store import Store

Kind = Literal["build", "tune"]
KINDS: tuple[Kind, ...] = ("build", "tune")
FAILURES = "failures"
STALE_S = 60.0
"""Age in seconds at which a snapshot is taken for one of a run that was killed."""


def key(kind: Kind) -> str:
    """Return where the snapshot of a kind of run is."""
    return f"status/{kind}.json"


def read(store: Store, kind: Kind = "build") -> dict[str, Any] | None:
    """Return the latest snapshot, or `None` if no run of the kind ever wrote one."""
    try:
        found: dict[str, Any] = json.loads(store.read(key(kind)))
    except MissingKey:
        return None
    return found


def state(snapshot: dict[str, Any], now: float) -> Literal["ended", "running", "silent"]:
    """Return how a run stands; a silent one was probably killed."""
    if snapshot["ended"]:
        return "ended"
    return "running" if now - snapshot["time"] < STALE_S else "silent"


def failures(store: Store) -> list[dict[str, Any]]:
    """Return the jobs given up: key, label, error, attempts; without those just forgotten."""
    found = []
    for each in store.list(FAILURES):
        try:
            found.append(json.loads(store.read(each)))
        except MissingKey:
            continue
    return found
