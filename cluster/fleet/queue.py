"""Who does which job next: leases, stay-with-your-group, stealing, retries. Pure decisions.

Time is an argument, workers are names, and every method is a transition of plain data, so one
queue serves threads, processes and actors. Each job is done once, failed, running or waiting.
`waiting.py` chooses which of those a worker gets. Knows nothing of Ray, clocks or stores.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from cluster.fleet.job import SUSPECT, Entry, Failure, Idle, Job, Lease, Verdict
from cluster.fleet.waiting import Waiting
from cluster.progress import Progress


@dataclass(slots=True)
class _State:
    """What became of one job so far."""

    job: Job
    order: int
    attempts: int = 0
    losses: int = 0
    closed: bool = False
    done: bool = False


class Queue:
    """Jobs by group, longest first; fresh ones before retried ones."""

    def __init__(
        self,
        jobs: Iterable[Job] = (),
        *,
        retries: int = 2,
        losses: int = 10,
        lease_s: float = math.inf,
        first_token: int = 1,
    ) -> None:
        """Take in jobs.

        Args:
            retries: further attempts of a job that failed by its own fault; >= 0.
            losses: how often a job may be lost by others' faults before it is taken for the
                cause; >= 0. Stops a job that takes whole nodes down.
            lease_s: seconds a worker may be silent before it is taken for dead; > 0.
            first_token: of the leases; a queue that follows another needs tokens of its own, so
                that a worker of the former does not speak for one of its own.
        """
        if retries < 0 or losses < 0 or not lease_s > 0:
            raise ValueError(
                "retries >= 0, losses >= 0 and lease_s > 0 must hold, but got "
                f"{retries=}, {losses=}, {lease_s=}"
            )
        self.retries, self.losses, self.lease_s = retries, losses, lease_s
        self.failures: list[Failure] = []
        self.journal: list[Entry] = []
        self.left: Counter[str] = Counter()  # jobs of each group neither done nor given up
        self._states: dict[str, _State] = {}
        self._waiting = Waiting()
        self._leases: dict[int, Lease] = {}
        self._held: dict[str, int] = {}
        self._tokens = first_token - 1
        self._counts: Counter[Verdict] = Counter()
        self._open_cost = self._closed_cost = self._busy_s = 0.0
        self._open = 0
        self._dependents: dict[str, list[str]] = {}
        self._kinds: dict[str, list[int]] = {}
        self.add(jobs)

    def add(self, jobs: Iterable[Job]) -> None:
        """Take in more jobs, whose keys must be new; what one needs must have come before."""
        for job in jobs:
            if job.key in self._states:
                raise ValueError(
                    f"keys of jobs must be unique, but {job.key!r} comes twice; put what tells "
                    "the two apart into the key"
                )
            if job.needs and job.needs not in self._states:
                raise ValueError(
                    f"what a job needs must come before it, but {job.name!r} needs "
                    f"{job.needs!r}, which has not; reorder them"
                )
            state = self._states[job.key] = _State(job=job, order=len(self._states))
            self._open += 1
            self.left[job.group] += 1
            self._open_cost += job.cost
            self._kinds.setdefault(job.kind, [0, 0])[1] += 1
            if not job.needs or self._states[job.needs].done:
                self._push(state)
            elif self._states[job.needs].closed:
                self._orphan(state)
            else:
                self._dependents.setdefault(job.needs, []).append(job.key)

    def take(self, worker: str, *, now: float) -> Lease | Idle:
        """Give a worker its next job: of its own group if that has any, else of the neediest.

        A worker that asks while it holds a lease has lost that job without blame.
        """
        if worker in self._held:
            self._drop(self._leases[self._held[worker]], "asked for another job", now=now)
        job = self._waiting.pop(worker)
        if job is None:
            return Idle.WAIT if self._open else Idle.FINISHED
        token = self._held[worker] = self._tokens = self._tokens + 1
        lease = self._leases[token] = Lease(
            job=job,
            token=token,
            worker=worker,
            started=now,
            deadline=now + self.lease_s,
            alone=self._states[job.key].losses >= SUSPECT,
        )
        return lease

    def finish(self, key: str, *, token: int, now: float) -> Verdict:
        """Mark a job done. Work that ends after its lease did still counts, once."""
        lease = self._release(token, now)
        state = self._states.get(key)
        if state is None or state.closed:
            return Verdict.STALE
        if key in self._waiting:
            self._waiting.withdraw(key)
        self._complete(state)
        seconds = now - lease.started if lease else 0.0
        return self._note(Entry(key=key, verdict=Verdict.DONE, seconds=seconds))

    def fail(self, token: int, error: str, *, now: float, blameless: bool = False) -> Verdict:
        """Count a failed attempt; retry the job, or give it up after the last.

        An attempt that failed by another's fault is counted among the losses.
        """
        lease = self._leases.get(token)
        if lease is None:
            return Verdict.STALE
        return self._drop(lease, error, blame=None if blameless else error, now=now)

    def lose(self, worker: str, *, now: float, blame: str | None = None) -> Verdict:
        """Take a worker for gone, and its job back.

        Args:
            blame: the error, if its own job brought the worker down (it costs the job an
                attempt); `None` if the worker was stopped for another's fault.
        """
        self._waiting.leave(worker)
        token = self._held.get(worker)
        if token is None:
            return Verdict.STALE
        error = blame or "its worker was lost"
        return self._drop(self._leases[token], error, blame=blame, now=now)

    def renew(self, worker: str, *, now: float) -> None:
        """Move the deadline of what a worker holds: it is alive."""
        token = self._held.get(worker)
        if token is not None:
            self._leases[token] = replace(self._leases[token], deadline=now + self.lease_s)

    def adopt(self, lease: Lease, *, now: float) -> None:
        """Take over what a worker holds from a former queue, unless the job went elsewhere."""
        if lease.job.key in self._waiting and lease.worker not in self._held:
            job = self._waiting.withdraw(lease.job.key)
            self._waiting.stay(lease.worker, job.group)
            self._held[lease.worker] = lease.token
            self._leases[lease.token] = replace(lease, started=now, deadline=now + self.lease_s)

    def expire(self, *, now: float) -> list[Lease]:
        """Take back every job whose worker was silent past its deadline; return those leases."""
        late = [lease for lease in self._leases.values() if lease.deadline <= now]
        for lease in late:
            self.lose(lease.worker, now=now)
        return late

    def replay(self, journal: Sequence[Entry]) -> None:
        """Bring the jobs of this queue to where a former queue's journal left them."""
        held = {lease.job.key for lease in self._leases.values()}  # workers may have said so
        for entry in journal:
            state = self._states.get(entry.key)
            if state is None or state.closed:
                continue
            if entry.key in self._waiting:
                self._waiting.withdraw(entry.key)
            self._busy_s += entry.seconds
            match entry.verdict:
                case Verdict.DONE:
                    self._complete(state)
                case Verdict.RETRY:
                    state.attempts += 1
                case Verdict.LOST:
                    state.losses += 1
                case Verdict.FAILED:
                    state.attempts += 1
                    self._give_up(state, entry.error)
            if not state.closed and state.job.key not in held:
                self._push(state)
            self._note(entry)

    def running(self) -> list[Lease]:
        """Return the leases held now, oldest first."""
        return sorted(self._leases.values(), key=lambda lease: lease.token)

    @property
    def finished(self) -> bool:
        """Whether every job is done or failed."""
        return self._open == 0

    @property
    def pending(self) -> int:
        """How many jobs wait for a worker."""
        return len(self._waiting)

    def progress(self, *, seconds: float, now: float) -> Progress:
        """Return counts and times, `seconds` after the run began."""
        running = self.running()
        done, failed = self._counts[Verdict.DONE], self._counts[Verdict.FAILED]
        cost = self._open_cost + self._closed_cost
        fraction = self._closed_cost / cost if cost else (done + failed) / (len(self._states) or 1)
        return Progress(
            total=len(self._states),
            done=done,
            failed=failed,
            retried=self._counts[Verdict.RETRY],
            lost=self._counts[Verdict.LOST],
            running=tuple(lease.job.name for lease in running),
            kinds=tuple((kind, done, total) for kind, (done, total) in self._kinds.items()),
            seconds=seconds,
            busy_s=self._busy_s + sum(now - lease.started for lease in running),
            fraction=fraction,
        )

    def _drop(self, lease: Lease, error: str, *, now: float, blame: str | None = None) -> Verdict:
        """End a lease without success: the job is retried, or given up after its last attempt."""
        self._release(lease.token, now)
        state, seconds = self._states[lease.job.key], now - lease.started
        if state.closed:  # another worker finished it after this lease was thought lost
            return Verdict.STALE
        if blame is None:
            state.losses += 1
            verdict = Verdict.LOST if state.losses <= self.losses else Verdict.FAILED
        else:
            state.attempts += 1
            verdict = Verdict.RETRY if state.attempts <= self.retries else Verdict.FAILED
        if verdict is Verdict.FAILED:
            self._give_up(state, error)
        else:
            self._push(state)
        return self._note(Entry(key=state.job.key, verdict=verdict, error=error, seconds=seconds))

    def _note(self, entry: Entry) -> Verdict:
        self.journal.append(entry)
        self._counts[entry.verdict] += 1
        return entry.verdict

    def _complete(self, state: _State) -> None:
        self._close(state)
        state.done = True
        self._kinds[state.job.kind][0] += 1
        for key in self._dependents.pop(state.job.key, ()):
            if not self._states[key].closed:
                self._push(self._states[key])

    def _orphan(self, state: _State) -> None:
        """Give a job up whose need was given up; it was never tried."""
        error = f"it needs {self._states[state.job.needs].job.name}, which failed"
        self._give_up(state, error)
        self._note(Entry(key=state.job.key, verdict=Verdict.FAILED, error=error))

    def _give_up(self, state: _State, error: str) -> None:
        self._close(state)
        self.failures.append(
            Failure(
                key=state.job.key,
                label=state.job.name,
                error=error,
                attempts=state.attempts or state.losses,
            )
        )
        for key in self._dependents.pop(state.job.key, ()):
            if not self._states[key].closed:
                self._orphan(self._states[key])

    def _close(self, state: _State) -> None:
        state.closed = True
        self._open -= 1
        self.left[state.job.group] -= 1
        self._open_cost -= state.job.cost
        self._closed_cost += state.job.cost

    def _release(self, token: int, now: float) -> Lease | None:
        lease = self._leases.pop(token, None)
        if lease is not None:
            self._held.pop(lease.worker, None)
            self._busy_s += now - lease.started
        return lease

    def _push(self, state: _State) -> None:
        self._waiting.push(state.job, attempts=state.attempts, order=state.order)
