"""Does the jobs of a store, each in a process of its own, a bounded number at once.

One runner works at a time: a job whose last word is fresh is another's. One that was left running
goes on where it stopped. Knows nothing of Ray, nor of what a job does.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from dass.errors import DassError, StorageError
from serve.job_store import LINES, Jobs, State
from serve.refusals import Problem
from serve.runs import placeless

logger = logging.getLogger(__name__)

TICK_S, BEATS = 0.5, 10
"""Seconds between two looks at a job, and looks after which it is written down unchanged."""
ROOT = Path(__file__).parents[1]


@dataclass(eq=False)
class _Run:
    """One job under way in a process of this one's."""

    name: str
    state: State
    process: subprocess.Popen[str]
    before_s: float
    """That it was worked on before."""
    began: float = field(default_factory=time.monotonic)
    said: deque[str] = field(default_factory=deque)
    wrong: deque[str] = field(default_factory=lambda: deque(maxlen=20))
    readers: list[threading.Thread] = field(default_factory=list)
    beats: int = 0

    def read(self, pipe: IO[str], into: deque[str]) -> None:
        """Take what the process says, as it comes."""
        reader = threading.Thread(target=lambda: into.extend(iter(pipe.readline, "")), daemon=True)
        reader.start()
        self.readers.append(reader)

    def hear(self) -> bool:
        """Put what was said since into the state; return whether anything was."""
        news = False
        while self.said:
            self.state.lines.append(placeless(self.said.popleft()))
            news = True
        del self.state.lines[:-LINES]
        self.state.seconds = self.before_s + time.monotonic() - self.began
        return news

    def kill(self) -> None:
        """End the process; it has no children."""
        self.process.kill()
        self.process.wait()
        self.close()

    def close(self) -> None:
        """Take the last words of a process that has ended, and give its pipes back."""
        for reader in self.readers:
            reader.join(5)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()


class JobRunner:
    """Runs jobs until it is stopped; `start` makes a thread that does."""

    def __init__(self, jobs: Jobs, *, folder: str) -> None:
        """Run the jobs of a store.

        Args:
            jobs: which, with what, and how many at once.
            folder: of this machine, in which a job that was stopped goes on.
        """
        self.jobs, self.folder = jobs, Path(folder).absolute()
        self._runs: dict[str, _Run] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._loop, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End every process; the jobs are told as stopped, and go on with the next runner."""
        self._over.set()
        self._thread.join(20)
        for run in self._runs.values():
            run.kill()
            run.hear()
            run.state.state = "stopped"
            self._save(run)
        self._runs.clear()

    def pids(self) -> list[int]:
        """Return the processes of the jobs under way, for tests."""
        return [run.process.pid for run in self._runs.values()]

    def _loop(self) -> None:
        while not self._over.wait(TICK_S):
            try:
                for run in list(self._runs.values()):
                    self._look(run)
                if len(self._runs) < self.jobs.at_once:
                    self._take()
            except (DassError, StorageError) as error:
                logger.warning("jobs wait, since the store does not answer: %s", error)
            except Exception:
                logger.exception("a look at the jobs failed")

    def _take(self) -> None:
        """Start what waits, the oldest first, as many as there is room for."""
        for name in self.jobs.names():
            if len(self._runs) >= self.jobs.at_once:
                return
            if name in self._runs:
                continue
            try:
                asked, state = self.jobs.read(name)
            except DassError as error:  # broken, or just deleted
                logger.warning("job %s is left out: %s", name, error)
                continue
            if state.state == "cancelled" and state.updated == 0:
                self.jobs.save(name, state)  # nobody began it
            if state.state in ("queued", "stopped"):
                self._begin(name, state, source=self.jobs.data.get(asked.request.data))

    def _begin(self, name: str, state: State, *, source: str | None) -> None:
        if source is None:
            state.state = "failed"
            state.error = Problem(code="NotOffered", message="its images are no longer allowed")
            self.jobs.save(name, state)
            return
        if state.state == "stopped":
            state.lines.append("it was stopped, and goes on")
        state.state = "running"
        if not self.jobs.save(name, state):
            return
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        where = str(self.jobs.store.root)
        process = subprocess.Popen(
            [sys.executable, "-m", "serve.job_process", where, name, source, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": _path()},
        )
        run = self._runs[name] = _Run(name, state, process, before_s=state.seconds)
        assert process.stdout and process.stderr, "both are pipes"
        run.read(process.stdout, run.said)
        run.read(process.stderr, run.wrong)

    def _look(self, run: _Run) -> None:
        """Write down what a job said, or how it ended; stop one that is not wanted any more."""
        code = run.process.poll()
        if code is not None:
            self._end(run, code)
            return
        run.beats += 1
        if not run.hear() and run.beats % BEATS and not self._unwanted(run.name):
            return
        if not self._save(run):
            run.kill()
            run.state.state = "cancelled"
            self._forget(run)

    def _unwanted(self, name: str) -> bool:
        try:
            return self.jobs.read(name)[1].state == "cancelled"
        except DassError:
            return True

    def _end(self, run: _Run, code: int) -> None:
        run.close()
        run.hear()
        run.state.state = "done" if code == 0 else "failed"
        if code:
            run.state.error = _problem(code, list(run.wrong))
            logger.warning("job %s failed: %s", run.name, "".join(run.wrong))
        self._forget(run)

    def _forget(self, run: _Run) -> None:
        """Write down how a job ended, and remove its folder."""
        self._save(run)
        del self._runs[run.name]
        shutil.rmtree(self.folder / run.name, ignore_errors=True)

    def _save(self, run: _Run) -> bool:
        try:
            return self.jobs.save(run.name, run.state)
        except StorageError as error:
            logger.warning("how job %s stands could not be written: %s", run.name, error)
            return True


def _problem(code: int, wrong: list[str]) -> Problem:
    """Return why a job failed: its own words, or how its process ended."""
    try:
        told = json.loads(wrong[-1])
        return Problem(code=str(told["code"]), message=placeless(str(told["message"])))
    except (IndexError, ValueError, KeyError, TypeError):
        killed = ", often for want of memory" if code == -9 else ""
        return Problem(
            code="InternalError",
            message=f"the job's process must end by itself, but died with {code}{killed}; the "
            "service's log says more",
        )


def _path() -> str:
    return os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
