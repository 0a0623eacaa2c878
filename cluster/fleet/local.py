"""Many short jobs through one queue, in this process or in processes of this machine.

`work` does one job and publishes its result before it returns, so a kill loses at most the jobs
that ran, and the same line run again does the rest. Knows nothing of what a job does or where its
result goes, nor of Ray.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait

from cluster.fleet.child import Child, Work, attempt, describe, sealed
from cluster.fleet.devices import Health
from cluster.fleet.job import (
    ChildDied,
    FleetError,
    Idle,
    Job,
    Lease,
    Outcome,
    Reply,
    failed_at_start,
)
from cluster.fleet.queue import Queue
from cluster.fleet.settle import log_verdict, settle
from cluster.progress import Progress

logger = logging.getLogger(__name__)

Show = Callable[[Progress], None]

_STRIKES = 3
"""Workers in a row that may die before they are ready, until the run is given up."""
_TICK_S = 0.5


def run_inline(
    jobs: Sequence[Job],
    work: Work,
    *,
    workers: int = 1,
    retries: int = 2,
    progress: Show | None = None,
    threads: bool = False,
    kept: list[Child] | None = None,
) -> Outcome:
    """Do every job on this machine; return how many were done and which were given up.

    One worker is this very process. More are fresh single-thread processes, so `work` and the
    payloads must pickle; one that dies costs the job it had one attempt, and is replaced. Or they
    are threads of this process, for work that keeps a device busy which processes cannot share.

    Args:
        workers: processes or threads that work at once; >= 1.
        retries: further attempts of a job that raised or took its worker down; >= 0.
        threads: whether several workers are threads.
        kept: processes that calls with equal work leave for each other (`kept_children`).
        progress: called after every job and about twice a second.

    Raises:
        FleetError: the workers died before they could take a job, the device is lost, or a disk
            is full.
    """
    if workers < 1:
        raise ValueError(f"workers >= 1 must hold, but got {workers=}; use 1 for this process")
    queue, started = Queue(jobs, retries=retries), time.monotonic()

    def show() -> None:
        if progress is not None:
            now = time.monotonic()
            progress(queue.progress(seconds=now - started, now=now))

    if workers == 1:
        _run_here(queue, work, show)
    elif threads:
        _run_threads(queue, work, show, workers=min(workers, len(jobs)))
    else:
        _Pool(queue, work, min(workers, len(jobs)), kept=kept).run(show)
    show()
    return Outcome(
        done=len(jobs) - len(queue.failures),
        failed=tuple(queue.failures),
        seconds=time.monotonic() - started,
    )


def _run_here(queue: Queue, work: Work, show: Callable[[], None]) -> None:
    while isinstance(lease := queue.take("here", now=time.monotonic()), Lease):
        reply = attempt(work, lease.job)
        settle(queue, lease, reply, now=time.monotonic())
        show()
        _check_health(reply)


def _check_health(reply: Reply) -> None:
    """Raise `FleetError` where neither this process nor a fresh one can go on."""
    if reply.health is Health.LOST:
        raise FleetError(_no_device(reply.error))
    if reply.health is Health.FULL:
        raise FleetError(_no_room(reply.error))


def _run_threads(queue: Queue, work: Work, show: Callable[[], None], *, workers: int) -> None:
    """Do jobs in threads of this process; only this one speaks to the queue."""
    running: dict[Future[Reply], Lease] = {}
    names = {f"lane-{number}" for number in range(workers)}
    with ThreadPoolExecutor(workers, thread_name_prefix="lane") as lanes:
        while not queue.finished:
            for name in sorted(names - {lease.worker for lease in running.values()}):
                if isinstance(lease := queue.take(name, now=time.monotonic()), Lease):
                    running[lanes.submit(attempt, work, lease.job)] = lease
            if not running:
                time.sleep(_TICK_S)
            done, _ = wait_for(running, timeout=_TICK_S, return_when=FIRST_COMPLETED)
            for future in done:
                reply, lease = future.result(), running.pop(future)
                settle(queue, lease, reply, now=time.monotonic())
                _check_health(reply)
                if reply.health is Health.SPOILT:
                    raise FleetError(_spoilt(reply.error))
            show()


def _spoilt(error: str | None) -> str:
    """Return the message of a `FleetError`: no thread of this process has a device any more."""
    return (
        f"this process must be able to use its device, but cannot any more ({error}); what is "
        "published is safe: run the same line again"
    )


def _no_room(error: str | None) -> str:
    """Return the message of a `FleetError`: this machine's or the store's disk is full."""
    return (
        f"disks of this machine and of the store must have room, but one is full ({error}); "
        "what is published is safe: make room, then run the same line again"
    )


def _no_device(error: str | None) -> str:
    """Return the message of a `FleetError`: no worker has a device any more."""
    return (
        f"the device must answer, but is lost ({error}); what is published is safe: run the same "
        "line again once the device is back, or on another machine"
    )


@dataclass(slots=True)
class _Worker:
    name: str
    child: Child
    lease: Lease | None = None


class _Pool:
    """Processes that do the jobs, and the parent's side of talking to them."""

    def __init__(
        self, queue: Queue, work: Work, size: int, *, kept: list[Child] | None = None
    ) -> None:
        self._queue, self._work, self._size = queue, sealed(work), size
        self._kept = kept
        self._workers: dict[Connection, _Worker] = {}
        self._spawned = self._strikes = 0

    def run(self, show: Callable[[], None]) -> None:
        try:
            for _ in range(self._size):
                self._spawn()
            while not self._queue.finished:
                for worker in list(self._workers.values()):
                    self._give(worker)
                for connection in wait(list(self._workers), timeout=_TICK_S):
                    assert isinstance(connection, Connection)
                    self._listen(self._workers[connection])
                show()
        finally:
            for worker in self._workers.values():
                if self._kept is None or worker.lease is not None or not worker.child.ready:
                    worker.child.stop()
                else:
                    self._kept.append(worker.child)

    def _spawn(self) -> None:
        worker = _Worker(name=f"worker-{self._spawned}", child=self._child())
        self._spawned += 1
        self._workers[worker.child.connection] = worker

    def _child(self) -> Child:
        """Return a process that a former call left, or a fresh one."""
        while self._kept:
            if (child := self._kept.pop()).alive:
                return child
            child.stop()
        return Child(self._work)

    def _give(self, worker: _Worker) -> None:
        """Give an idle worker its next job."""
        if not worker.child.ready or worker.lease is not None:
            return
        decision = self._queue.take(worker.name, now=time.monotonic())
        if isinstance(decision, Idle):
            return
        worker.lease = decision
        try:
            worker.child.give(decision.job)
        except Exception as error:
            self._settle(worker, Reply(error=f"its payload must pickle, but {describe(error)}"))

    def _listen(self, worker: _Worker) -> None:
        try:
            reply = worker.child.listen()
        except ChildDied as death:
            self._remove(worker, str(death))
            return
        if reply is None:
            self._strikes = 0
        else:
            self._settle(worker, reply)

    def _settle(self, worker: _Worker, reply: Reply) -> None:
        assert worker.lease is not None
        settle(self._queue, worker.lease, reply, now=time.monotonic())
        worker.lease = None
        if reply.health is Health.FULL:
            raise FleetError(_no_room(reply.error))
        if reply.health is not Health.WELL:
            self._replace(worker, reply)

    def _replace(self, worker: _Worker, reply: Reply) -> None:
        """End a process that can use its device no more; start another if one could."""
        del self._workers[worker.child.connection]
        worker.child.stop()
        if reply.health is Health.LOST:
            logger.error("retire %s: %s", worker.name, reply.error)
            if not self._workers and not self._queue.finished:
                raise FleetError(_no_device(reply.error))
        elif not self._queue.finished:
            self._spawn()

    def _remove(self, worker: _Worker, reason: str) -> None:
        """Charge a dead worker's job with an attempt, and replace the worker."""
        del self._workers[worker.child.connection]
        worker.child.stop()
        if worker.lease is not None:
            verdict = self._queue.lose(worker.name, now=time.monotonic(), blame=reason)
            log_verdict(worker.lease.job, verdict, reason)
        elif not worker.child.ready:
            self._strikes += 1
            if self._strikes >= _STRIKES:
                raise FleetError(failed_at_start(self._strikes, reason))
        if not self._queue.finished:
            self._spawn()
