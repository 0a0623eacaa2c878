"""Jobs on the wire: what is asked of one, how it stands, what came of it.

Knows nothing of who does them.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from serve.names import FILE
from serve.refusals import Problem
from serve.wire import Batch, Count, Fraction, Milliseconds, Model, Name, SearchName

Kind = Literal["verify", "compress"]
JobState = Literal["queued", "running", "done", "failed", "cancelled", "stopped"]
FileName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=100,
        json_schema_extra={"pattern": FILE},
    ),
]


class JobRequest(Model):
    """What to train: whose students, on which images, how cheap, for how long."""

    kind: Kind = "compress"
    """`verify`: a few short trainings of the search's best; `compress`: these, then one student
    trained, exported and reported."""
    teacher: Name | None = None
    """Name of a registered teacher; exactly one of this and `search`."""
    search: SearchName | None = None
    """Id of a search that the service keeps: its teacher, budget and seed, and whom it found."""
    data: Name
    """Name of images that the operator allowed (`--data NAME SOURCE`)."""
    max_flops_share: Fraction | None = None
    """Most multiply-adds, as a fraction of the teacher's."""
    max_parameters: Count | None = None
    """Most trainable parameters."""
    max_latency_ms: Milliseconds | None = None
    """Most milliseconds of one pass, as `latency_table` predicts them."""
    latency_table: Name | None = None
    """Name of the table."""
    precision: Literal["float32", "int8"] = "float32"
    """Of weights and activations in that pass."""
    batch: Batch = 1
    """Images of that pass."""
    minutes: Annotated[float, Field(gt=0, le=10_000)] = 15.0
    """What it may take; sets how many students are verified and how long the last training is."""
    seed: Annotated[int, Field(ge=0, le=2**53)] = 0
    """Equal seeds, equal answers; a job of a `search` has that one's."""


class JobName(Model):
    """Which job."""

    id: SearchName


class JobFile(Model):
    """A file that came of a job."""

    name: str
    bytes: int


class JobFileName(Model):
    """Which file of which job."""

    id: SearchName
    name: FileName


class JobSummary(Model):
    """A job, without its lines."""

    id: str
    state: JobState
    """`stopped`: nobody works on it; it goes on once the service does jobs again."""
    created: str
    """When it was posted: ISO 8601, in UTC."""
    request: JobRequest
    seconds: float
    """That it was worked on so far."""


class JobList(Model):
    """The jobs that the service keeps, newest first."""

    jobs: list[JobSummary]
    data: list[str]
    """Names of the images that jobs may use."""
    at_once: int
    """Jobs that run at once; 0 where the service does none."""


class Job(Model):
    """A job, how it stands, and what came of it."""

    id: str
    state: JobState
    """`stopped`: nobody works on it; it goes on once the service does jobs again."""
    created: str
    """When it was posted: ISO 8601, in UTC."""
    request: JobRequest
    seconds: float
    """That it was worked on so far."""
    lines: list[str]
    """What it said, oldest first; the last 200."""
    files: list[JobFile]
    """What came of it, once it is done."""
    error: Problem | None = None
    """Why there is nothing, where the state is `failed`."""
