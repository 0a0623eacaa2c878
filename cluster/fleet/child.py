"""One process that does jobs for its parent, one in each of its lanes, and may die doing so.

Isolation is its point: a job that takes its process down costs itself one attempt, and neither
the parent nor other processes. Knows nothing of queues, nor of Ray.
"""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Self

from cluster.fleet.devices import Health, health_after
from cluster.fleet.job import ChildDied, FleetError, Job, Reply, Sealed

logger = logging.getLogger(__name__)

Work = Callable[[Job], Mapping[str, float] | None]
"""Does a job and publishes its result before it returns; may return amounts to be counted."""

_WATCH_S = 0.5
_GRACE_S = 5.0
_ENDED = (EOFError, BrokenPipeError, ConnectionResetError)


class Stopping:
    """Is stopped at the end of a `with`."""

    def stop(self) -> None:
        """End what was begun."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self.stop()


class Child(Stopping):
    """A process that runs `work`. Started at once; `ready` says whether it can take a job."""

    def __init__(
        self, work: bytes, *, lanes: int = 1, variables: Mapping[str, str] | None = None
    ) -> None:
        """Start it.

        Args:
            work: what `sealed` made.
            lanes: jobs it can have in hand at once, in threads; one is done in its main thread.
            variables: further environment variables.
        """
        ours, theirs = Pipe()
        self.connection = ours
        self.ready = False
        self._process = subprocess.Popen(
            [sys.executable, "-m", "cluster.fleet.child", str(theirs.fileno()), str(lanes)],
            pass_fds=[theirs.fileno()],
            env=_environment() | dict(variables or {}),
        )
        theirs.close()
        with contextlib.suppress(*_ENDED):  # whoever listens to it will notice
            ours.send_bytes(work)

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def give(self, job: Job, *, lane: int = 0) -> None:
        """Send a job to an idle lane; a process that died is noticed by listening to it.

        Raises:
            Exception: the payload does not pickle.
        """
        message = pickle.dumps((lane, job))
        with contextlib.suppress(*_ENDED):
            self.connection.send_bytes(message)

    def listen(self) -> Reply | None:
        """Take the next message: a lane's reply, or `None` from a process that is ready.

        Raises:
            ChildDied: there is no more message; the text is the exit reason.
        """
        try:
            reply = self.connection.recv()
        except _ENDED:
            raise ChildDied(self._exit_reason()) from None
        if self.ready:
            assert isinstance(reply, Reply)
            return reply
        self.ready = True
        return None

    def stop(self) -> None:
        """Listen no more, and end the process."""
        self.connection.close()
        self.end()

    def end(self) -> None:
        """End the process, by force if need be; whoever listens to it hears of it."""
        self._process.terminate()
        try:
            self._process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _exit_reason(self) -> str:
        """Return how the process ended, once it has."""
        code = self._process.wait()
        if code < 0:
            name = signal.Signals(-code).name
            hint = ", often for want of memory" if name == "SIGKILL" else ""
            return f"its worker process died: killed by {name}{hint}"
        return f"its worker process died: exit code {code}"


@contextlib.contextmanager
def kept_children() -> Iterator[list[Child]]:
    """Give a list for idle processes that one call leaves to the next; stop them at the end."""
    children: list[Child] = []
    try:
        yield children
    finally:
        for child in children:
            child.stop()


def sealed(work: Work) -> bytes:
    """Pickle work for children, by the names they will import.

    Raises:
        FleetError: it has no such name.
    """
    advice = "what workers do must be importable by name in another process, but"
    try:
        data = pickle.dumps(work)
    except Exception as error:
        raise FleetError(f"{advice} {describe(error)}; define it in a module") from error
    if b"__main__" in data:
        raise FleetError(f"{advice} it belongs to the script that is run; import it by its name")
    return data


def attempt(work: Work, job: Job) -> Reply:
    """Do a job in this process; an exception becomes a reply."""
    try:
        if isinstance(job.payload, Sealed):
            job = replace(job, payload=pickle.loads(job.payload.data))
        return Reply(counts=work(job) or {})
    except Exception as error:
        logger.debug("%s raised", job.name, exc_info=True)
        return reply_to(error)


def reply_to(error: Exception) -> Reply:
    """Return what an attempt that raised came to: whose fault it was, and what broke."""
    health = health_after(error)
    blameless = health in {Health.LOST, Health.FULL} or bool(getattr(error, "blameless", False))
    return Reply(error=describe(error), blameless=blameless, health=health)


def describe(error: BaseException) -> str:
    """Return an error's type and text in one line, as a failure shows it."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _environment() -> dict[str, str]:
    """Return variables of a process that imports what this one can, on a thread of its own."""
    # One thread each: n workers share n cores, and two such processes beat one of two threads.
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    paths = [path or os.getcwd() for path in sys.path]
    return os.environ | threads | {"PYTHONPATH": os.pathsep.join(paths)}


def _die_with(parent: int) -> None:
    """End this process when its parent has ended, by whatever means."""
    while os.getppid() == parent:
        time.sleep(_WATCH_S)
    os._exit(1)


def _main(descriptor: int, lanes: int) -> None:
    """Do what the parent sends until it closes the pipe or dies."""
    parent = os.getppid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C for all
    threading.Thread(target=_die_with, args=(parent,), daemon=True).start()
    connection = Connection(descriptor)
    with contextlib.suppress(*_ENDED):
        work = pickle.loads(connection.recv_bytes())
        connection.send(None)
        if lanes > 1:
            _do_at_once(connection, work, lanes)
        while True:
            lane, job = pickle.loads(connection.recv_bytes())
            connection.send(replace(attempt(work, job), lane=lane))


def _do_at_once(connection: Connection, work: Work, lanes: int) -> None:
    """Do jobs in threads, as they come."""
    sending = threading.Lock()

    def do(lane: int, job: Job) -> None:
        try:
            reply = replace(attempt(work, job), lane=lane)
            with sending:
                connection.send(reply)
        except BaseException:  # it would end this thread alone, and the lane wait for ever
            traceback.print_exc()
            os._exit(1)

    with ThreadPoolExecutor(lanes, thread_name_prefix="lane") as threads:
        while True:
            threads.submit(do, *pickle.loads(connection.recv_bytes()))


if __name__ == "__main__":
    _main(int(sys.argv[1]), int(sys.argv[2]))
