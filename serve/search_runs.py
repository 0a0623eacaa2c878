"""Searches under way: each a task of an event loop that writes down how it stands.

Between an admission, which searches, and the store, which keeps. Knows nothing of protocols.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from dass.errors import DassError, StorageError
from serve import refusals, replies
from serve.limits import RETRY_AFTER_S, Overloaded
from serve.requests import SearchRequest, StreamedSearchRequest
from serve.searches import Searches, State

logger = logging.getLogger(__name__)

TICK_S, BEATS = 1.0, 5
"""Seconds between two looks at a search, and looks after which it is written down unchanged."""


class Stream(Protocol):
    """Searches, as `Admission.stream` does."""

    def __call__(
        self, request: SearchRequest, *, began: Callable[[], None]
    ) -> AsyncGenerator[replies.SearchReply]:
        """Yield a reply after every generation, the answer last."""
        ...


@dataclass(eq=False)
class _Run:
    """One search under way in this process."""

    name: str
    state: State
    changed: bool = False
    over: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    def become(self, **changes: object) -> None:
        """Change how it stands."""
        self.state, self.changed = self.state.model_copy(update=changes), True


class SearchRuns:
    """Takes searches, runs them whoever waits, and tells of all that the store keeps."""

    def __init__(
        self,
        kept: Searches,
        stream: Stream,
        *,
        check: Callable[[SearchRequest], None],
        in_thread: Callable[[Callable[[], Any]], Awaitable[Any]],
    ) -> None:
        """Run searches.

        Args:
            kept: where they are.
            stream: searches.
            check: raises what a search that cannot be would.
            in_thread: runs what blocks.
        """
        self.kept, self._stream, self._check, self._in_thread = kept, stream, check, in_thread
        self._runs: dict[str, _Run] = {}

    async def create(
        self, request: SearchRequest, *, key: str | None = None
    ) -> replies.SearchSummary:
        """Check a search, keep it and start it; the same key again is the same search.

        Raises:
            Overloaded: as many as may run and wait do so already.
        """
        plain = SearchRequest.model_validate(
            request.model_dump(exclude=set(StreamedSearchRequest.own()))
        )
        limits = self.kept.limits
        if len(self._runs) >= limits.running + limits.waiting:
            raise Overloaded(
                f"at most {limits.running + limits.waiting} searches may be under way, and so "
                f"many are; ask again in {RETRY_AFTER_S} s"
            )
        await self._in_thread(lambda: self._check(plain))
        made, new = await self._in_thread(lambda: self.kept.create(plain, key=key))
        assert isinstance(made, replies.SearchSummary), "what `create` returns"
        if new:
            progress = replies.SearchProgress.none(plain)
            run = self._runs[made.id] = _Run(made.id, State(progress=progress, updated=0.0))
            run.task = asyncio.create_task(self._run(run, plain))
        return made

    async def get(self, name: str) -> replies.StoredSearch:
        """Return a search; raises as `Searches.get`."""
        found: replies.StoredSearch = await self._in_thread(lambda: self.kept.get(name))
        return found

    async def page(self, *, limit: int, after: str | None) -> replies.SearchList:
        """Return a page of searches, newest first."""
        found: replies.SearchList = await self._in_thread(
            lambda: self.kept.page(limit=limit, after=after)
        )
        return found

    async def delete(self, name: str) -> None:
        """Remove a search, and stop it; raises as `Searches.delete`."""
        await self._in_thread(lambda: self.kept.delete(name))
        if (run := self._runs.get(name)) and run.task:
            run.task.cancel()

    async def _run(self, run: _Run, request: SearchRequest) -> None:
        beat = asyncio.create_task(self._beat(run))
        try:
            await self._search(run, request)
        except Exception as error:
            if not isinstance(error, DassError | StorageError):
                logger.exception("search %s failed", run.name)
            run.become(state="failed", error=refusals.explain(error).error)
        finally:
            del self._runs[run.name]
            run.over.set()
            await beat

    async def _search(self, run: _Run, request: SearchRequest) -> None:
        def began() -> None:
            run.become(state="running")

        while True:
            try:
                stream = self._stream(request, began=began)
                async with contextlib.aclosing(stream):
                    async for reply in stream:
                        run.become(progress=replies.SearchProgress.of(reply))
                run.become(state="done", result=reply)
                return
            except Overloaded:  # by one-shot searches since it was taken: it waits on
                await asyncio.sleep(RETRY_AFTER_S)

    async def _beat(self, run: _Run) -> None:
        """Write down how a search stands, now and then, and at its end; stop one that is gone."""
        silent, over = 0, False
        while not over:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(run.over.wait(), TICK_S)
            over = run.over.is_set()
            silent += 1
            if not (run.changed or over or silent >= BEATS):
                continue
            state, run.changed, silent = run.state, False, 0
            try:
                there = await self._in_thread(partial(self.kept.save, run.name, state))
            except (DassError, StorageError) as error:
                logger.warning("how search %s stands could not be written: %s", run.name, error)
                continue
            if not there and run.task:
                run.task.cancel()
                return
