"""The one queue of a run, as the actor that all workers drain. Outlives every worker group.

A plain class that imports no Ray, so that its laws are tested without. If its node is lost, Ray
starts it anew elsewhere; it then waits for the driver to `open` it with the journal so far.
"""

from __future__ import annotations

import logging
import math
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cluster.fleet.devices import Health
from cluster.fleet.job import Entry, Failure, Idle, Job, Lease, Reply, Verdict
from cluster.fleet.meters import Meters
from cluster.fleet.queue import Queue
from cluster.fleet.settle import settle
from cluster.progress import Progress

logger = logging.getLogger(__name__)

BEAT_S = 5.0
"""Seconds between two signs of life of a worker."""
WAIT_S = (0.1, 2.0)
"""Seconds a worker without a job waits until it asks again: at first, and at most."""
FULL_S = (1.0, 60.0)
"""Seconds a worker whose disk is full waits until it asks again: at first, and at most."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What a worker has to say of its last lease."""

    lease: Lease
    reply: Reply
    device: str = ""
    """The accelerator it was met on, as `NODE/DEVICE`; empty where there is none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """Where a run stands, as the driver hears it."""

    life: str
    """Changes when the queue was started anew and wants its journal."""
    entries: tuple[Entry, ...]
    """What was added to the journal since the driver last asked."""
    progress: Progress
    failures: tuple[Failure, ...]
    finished: bool
    broken: str
    """Why workers cannot run at all; empty if they can."""
    retired: tuple[tuple[str, str], ...] = ()
    """Accelerators that are lost, as `NODE/DEVICE`, and what each said."""


class Dispatcher:
    """Hands out leases and takes reports; every call returns at once."""

    def __init__(
        self,
        jobs: Sequence[Job],
        *,
        retries: int,
        lease_s: float,
        meters: Meters | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take in jobs, and hand out none until it is opened.

        Args:
            jobs: see `Queue`.
            retries: see `Queue`.
            lease_s: see `Queue`.
            meters: what hears of every attempt; none where `None`.
            clock: seconds of any beginning.
        """
        # Tokens of two lives must not meet: microseconds since 1970 keep them apart.
        self._queue = Queue(
            jobs, retries=retries, lease_s=lease_s, first_token=time.time_ns() // 1000
        )
        self._life = uuid.uuid4().hex
        self._meters = meters or Meters()
        self._clock = clock
        self._started = clock()
        self._opens_at, self._broken = math.inf, ""
        self._retired: dict[str, str] = {}

    def open(
        self,
        journal: Sequence[Entry],
        seconds: float,
        grace_s: float,
        *,
        retired: Mapping[str, str] | None = None,
    ) -> list[Entry]:
        """Begin to hand out jobs, from where a former life's journal left them.

        Args:
            seconds: since the run began.
            grace_s: how long workers have to say what they hold before anything is handed out.
            retired: accelerators known to be lost, and what each said.

        Returns:
            The journal as it is now: workers may have reported before.
        """
        if self._opens_at == math.inf:
            self._queue.replay(journal)
            self._retired |= retired or {}
            self._started = self._clock() - seconds
            self._opens_at = self._clock() + grace_s
        return self._queue.journal

    def exchange(self, worker: str, report: Report | None, device: str = "") -> Lease | Idle:
        """Take a worker's report, if any, and give it its next job: one round trip a job.

        A worker whose accelerator is lost is finished: its jobs go to the others. One whose disk
        is full gets none now: it would take job after job and fail each at once.
        """
        if report is not None:
            self._settle(report)
            if report.reply.health is Health.FULL:
                return Idle.WAIT
        if device in self._retired:
            return Idle.FINISHED
        if self._clock() < self._opens_at:
            return Idle.WAIT
        return self._queue.take(worker, now=self._clock())

    def renew(self, lease: Lease) -> None:
        """Hear that a worker is alive, and what it holds: a former life may have given it that."""
        self._queue.adopt(lease, now=self._clock())
        self._queue.renew(lease.worker, now=self._clock())

    def lose(self, prefix: str) -> None:
        """Take back the jobs of all workers whose names start so: their node is gone."""
        for lease in self._queue.running():
            if lease.worker.startswith(prefix):
                self._lost(lease, "its node or its group was lost")
                self._queue.lose(lease.worker, now=self._clock())

    def give_up(self, error: str) -> None:
        """Hear from a worker that none can run."""
        self._broken = error

    def state(self, known: int, life: str) -> State:
        """Take back what expired and return where the run stands.

        Args:
            known: entries of this life's journal that the driver has already.
            life: the life that it knows them from.
        """
        now = self._clock()
        for lease in self._queue.expire(now=now):
            self._lost(lease, "its worker was silent for too long")
        journal = self._queue.journal[known if life == self._life else 0 :]
        progress = self._queue.progress(seconds=now - self._started, now=now)
        self._meters.queue(
            waiting=self._queue.pending, running=len(progress.running), left=self._queue.left
        )
        return State(
            life=self._life,
            entries=tuple(journal) if self._opens_at < math.inf else (),
            progress=progress,
            failures=tuple(self._queue.failures),
            finished=self._queue.finished,
            broken=self._broken,
            retired=tuple(self._retired.items()),
        )

    def _settle(self, report: Report) -> None:
        now = self._clock()
        verdict = settle(self._queue, report.lease, report.reply, now=now)
        if report.device and report.reply.health is Health.LOST:
            self._retired.setdefault(report.device, report.reply.error or "")
        self._meters.ended(
            report.lease,
            verdict,
            seconds=now - report.lease.started,
            counts=report.reply.counts,
        )

    def _lost(self, lease: Lease, why: str) -> None:
        now = self._clock()
        self._meters.ended(lease, Verdict.LOST, seconds=now - lease.started, counts={})
        logger.warning("take back %s from %s: %s", lease.job.name, lease.worker, why)
