"""Builds and tunes on the wire. Knows nothing of where they are told of."""

from __future__ import annotations

from typing import Literal

from serve.wire import Model


class RunCost(Model):
    """What a kind of run has cost so far."""

    unit: str
    """What a worker takes: `core` or `GPU`."""
    hours: float
    """Of such, over all runs of the kind on this store."""


class Run(Model):
    """How a build or a tune stands, by the latest snapshot that it left."""

    kind: Literal["build", "tune"]
    state: Literal["running", "ended", "silent"]
    """A silent one was probably killed."""
    line: str
    """How far it is, in words."""
    total: int
    done: int
    failed: int
    """Given up."""
    retried: int
    """Attempts that failed and were followed by another."""
    lost: int
    """Attempts that ended by another's fault."""
    fraction: float
    """Of its cost, done or failed: in [0, 1]."""
    running: list[str]
    """What is worked on, oldest first; at most 20."""
    seconds: float
    """Since it began, as the latest snapshot has it."""
    age_seconds: float
    """Since that snapshot."""
    cost: list[RunCost]


class RunFailure(Model):
    """A job given up."""

    label: str
    """What was given up."""
    error: str
    """Type and text of its last error, without places of files."""
    attempts: int
    """How often it was tried."""


class TeacherCost(Model):
    """What was trained of one teacher, and for how long."""

    teacher: str
    students: int
    """Of it that were trained and measured."""
    hours: float
    """Hours of their trainings."""


class RunList(Model):
    """How builds and tunes of the service's store stand."""

    runs: list[Run]
    failures: list[RunFailure]
    """Jobs given up that none has done since; at most 100."""
    teachers: list[TeacherCost]
    """By hours, most first; at most 200."""
    records: int
    """Measured students in the store."""
