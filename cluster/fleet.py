"""Many short jobs through one queue: in this process, in processes of this machine, or on Ray.

`work` does one job and publishes its result before it returns, so a kill loses at most the jobs
that ran, and the same line run again does the rest. Knows nothing of what a job does or where its
result goes. Ray is imported only by `run_on_ray`.
"""

import contextlib
import logging
import multiprocessing
import os
import pickle
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from cluster.job import Failure, Idle, Job, Lease, Outcome, Verdict
from cluster.progress import Progress, ProgressBar
from cluster.queue import Queue

__all__ = [
    "Failure",
    "FleetError",
    "Job",
    "Outcome",
    "Progress",
    "ProgressBar",
    "run_inline",
]

logger = logging.getLogger(__name__)

Work = Callable[[Job], None]
Show = Callable[[Progress], None]

_STRIKES = 3
"""Workers in a row that may die before they are ready, until the run is given up."""
_TICK_S = 0.5


class FleetError(RuntimeError):
    """The workers themselves cannot run, whatever the jobs are."""


def run_inline(
    jobs: Sequence[Job],
    work: Work,
    *,
    workers: int = 1,
    retries: int = 2,
    progress: Show | None = None,
) -> Outcome:
    """Do every job on this machine; return how many were done and which were given up.

    One worker is this very process. More are fresh single-thread processes, so `work` and the
    payloads must pickle; one that dies costs the job it had one attempt, and is replaced.

    Args:
        workers: processes that work at once; >= 1.
        retries: further attempts of a job that raised or took its worker down; >= 0.
        progress: called after every job and about twice a second.

    Raises:
        FleetError: the workers died before they could take a job.
    """
    if workers < 1:
        raise ValueError(f"workers >= 1 must hold, but got {workers=}; use 1 for this process")
    queue = Queue(jobs, retries=retries)
    started = time.monotonic()

    def show() -> None:
        if progress is not None:
            now = time.monotonic()
            progress(queue.progress(seconds=now - started, now=now))

    if workers == 1:
        _run_here(queue, work, show)
    else:
        _Crew(queue, work, min(workers, len(jobs))).run(show)
    show()
    return Outcome(
        done=len(jobs) - len(queue.failures),
        failed=tuple(queue.failures),
        seconds=time.monotonic() - started,
    )


def describe(error: BaseException) -> str:
    """Return an error's type and text in one line, as a failure shows it."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def log_verdict(job: Job, verdict: Verdict, error: str) -> None:
    """Log what the queue decided on an attempt that did not succeed."""
    if verdict is Verdict.FAILED:
        logger.error("give up %s: %s", job.name, error)
    elif verdict is not Verdict.DONE:
        logger.warning("%s %s: %s", verdict.value, job.name, error)


def _run_here(queue: Queue, work: Work, show: Callable[[], None]) -> None:
    while isinstance(lease := queue.take("here", now=time.monotonic()), Lease):
        try:
            work(lease.job)
        except Exception as error:
            text = describe(error)
            logger.debug("%s raised", lease.job.name, exc_info=True)
            log_verdict(lease.job, queue.fail(lease.token, text, now=time.monotonic()), text)
        else:
            queue.finish(lease.job.key, token=lease.token, now=time.monotonic())
        show()


@dataclass(slots=True)
class _Worker:
    name: str
    process: BaseProcess
    connection: Connection
    ready: bool = False
    lease: Lease | None = None


class _Crew:
    """Processes that do the jobs, and the parent's side of talking to them."""

    def __init__(self, queue: Queue, work: Work, size: int) -> None:
        self._queue, self._work, self._size = queue, work, size
        self._workers: dict[Connection, _Worker] = {}
        self._spawned = self._strikes = 0

    def run(self, show: Callable[[], None]) -> None:
        try:
            for _ in range(self._size):
                self._spawn()
            while not self._queue.finished:
                for connection in wait(list(self._workers), timeout=_TICK_S):
                    assert isinstance(connection, Connection)
                    self._listen(self._workers[connection])
                for worker in list(self._workers.values()):
                    self._feed(worker)
                show()
        finally:
            self._stop()

    def _spawn(self) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        name = f"worker-{self._spawned}"
        process = context.Process(
            target=_serve, args=(self._work, theirs, os.getpid()), name=name, daemon=True
        )
        with _single_threaded():
            process.start()
        theirs.close()
        self._spawned += 1
        self._workers[ours] = _Worker(name=name, process=process, connection=ours)

    def _feed(self, worker: _Worker) -> None:
        """Give an idle worker its next job."""
        if not worker.ready or worker.lease is not None:
            return
        decision = self._queue.take(worker.name, now=time.monotonic())
        if isinstance(decision, Idle):
            return
        worker.lease = decision
        try:
            message = pickle.dumps(decision.job)
        except Exception as error:
            self._failed(worker, f"its payload must pickle, but {describe(error)}")
            return
        # A worker that died meanwhile is noticed by listening to it.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            worker.connection.send_bytes(message)

    def _listen(self, worker: _Worker) -> None:
        try:
            message: str | None = worker.connection.recv()
        except (EOFError, ConnectionResetError):
            self._bury(worker)
            return
        lease = worker.lease
        if not worker.ready:
            worker.ready, self._strikes = True, 0
        elif message is not None:
            self._failed(worker, message)
        elif lease is not None:
            self._queue.finish(lease.job.key, token=lease.token, now=time.monotonic())
            worker.lease = None

    def _failed(self, worker: _Worker, error: str) -> None:
        assert worker.lease is not None
        verdict = self._queue.fail(worker.lease.token, error, now=time.monotonic())
        log_verdict(worker.lease.job, verdict, error)
        worker.lease = None

    def _bury(self, worker: _Worker) -> None:
        """Charge a dead worker's job with an attempt, and replace the worker."""
        del self._workers[worker.connection]
        worker.connection.close()
        worker.process.join()
        error = f"its worker process died: {_exit_text(worker.process.exitcode)}"
        if worker.lease is not None:
            verdict = self._queue.lose(worker.name, now=time.monotonic(), blame=error)
            log_verdict(worker.lease.job, verdict, error)
        elif not worker.ready:
            self._strikes += 1
            if self._strikes >= _STRIKES:
                raise FleetError(
                    "worker processes must start, but the last "
                    f"{self._strikes} died before their first job ({error}); their own output "
                    "says why, and workers=1 shows it in this process"
                )
        if not self._queue.finished:
            self._spawn()

    def _stop(self) -> None:
        for worker in self._workers.values():
            worker.connection.close()
            worker.process.terminate()
        for worker in self._workers.values():
            worker.process.join(timeout=5)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()


def _serve(work: Work, connection: Connection, parent: int) -> None:
    """Do what the parent sends, one job at a time, until it closes the pipe or dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C for all
    threading.Thread(target=_die_with, args=(parent,), daemon=True).start()
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        connection.send(None)
        while True:
            message = connection.recv_bytes()
            connection.send(_attempt(work, message))


def _attempt(work: Work, message: bytes) -> str | None:
    try:
        job = pickle.loads(message)
        work(job)
    except Exception as error:
        logger.debug("a job raised", exc_info=True)
        return describe(error)
    return None


def _die_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_TICK_S)
    os._exit(1)


def _exit_text(code: int | None) -> str:
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        hint = ", often for want of memory" if name == "SIGKILL" else ""
        return f"killed by {name}{hint}"
    return f"exit code {code}"


@contextlib.contextmanager
def _single_threaded() -> Iterator[None]:
    """Let processes started inside use one thread each: n workers share n cores."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    former = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in former.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
