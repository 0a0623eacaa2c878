"""What a driver knows of its queue: the journal to rebuild it from, and which nodes to staff.

The driver's half that decides; `groups.py` has the half that asks Ray. Knows nothing of Ray, so
that a rehearsal drives it in simulated time.
"""

from __future__ import annotations

import logging
import math
import pickle
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cluster.fleet.dispatcher import BEAT_S, State
from cluster.fleet.job import Entry, FleetError, Job, Placement, Sealed
from cluster.fleet.settle import log_verdict

logger = logging.getLogger(__name__)

TICK_S = 0.5
"""Seconds between two questions of the driver to the queue and the nodes."""
NO_ROOM_S = 600.0
"""Seconds without a node that has room for a worker, until the run is given up."""

Call = Callable[..., Any]
"""Calls a method of the dispatcher by name, wherever that is, and returns its answer."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node as the driver sees it."""

    name: str
    resources: Mapping[str, float]


class Watch:
    """Follows one queue: takes its journal over bit by bit, and opens it anew if it was lost."""

    def __init__(self, jobs: Sequence[Job], call: Call) -> None:
        """Follow the queue of these jobs through `call`."""
        self._names = {job.key: job for job in jobs}
        self._call = call
        self._life, self._room_at = "", 0.0
        self.journal: list[Entry] = []
        self.retired: dict[str, str] = {}

    def ask(self, seconds: float) -> State:
        """Ask the queue where it stands, `seconds` into the run; open it if it is a new life."""
        state: State = self._call("state", len(self.journal), self._life)
        if state.life != self._life:
            if self._life:
                logger.warning("the queue was lost and is rebuilt from its journal")
            grace_s = 2 * BEAT_S if self._life else 0.0
            self.journal = self._call("open", self.journal, seconds, grace_s, retired=self.retired)
            self._life = state.life
            return state
        self.journal += state.entries
        for entry in state.entries:
            log_verdict(self._names[entry.key], entry.verdict, entry.error)
        for device, error in state.retired:
            if device not in self.retired:
                logger.error("retire the workers of device %s: %s", device, error)
                self.retired[device] = error
        return state

    def check_room(self, served: bool, placement: Placement, *, seconds: float) -> None:
        """Hear whether any node has a group, `seconds` into the run.

        Raises:
            FleetError: for too long none has had room.
        """
        if served:
            self._room_at = seconds
        elif seconds - self._room_at > NO_ROOM_S:
            said = ""
            if self.retired:
                said = (
                    f" ({len(self.retired)} devices are lost: {next(iter(self.retired.values()))})"
                )
            raise FleetError(
                f"a node must have room for one worker ({placement}), but for {NO_ROOM_S:.0f} s "
                f"none had{said}; add nodes, or ask for less per worker"
            )


def sealed_jobs(jobs: Iterable[Job]) -> list[Job]:
    """Return jobs whose payloads only a worker's child opens."""
    # So that neither queue nor Train imports what only children need: 0.6 GB each.
    return [replace(job, payload=Sealed(pickle.dumps(job.payload))) for job in jobs]


def room(resources: Mapping[str, float], placement: Placement) -> int:
    """Return how many workers a node of these resources has room for."""
    counts = [resources.get("CPU", 0.0) / placement.cpus]
    if placement.gpus:
        counts.append(resources.get("GPU", 0.0) / placement.gpus)
    return int(min(counts) + 1e-9)


def staffed(
    nodes: Iterable[Node],
    served: Mapping[str, int],
    *,
    placement: Placement,
    open_jobs: int,
    retired: Iterable[str] = (),
) -> list[tuple[str, int]]:
    """Return which nodes are to get a group, and of how many workers.

    A node with some lost devices keeps a worker for each of them, which ends at once: it holds the
    device, so that no other gets it. A node with no other devices gets no group.

    Args:
        nodes: those that are alive.
        served: workers of the group of each node that has one.
        placement: what a worker takes, and how many there may be.
        open_jobs: neither done nor failed.
        retired: devices that are lost, as `NODE/DEVICE`.
    """
    busy = math.ceil(open_jobs / placement.lanes)
    left = min(placement.max_workers or busy, busy) - sum(served.values())
    lost = Counter(device.partition("/")[0] for device in retired)
    found = []
    for node in nodes:
        workers = min(room(node.resources, placement), left)
        whole = lost[node.name] == 0 or lost[node.name] < node.resources.get("GPU", 0.0)
        if node.name not in served and workers > 0 and whole:
            found.append((node.name, workers))
            left -= workers
    return found
