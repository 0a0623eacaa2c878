"""Jobs that the service keeps: asked for here, done by whoever runs them, told of here.

service/jobs/ID/request.json    what was asked, once and for all
service/jobs/ID/state.json      how it stands; only its runner writes it
service/jobs/ID/cancelled       that it shall stop
service/jobs/ID/files/NAME      what came of it

Knows nothing of processes, nor of protocols.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from dass.errors import CorruptArtifact, MissingKey, UnknownName
from dass.store.store import Store
from serve.job_wire import Job, JobFile, JobList, JobRequest, JobState, JobSummary
from serve.limits import InvalidRequest, Limits, NotOffered
from serve.names import FILE, ID, has_form
from serve.refusals import Problem
from serve.requests import SearchRequest

JOBS = "service/jobs"
STALE_S = 30.0
"""Seconds without a word from its runner, after which a running job is taken to be stopped."""
ENDED = ("done", "failed", "cancelled")
LINES = 200
PART_BYTES = 2**20
"""Of a file, at once; gRPC takes messages of four times that without being told."""

B = TypeVar("B", bound=BaseModel)


class Asked(BaseModel):
    """What was asked."""

    created: str
    request: JobRequest
    search: SearchRequest | None = None
    """The search whose order it goes by, with all measured students that there were; jobs of
    before have none, and go by what `dass compress` goes by."""
    predictor: str | None = None
    """Name of the predictor of that search."""


class State(BaseModel):
    """How a job stands."""

    state: JobState = "queued"
    seconds: float = 0.0
    lines: list[str] = []
    error: Problem | None = None
    updated: float = 0.0
    """When its runner wrote this last: seconds since 1970."""


class Jobs:
    """The jobs of a store; threads and processes may share one."""

    def __init__(
        self,
        store: Store,
        limits: Limits,
        *,
        data: Mapping[str, str] | None = None,
        at_once: int = 0,
        predictor: str = "predictor",
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Keep jobs.

        Args:
            store: where.
            limits: how many, and how long they may take.
            data: images that they may use, by name.
            at_once: how many are done at once; 0 for none, and then none is taken.
            predictor: name of the one whose order they go by.
            clock: seconds since 1970.
        """
        self.store, self.limits, self._clock = store, limits, clock
        self.data, self.at_once, self.predictor = dict(data or {}), at_once, predictor

    def create(self, request: JobRequest, search: SearchRequest | None = None) -> JobSummary:
        """Keep a new job, whose teacher and budget were checked, and the search that it is of.

        Raises:
            NotOffered: the service does none.
            InvalidRequest: it may not use those images.
            TooLarge: as many are kept as may be, or it may not take that long.
        """
        self.check(request)
        self.limits.at_most("jobs", len(self.names()) + 1)
        now = datetime.fromtimestamp(self._clock(), UTC)
        name = f"{now:%Y%m%dT%H%M%S%f}-{uuid.uuid4().hex[:8]}"
        by = None if search is None else self.predictor
        asked = Asked(created=now.isoformat(), request=request, search=search, predictor=by)
        state = State()
        self.store.write(_key(name, "state.json"), state.model_dump_json().encode())
        self.store.write(_key(name, "request.json"), asked.model_dump_json().encode())
        return self._summary(name, asked, state)

    def check(self, request: JobRequest) -> None:
        """Raise what `create` would of a request alone."""
        if not self.at_once:
            raise NotOffered(
                "the service must be started with `--jobs 1` and `--data NAME SOURCE` to train, "
                "but was not; train with `dass compress` where the images are"
            )
        if request.data not in self.data:
            error = InvalidRequest(
                f"`data` must be one of those that the operator allowed, {sorted(self.data)}, but "
                f"got {request.data!r}"
            )
            error.field = "data"
            raise error
        self.limits.at_most("minutes", request.minutes)

    def all(self) -> JobList:
        """Return all, newest first; one that is broken or was just deleted is left out."""

        def one(name: str) -> JobSummary | None:
            try:
                return self._summary(name, *self.read(name))
            except (CorruptArtifact, UnknownName):
                return None

        with ThreadPoolExecutor(8) as threads:
            found = threads.map(one, reversed(self.names()))
            jobs = [job for job in found if job is not None]
        return JobList(jobs=jobs, data=sorted(self.data), at_once=self.at_once)

    def get(self, name: str) -> Job:
        """Return a job, how it stands and what came of it.

        Raises:
            UnknownName: there is none of that id.
        """
        asked, state = self.read(name)
        return Job(
            **self._summary(name, asked, state).model_dump(exclude={"request"}),
            request=asked.request,
            lines=state.lines,
            files=self._files(name) if state.state == "done" else [],
            error=state.error,
        )

    def file(self, name: str, file: str) -> tuple[int, Iterator[bytes]]:
        """Return the bytes of a file that came of a job: how many, and in parts of a mebibyte.

        Raises:
            UnknownName: there is no such job or file.
        """
        _, state = self.read(name)
        try:
            if state.state != "done" or not has_form(FILE, file):
                raise MissingKey("no file")
            key = _key(name, f"files/{file}")
            return self.store.size(key), self.store.parts(key, most=PART_BYTES)
        except MissingKey as error:
            raise UnknownName(
                f"a file must have come of a job, but none called {file[:80]!r} did; the job's "
                "`files` are those"
            ) from error

    def cancel(self, name: str) -> None:
        """Stop a job and keep what it said; one that has ended stays as it is."""
        _, state = self.read(name)
        if state.state not in ENDED:
            self.store.write(_key(name, "cancelled"), b"")

    def delete(self, name: str) -> None:
        """Remove a job and all that came of it; one that is under way stops."""
        self.read(name)
        self.drop(name)

    # --- for whoever runs them -------------------------------------------------------------

    def names(self) -> list[str]:
        """Return the ids of all, oldest first."""
        keys = [key.split("/") for key in self.store.list(JOBS)]
        return [parts[-2] for parts in keys if parts[-1] == "request.json"]

    def read(self, name: str) -> tuple[Asked, State]:
        """Return what was asked of a job, and how it stands.

        Raises:
            UnknownName: there is none of that id.
            CorruptArtifact: its files are broken.
        """
        try:
            if not has_form(ID, name):
                raise MissingKey("no id of a job")
            asked = _parsed(Asked, self.store.read(_key(name, "request.json")), name)
            state = _parsed(State, self.store.read(_key(name, "state.json")), name)
        except MissingKey as error:
            raise UnknownName(
                f"a job must have been posted and not deleted, but there is none of id "
                f"{name[:80]!r}; list the jobs for those that there are"
            ) from error
        if state.state in ENDED:
            return asked, state
        if self.store.exists(_key(name, "cancelled")):
            return asked, state.model_copy(update={"state": "cancelled"})
        if state.state == "running" and self._clock() - state.updated > STALE_S:
            return asked, state.model_copy(update={"state": "stopped"})
        return asked, state

    def save(self, name: str, state: State) -> bool:
        """Write how a job stands; return whether it is still there and wanted."""
        state.updated = self._clock()
        self.store.write(_key(name, "state.json"), state.model_dump_json().encode())
        if not self.store.exists(_key(name, "request.json")):
            self.drop(name)
            return False
        return not self.store.exists(_key(name, "cancelled"))

    def put_file(self, name: str, file: str, data: bytes) -> None:
        """Keep a file that came of a job."""
        self.store.write(_key(name, f"files/{file}"), data)

    def drop(self, name: str) -> None:
        """Remove all of a job, first what says that it is there."""
        self.store.delete(_key(name, "request.json"))
        for key in self.store.list(f"{JOBS}/{name}"):
            self.store.delete(key)

    def _files(self, name: str) -> list[JobFile]:
        keys = self.store.list(f"{JOBS}/{name}/files")
        return [JobFile(name=k.split("/")[-1], bytes=self.store.size(k)) for k in keys]

    def _summary(self, name: str, asked: Asked, state: State) -> JobSummary:
        return JobSummary(
            id=name,
            state=state.state,
            created=asked.created,
            request=asked.request,
            seconds=state.seconds,
        )


def _key(name: str, rest: str) -> str:
    return f"{JOBS}/{name}/{rest}"


def _parsed(kind: type[B], data: bytes, name: str) -> B:
    try:
        return kind.model_validate_json(data)
    except ValidationError as error:
        raise CorruptArtifact(f"the files of job {name} must be whole, but: {error}") from error
