"""Virtual nodes that drain the real queue in simulated time.

Real: `Dispatcher` with its queue and settling, the driver's `Watch` and `staffed`. Simulated: the
nodes, the workers' loop of `drain.py` and the network between. What an attempt does is given.
"""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from cluster.fleet.child import reply_to
from cluster.fleet.dispatcher import BEAT_S, WAIT_S, Dispatcher, Report
from cluster.fleet.job import Idle, Job, Lease, Placement, Reply
from cluster.fleet.watch import TICK_S, Node, Watch, sealed_jobs, staffed
from cluster.rehearsal.clock import Clock
from cluster.rehearsal.faults import Faults, Luck
from cluster.rehearsal.ledger import Ledger, Shape
from cluster.rehearsal.memory import resident_mb

Attempt = Generator[float, None, None]
"""One attempt at a job: yields the seconds that pass, and raises what a worker would."""


class Trainings(Protocol):
    """What virtual workers do."""

    def attempt(self, job: Job, luck: Luck) -> Attempt:
        """Do a job."""
        ...

    def cut_off(self, job: Job) -> None:
        """Hear that an attempt was cut off: its node or its driver is gone."""
        ...


class DeviceLost(RuntimeError):
    """What CUDA says of a broken accelerator."""


@dataclass(eq=False, slots=True)
class _Worker:
    name: str
    device: str
    lease: Lease | None = None
    attempt: Attempt | None = None
    pause: float = WAIT_S[0]
    ended: bool = False


@dataclass(eq=False, slots=True)
class _Node:
    name: str
    born: float
    broken: set[str] = field(default_factory=set)
    workers: list[_Worker] = field(default_factory=list)
    gone: bool = False


class Rehearsal:
    """One run, from its first job to its last."""

    def __init__(
        self,
        plan: Callable[[], Sequence[Job]],
        trainings: Trainings,
        *,
        clock: Clock,
        shape: Shape,
        luck: Luck,
        retries: int = 1,
        lease_s: float = 60.0,
    ) -> None:
        """Prepare a run.

        Args:
            plan: returns the jobs that a driver starts with: what is not done yet.
            trainings: what workers do.
            clock: whose time passes.
            shape: of the nodes.
            luck: decides what fails when.
            retries: see `Queue`.
            lease_s: see `Queue`.
        """
        self.ledger = Ledger()
        self._plan, self._trainings = plan, trainings
        self._clock, self._shape, self._luck = clock, shape, luck
        self._settings: dict[str, Any] = {"retries": retries, "lease_s": lease_s}
        self._placement = Placement(cpus=1.0, gpus=min(1.0, shape.devices), lanes=shape.lanes)
        self._nodes: dict[str, _Node] = {}
        self._served: dict[str, int] = {}
        self._born = self._drivers = 0
        self._away_until = 0.0
        self.finished = False
        self.memory_mb: tuple[float, ...] = ()
        """Added by the first driver (its plan, and the copy it keeps for queues) and its queue."""

    @property
    def _faults(self) -> Faults:
        return self._luck.faults

    def run(self) -> Ledger:
        """Let time pass until every job is done or given up.

        Raises:
            FleetError: for too long no node had room for a worker.
        """
        for _ in range(self._shape.nodes):
            self._bear()
        for hour in self._faults.queue_lost_h:
            self._clock.after(3600 * hour, self._lose_queue)
        for hour in self._faults.head_lost_h:
            self._clock.after(3600 * hour, self._lose_head)
        self._start_driver()
        while not self.finished:
            self._clock.step()
        now = self._clock.now
        self.ledger.lived_s += sum(now - node.born for node in self._nodes.values())
        return self.ledger

    # --- driver and queue ------------------------------------------------------------------

    def _start_driver(self) -> None:
        """Run the line: plan, start a queue on its own copy of the jobs, and watch it."""
        self._drivers += 1
        before = resident_mb()
        self._jobs = pickle.dumps(sealed := sealed_jobs(self._plan()))
        planned = resident_mb()
        self._dispatcher = self._new_queue()
        if not self.memory_mb:
            self.memory_mb = planned - before, resident_mb() - planned
        self._watch = Watch(sealed, lambda name, *a, **k: getattr(self._dispatcher, name)(*a, **k))
        self._started = self._clock.now
        self._tick(self._drivers)

    def _new_queue(self) -> Dispatcher:
        jobs = pickle.loads(self._jobs)
        return Dispatcher(jobs, **self._settings, clock=lambda: self._clock.now)

    def _tick(self, driver: int) -> None:
        """Ask the queue, and give every node that has none a group."""
        if driver != self._drivers:
            return
        if self._clock.now >= self._away_until:
            state = self._watch.ask(self._clock.now - self._started)
            self.ledger.questions += 1
            if state.finished:
                self._end_driver()
                self.ledger.failures += state.failures
                self.finished = True
                return
            left = state.progress.total - state.progress.done - state.progress.failed
            resources = {"CPU": self._shape.workers, "GPU": self._shape.devices}
            wanted = staffed(
                (Node(name, resources) for name in self._nodes),
                self._served,
                placement=self._placement,
                open_jobs=left,
                retired=self._watch.retired,
            )
            for name, workers in wanted:
                self._served[name] = workers
                start = partial(self._start_group, self._nodes[name], workers, driver)
                self._clock.after(self._luck.about(self._faults.group_s), start)
            seconds = self._clock.now - self._started
            self._watch.check_room(bool(self._served), self._placement, seconds=seconds)
        self._clock.after(TICK_S, partial(self._tick, driver))

    def _end_driver(self) -> None:
        self.ledger.entries += self._watch.journal
        self.ledger.retired |= set(self._watch.retired)

    def _lose_queue(self) -> None:
        """Start the queue's process anew, empty; workers wait meanwhile."""
        self._away_until = max(self._away_until, self._clock.now + self._faults.queue_away_s)
        self._dispatcher = self._new_queue()

    def _lose_head(self) -> None:
        """End queue, driver and the workers that belong to it; run the line again."""
        self._end_driver()
        self._drivers += 1
        for node in self._nodes.values():
            self._stop_workers(node)
        self._served.clear()
        self._clock.after(self._faults.head_away_s, self._start_driver)

    # --- nodes -----------------------------------------------------------------------------

    def _bear(self) -> None:
        """Add a node, and say when it goes and when its devices break."""
        self._born += 1
        node = _Node(name=f"node{self._born}", born=self._clock.now)
        self._nodes[node.name] = node
        self._clock.after(self._luck.life_s(), partial(self._end_node, node))
        for number in range(self._shape.devices):
            device = f"{node.name}/{number}"
            self._clock.after(self._luck.device_s(), partial(node.broken.add, device))
        self._clock.after(BEAT_S, partial(self._beat, node))

    def _end_node(self, node: _Node) -> None:
        """Take a node away; the driver notices later, and another one comes."""
        del self._nodes[node.name]
        node.gone = True
        self.ledger.deaths += 1
        self.ledger.lived_s += self._clock.now - node.born
        self._stop_workers(node)
        self._clock.after(self._faults.notice_s, partial(self._notice, node.name, self._drivers))
        self._clock.after(self._luck.about(self._faults.birth_s), self._bear)

    def _notice(self, name: str, driver: int) -> None:
        if driver == self._drivers and self._served.pop(name, 0):
            self._dispatcher.lose(f"{name}/")

    def _stop_workers(self, node: _Node) -> None:
        for worker in node.workers:
            worker.ended = True
            if worker.attempt is not None and worker.lease is not None:
                worker.attempt.close()
                self.ledger.working_s += self._clock.now - worker.lease.started
                self._trainings.cut_off(worker.lease.job)
        node.workers = []

    def _beat(self, node: _Node) -> None:
        """Let every worker of a node that has long had a job say that it is alive."""
        if node.gone:
            return
        now = self._clock.now
        for worker in node.workers if now >= self._away_until else ():
            if worker.lease is not None and now - worker.lease.started >= BEAT_S:
                self._dispatcher.renew(worker.lease)
                self.ledger.renewals += 1
        self._clock.after(BEAT_S, partial(self._beat, node))

    # --- workers ---------------------------------------------------------------------------

    def _start_group(self, node: _Node, workers: int, driver: int) -> None:
        if node.gone or driver != self._drivers:
            return
        for rank, lane in itertools.product(range(workers), range(self._shape.lanes)):
            device = f"{node.name}/{rank}" if self._shape.devices else ""
            worker = _Worker(name=f"{node.name}/{rank}.{lane}", device=device)
            node.workers.append(worker)
            self._exchange(node, worker, None)

    def _exchange(self, node: _Node, worker: _Worker, report: Report | None) -> None:
        """Report and ask, once the round trip is over and the queue is there."""
        if worker.ended:
            return
        if self._clock.now < self._away_until:
            again = partial(self._exchange, node, worker, report)
            self._clock.after(self._away_until - self._clock.now, again)
            return
        answer = self._dispatcher.exchange(worker.name, report, worker.device)
        self.ledger.exchanges += 1
        if answer is Idle.FINISHED:
            self._retire(node, worker)
        elif isinstance(answer, Lease):
            worker.lease, worker.pause = answer, WAIT_S[0]
            worker.attempt = self._trainings.attempt(answer.job, self._luck)
            self._resume(node, worker)
        else:
            self._clock.after(worker.pause, partial(self._exchange, node, worker, None))
            worker.pause = min(2 * worker.pause, WAIT_S[1])

    def _retire(self, node: _Node, worker: _Worker) -> None:
        """End a worker; its group ends with the last of them."""
        worker.ended = True
        node.workers.remove(worker)
        if not node.workers:
            self._served.pop(node.name, None)

    def _resume(self, node: _Node, worker: _Worker) -> None:
        """Let an attempt go on until it waits again, or ends."""
        if worker.ended or worker.attempt is None or worker.lease is None:
            return
        try:
            if worker.device in node.broken:
                worker.attempt.throw(DeviceLost("CUDA error: uncorrectable ECC error encountered"))
            seconds = next(worker.attempt)
        except StopIteration:
            reply = Reply()
        except Exception as error:
            reply = reply_to(error)
        else:
            self._clock.after(seconds, partial(self._resume, node, worker))
            return
        lease, worker.lease, worker.attempt = worker.lease, None, None
        self.ledger.working_s += self._clock.now - lease.started
        if reply.error is not None:
            self._trainings.cut_off(lease.job)
        report = Report(lease=lease, reply=reply, device=worker.device)
        again = partial(self._exchange, node, worker, report)
        self._clock.after(self._faults.exchange_s, again)
