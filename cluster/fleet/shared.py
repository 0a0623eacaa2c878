"""One process for the jobs of several lanes: hands replies to their lanes, and is replaced once.

A process that ends takes down whatever its lanes have in hand, and none knows who did it. Knows
nothing of queues, nor of Ray.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import replace

from cluster.fleet.child import Child, Stopping, describe
from cluster.fleet.devices import Health
from cluster.fleet.job import ChildDied, FleetError, Job, Reply, failed_at_start

STARTS = 3
"""Processes in a row that may die before they are ready, until no more is started."""


class SharedChild(Stopping):
    """A process that is there whenever a lane has a job; each lane is a thread of the caller."""

    def __init__(
        self, work: bytes, *, lanes: int = 1, variables: Mapping[str, str] | None = None
    ) -> None:
        """Start nothing yet; the arguments are those of a `Child`."""
        self._work, self._lanes, self._variables = work, lanes, variables
        self._change = threading.Condition()
        self._child: Child | None = None
        self._router = threading.Thread()
        self._asked: dict[int, Future[Reply]] = {}  # by lanes that have a job in hand
        self._loners = 0
        self._over = ""

    def ensure(self) -> None:
        """Start a process if there is none, and wait until it is ready.

        Raises:
            FleetError: none comes up, or this was stopped.
        """
        with self._change:
            self._ready()

    def attempt(
        self,
        job: Job,
        *,
        beat: Callable[[], None],
        every_s: float,
        lane: int = 0,
        alone: bool = False,
    ) -> Reply:
        """Have one job done, calling `beat` meanwhile.

        Args:
            lane: whose job it is; it has no other in hand.
            alone: whether no other lane may have a job in hand meanwhile.

        Raises:
            FleetError: no process comes up, or this was stopped.
        """
        with self._turn(alone):
            with self._change:
                while not self._change.wait_for(lambda: self._admits(alone), every_s):
                    beat()
                self._ready().give(job, lane=lane)
                asked = self._asked[lane] = Future()
            while True:
                with contextlib.suppress(TimeoutError):
                    return asked.result(every_s)
                beat()

    def stop(self) -> None:
        """End the process, and start no other; what lanes have in hand ends with it."""
        with self._change:
            self._over = self._over or "its worker is being stopped"
            self._change.notify_all()
            child, router = self._child, self._router
        if child is not None:
            child.end()
            router.join()

    @contextlib.contextmanager
    def _turn(self, alone: bool) -> Iterator[None]:
        """Keep others from beginning if this is to be alone; tell them when it is over."""
        with self._change:
            self._loners += alone
        try:
            yield
        finally:
            with self._change:
                self._loners -= alone
                self._change.notify_all()

    def _admits(self, alone: bool) -> bool:
        """Return whether a job may begin, or fail because this was stopped."""
        return bool(self._over) or not (self._asked if alone else self._loners)

    def _ready(self) -> Child:
        if self._over:
            raise FleetError(self._over)
        if self._child is None:
            self._child = self._started()
            self._router = threading.Thread(target=self._route, args=(self._child,), daemon=True)
            self._router.start()
        return self._child

    def _started(self) -> Child:
        """Return a new process that is ready."""
        reason = ""
        for _ in range(STARTS):
            child = Child(self._work, lanes=self._lanes, variables=self._variables)
            try:
                child.listen()
                return child
            except ChildDied as death:
                child.stop()
                reason = str(death)
        self._over = failed_at_start(STARTS, reason)
        raise FleetError(self._over)

    def _route(self, child: Child) -> None:
        """Hand a process's replies to its lanes until it ends, or can use its device no more."""
        try:
            while (reply := child.listen()) and reply.health not in {Health.SPOILT, Health.LOST}:
                with self._change:
                    asked = self._asked.pop(reply.lane)
                asked.set_result(reply)
        except ChildDied as death:
            reply = Reply(error=str(death))
        except Exception as error:  # lanes must hear of it, whatever it is
            reply = Reply(error=f"its reply must be one of a child, but {describe(error)}")
        assert reply is not None
        self._end(child, reply)

    def _end(self, child: Child, last: Reply) -> None:
        """Remove a process; of several jobs that it had in hand, none knows which is to blame."""
        with self._change:
            child.stop()
            self._child = None
            ended, self._asked = self._asked, {}
        for lane, asked in ended.items():
            blameless = last.blameless or len(ended) > 1
            asked.set_result(replace(last, lane=lane, blameless=blameless))
