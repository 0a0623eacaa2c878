"""The nouns of a fleet: a job, a worker's lease on it, its reply, what became of it, the outcome.

Plain values that pickle, and the errors of those who work. Knows nothing of who decides
(`queue.py`) or works (`child.py`).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from cluster.fleet.devices import Health

SUSPECT = 2
"""Losses after which a job is tried alone, so that it is known whether it is the cause."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """One piece of work that one worker finishes alone."""

    key: str
    """Its identity; unique in a queue."""
    group: str
    """Jobs of one group share what is costly to load; a worker stays with its group."""
    cost: float
    """Expected effort in any unit (FLOPs, say); finite and >= 0. Longest first."""
    payload: Any = None
    """What the work needs; must pickle."""
    label: str = ""
    """Its name for people, in logs, bars and failures; the key if empty."""
    kind: str = "job"
    """What sort of job it is: one of few words, a label of metrics."""
    needs: str = ""
    """Key of the job that must be done first; empty if there is none."""

    def __post_init__(self) -> None:
        if not self.key or not math.isfinite(self.cost) or self.cost < 0:
            raise ValueError(
                "a job needs a key that is not empty and a finite cost >= 0, but got "
                f"key={self.key!r}, cost={self.cost}"
            )

    @property
    def name(self) -> str:
        """The label, or the key where there is none."""
        return self.label or self.key


@dataclass(frozen=True, slots=True)
class Sealed:
    """A payload that only its worker's child opens; nobody on the way imports what is in it."""

    data: bytes
    """The payload, pickled."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """What one attempt at a job came to."""

    error: str | None = None
    """Type and text of what was raised; `None` if the job is done."""
    blameless: bool = False
    """Whether the error was another's fault, as when the store does not answer."""
    health: Health = Health.WELL
    """What the error says of the worker that met it."""
    counts: Mapping[str, float] = field(default_factory=dict)
    """Amounts to be counted, by name: images trained on, say."""
    lane: int = 0
    """Which of its process's lanes it comes from, and so which job it is of."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """A job given up."""

    key: str
    label: str
    error: str
    """Type and text of the last error."""
    attempts: int
    """How often it was tried; tries ended by others' faults are not counted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Lease:
    """One worker's right to one job until a deadline."""

    job: Job
    token: int
    """Names this lease, so that a late worker cannot speak for its successor."""
    worker: str
    started: float
    """When it was given, in seconds of the caller's clock."""
    deadline: float
    """When the worker is taken for dead, in seconds of the caller's clock."""
    alone: bool = False
    """Whether no other job may be in its process meanwhile: it is a suspect."""


class Idle(Enum):
    """Why there is no job for a worker."""

    WAIT = "wait"
    """The others are busy, and their jobs may come back."""
    FINISHED = "finished"
    """Every job is done or failed."""


class Verdict(Enum):
    """What became of a lease."""

    DONE = "done"
    RETRY = "retry"
    """Failed by its own fault, and goes back to the queue."""
    LOST = "lost"
    """Ended by another's fault, and goes back to the queue."""
    FAILED = "failed"
    """Given up."""
    STALE = "stale"
    """Spoken for already; ignored."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One line of the journal: what became of one lease. Replayed, it rebuilds a queue."""

    key: str
    verdict: Verdict
    error: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How a run of jobs ended."""

    done: int
    """Jobs done in this run."""
    failed: tuple[Failure, ...]
    """Jobs given up, in the order they were."""
    seconds: float
    """Wall-clock seconds of the run."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Placement:
    """What a worker takes of a node; a node gets as many workers as it has room for."""

    cpus: float = 1.0
    """Cores of a worker; > 0, since Ray refuses a worker that takes nothing."""
    gpus: float = 0.0
    """Accelerators of a worker; 0.25 lets four share one."""
    lanes: int = 1
    """Jobs that a worker has in hand at once, in threads of one process; >= 1."""
    max_workers: int | None = None
    """Most workers in all; `None` takes every node there is."""

    def __post_init__(self) -> None:
        if self.cpus <= 0 or self.gpus < 0 or min(self.lanes, self.max_workers or 1) < 1:
            raise ValueError(
                "`cpus > 0`, `gpus >= 0`, `lanes >= 1` and `max_workers >= 1` must hold for a "
                f"worker, but got {self}"
            )


class FleetError(RuntimeError):
    """The workers themselves cannot run, whatever the jobs are."""


class ChildDied(RuntimeError):
    """A process ended without a word; the text is its exit reason."""


def failed_at_start(number: int, reason: str) -> str:
    """Return the message of a `FleetError`: workers die before they are ready."""
    return (
        f"worker processes must start, but the last {number} died before their first job "
        f"({reason}); their own output says why, and workers=1 shows it in this process"
    )
