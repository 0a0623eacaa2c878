"""Admission between protocols and ranker: who may start, who waits, who is stopped.

Asynchronous calls over the synchronous ranker: its work runs in threads, bounded in number and
time, and stops once nobody waits for the answer. Knows nothing of Ray or of protocols.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import itertools
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, TypeVar, cast

from cluster import tracing
from dass.searching.evolution import Generation
from serve import http_replies, replies, requests
from serve.job_store import Jobs
from serve.limits import (
    RETRY_AFTER_S,
    NotAllowed,
    Overloaded,
    TookTooLong,
    Unauthenticated,
    key_of_another,
)
from serve.ranker import Ranker, SearchSpec
from serve.search_runs import SearchRuns
from serve.searches import Searches
from serve.settings import digest
from serve.wire import Model

T = TypeVar("T")
R = TypeVar("R", bound=Model)
Role = Literal["operator", "reader"]

REMEMBERED = 128
"""Answers that are kept by their idempotency keys."""


class Admission:
    """Takes requests one by one and hands out answers; lives on one event loop."""

    reading_digest: str | None = None
    """Of the token that may search, list and read, and change nothing; `None` if there is none."""

    def __init__(
        self,
        ranker: Ranker,
        *,
        token_digest: str | None = None,
        reading_digest: str | None = None,
        jobs: Jobs | None = None,
    ) -> None:
        """Serve a ranker.

        Args:
            ranker: does the work.
            token_digest: `digest` of the token that calls must carry; `None` if none is needed.
            reading_digest: of another, which calls may carry that change nothing.
            jobs: that train; by default none are taken.
        """
        self.ranker = ranker
        self.token_digest, self.reading_digest = token_digest, reading_digest
        self.jobs = jobs or Jobs(ranker.registry.store, ranker.limits)
        self._turns = asyncio.Semaphore(ranker.limits.running)
        self._uploads = asyncio.Semaphore(ranker.limits.uploads)
        self._answers: dict[str, tuple[str, Model]] = {}
        self._present = 0
        self.searches = SearchRuns(
            Searches(ranker.registry.store, ranker.limits),
            self.stream,
            check=lambda request: ranker.check_search(request.plain()),
            in_thread=self.in_thread,
        )
        # A stopped search still ends its generation: its thread must not take another's place.
        self._threads = ThreadPoolExecutor(2 * ranker.limits.running + 4)

    def check_token(self, authorization: str | bytes | None, *, reads: bool = False) -> Role:
        """Return the role of a call whose header is `Bearer TOKEN`, compared in constant time.

        Args:
            authorization: the header.
            reads: whether the call changes nothing that others have, so that readers may make it.

        Returns:
            `operator` too where no token is asked for.

        Raises:
            Unauthenticated: it is no token of the service.
            NotAllowed: it is a reader's, and the call is an operator's.
        """
        if self.token_digest is None:
            return "operator"
        sent = authorization or b""
        scheme, _, token = (sent.encode() if isinstance(sent, str) else sent).partition(b" ")
        found = digest(token) if scheme.lower() == b"bearer" else ""
        if hmac.compare_digest(found, self.token_digest):
            return "operator"
        if not hmac.compare_digest(found, self.reading_digest or "-"):
            raise Unauthenticated(
                "a call must carry `authorization: Bearer TOKEN` with the service's DASS_TOKEN, "
                + ("but the token is another one" if authorization else "but carries none")
            )
        if not reads:
            raise NotAllowed(
                "the call must carry the token of the role `operator` (DASS_TOKEN), but carries "
                "that of the role `reader`, which may search, list and read"
            )
        return "reader"

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Run a call of the ranker in a thread, without waiting for a turn."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def iterated(self, parts: Iterator[T]) -> AsyncIterator[T]:
        """Take one part after another in a thread, each once it is wanted."""
        while (part := await self.in_thread(lambda: next(parts, None))) is not None:
            yield part

    async def once(self, key: str | None, request: Model, work: Callable[[], Awaitable[R]]) -> R:
        """Answer a request; the same key again gets the same answer, as far as it is remembered.

        Raises:
            InvalidRequest: the key stands for another request.
        """
        if key is None:
            return await work()
        asked = f"{type(request).__name__} {request.model_dump_json()}"
        if key in self._answers:
            former, answer = self._answers[key]
            if former != asked:
                raise key_of_another()
            return cast(R, answer)
        found = await work()
        self._answers[key] = asked, found
        while len(self._answers) > REMEMBERED:
            del self._answers[next(iter(self._answers))]
        return found

    async def upload(self, work: Callable[[], T]) -> T:
        """Run what needs a whole upload in memory: few at once, so that memory is bounded."""
        async with self._uploads:
            return await self.in_thread(work)

    async def score(self, request: requests.ScoreRequest) -> replies.ScoreReply:
        """Predict students in the order of the request."""
        support = requests.measured(request.support)
        async with self._turn() as deadline:
            work = self.in_thread(
                lambda: self.ranker.score(request.teacher, request.architectures, support=support)
            )
            found = await self._by(deadline, work)
        return replies.ScoreReply(predictions=[replies.Prediction.of(p) for p in found])

    async def choices(self, request: requests.SearchRequest) -> http_replies.Choices:
        """Predict what one would take without the search."""
        async with self._turn() as deadline:
            spec = await self._by(
                deadline, self.in_thread(lambda: self.ranker.timed(request.plain()))
            )
            found = await self._by(deadline, self.in_thread(lambda: self.ranker.choices(spec)))
        return http_replies.Choices.of(found, spec.clock)

    async def search(self, request: requests.SearchRequest) -> replies.SearchReply:
        """Search to the end."""
        async with contextlib.aclosing(self.stream(request)) as stream:
            *_, last = [reply async for reply in stream]
        return last

    async def stream(
        self, request: requests.SearchRequest, *, began: Callable[[], None] = lambda: None
    ) -> AsyncGenerator[replies.SearchReply]:
        """Search, with a reply after every generation and the answer last.

        Closing the iterator stops the search at the end of its generation.

        Args:
            request: what to search for.
            began: is called once the search has its turn.
        """
        started, spec, last = time.perf_counter(), request.plain(), None

        def reply(found: Generation, *, done: bool) -> replies.SearchReply:
            seconds = time.perf_counter() - started
            return replies.SearchReply.of(
                spec,
                found,
                done=done,
                seconds=seconds,
                out_of_distribution=not in_distribution,
            )

        stop = threading.Event()
        async with self._traced_turn(spec) as (deadline, trace):
            began()
            try:
                spec = await self._by(deadline, self.in_thread(lambda: self.ranker.timed(spec)))
                generations = await self._by(
                    deadline, self.in_thread(lambda: _traced(self.ranker.search(spec), trace))
                )
                in_distribution = await self._by(
                    deadline,
                    self.in_thread(lambda: self.ranker.in_distribution(spec.teacher)),
                )
                while True:
                    found = await self._by(
                        deadline, self.in_thread(lambda: _next(generations, stop))
                    )
                    if found is None:
                        break
                    last = found
                    yield reply(last, done=False)
            finally:
                stop.set()
        assert last is not None, "a feasible budget has at least one candidate"
        yield reply(last, done=True)

    @contextlib.asynccontextmanager
    async def _traced_turn(self, spec: SearchSpec) -> AsyncIterator[tuple[float, tracing.Span]]:
        """Hold a turn as `_turn`, within a trace of the search that begins while it waits."""
        candidates = spec.config.candidates
        trace = tracing.begin("search", teacher=spec.teacher, candidates=candidates)
        try:
            async with self._turn() as deadline:
                yield deadline, trace
        finally:
            trace.end()

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncIterator[float]:
        """Wait for a turn and hold it; gives the time by which the request must be over.

        Raises:
            Overloaded: too many wait already.
            TookTooLong: the turn did not come in time.
        """
        limits = self.ranker.limits
        if self._present >= limits.running + limits.waiting:
            raise Overloaded(
                f"at most {limits.running} searches may run and {limits.waiting} wait, and so "
                f"many do; ask again in {RETRY_AFTER_S} s"
            )
        deadline = asyncio.get_running_loop().time() + limits.seconds
        self._present += 1
        try:
            await self._by(deadline, self._turns.acquire())
            try:
                yield deadline
            finally:
                self._turns.release()
        finally:
            self._present -= 1

    async def _by(self, deadline: float, work: Awaitable[T]) -> T:
        """Await, but not beyond the deadline.

        Every wait has its own limit: one `asyncio.timeout` around them all would cancel the task
        that began to read a stream, not the one that reads it now.
        """
        try:
            async with asyncio.timeout_at(deadline) as limit:
                return await work
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise TookTooLong(
                f"an answer must be found within {self.ranker.limits.seconds:g} s, waiting "
                "included, but was not; ask for fewer candidates, or later"
            ) from error


def _next(generations: Iterator[T], stop: threading.Event) -> T | None:
    return None if stop.is_set() else next(generations, None)


def _traced(generations: Iterator[Generation], trace: tracing.Span) -> Iterator[Generation]:
    """Yield the generations of a search, each traced as a part of it in the thread that asks."""
    for number in itertools.count():
        with trace.current():
            span = tracing.begin("generation", generation=number)
            with span.current():
                found = next(generations, None)
        if found is None:
            return  # its span is never ended, and so not told
        span.note(scored=found.scored)
        span.end()
        yield found
