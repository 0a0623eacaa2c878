"""Searches kept in a store: what was asked, how it stands, what came of it.

service/searches/ID/request.json     what was asked: its existence is the search's
service/searches/ID/state.json       how it stands, written again while it is under way
service/search-keys/DIGEST.json      which search an idempotency key stands for

Any process may read and delete, one writes the state. Ids begin with the time, so that their order
is that of asking. Knows nothing of who searches, nor of protocols.
"""

from __future__ import annotations

import hashlib
import logging
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from dass.errors import CorruptArtifact, MissingKey, UnknownName
from dass.store.store import Store
from serve import replies
from serve.limits import Limits, key_of_another
from serve.names import ID, has_form
from serve.refusals import Problem
from serve.requests import SearchRequest

logger = logging.getLogger(__name__)

SEARCHES, KEYS = "service/searches", "service/search-keys"
LATER = ("max_latency_ms", "latency_table", "precision", "batch")
"""Fields of a request that keys of before do not know."""
STALE_S = 45.0
"""Seconds without a word from whoever searches, after which it is taken to have stopped."""

INTERRUPTED = Problem(
    code="Interrupted",
    message="the service must run until a search is done, but was stopped or lost during this "
    "one; post the same request again",
)

B = TypeVar("B", bound=BaseModel)


class Asked(BaseModel):
    """What was asked, once and for all."""

    created: str
    request: SearchRequest
    key: str | None = None
    """Digest of the idempotency key it came with."""


class State(BaseModel):
    """How a search stands."""

    state: replies.SearchState = "queued"
    progress: replies.SearchProgress
    result: replies.SearchReply | None = None
    error: Problem | None = None
    updated: float
    """When whoever searches wrote this last: seconds since 1970."""


class _Key(BaseModel):
    """Which search a key stands for, and of what request."""

    id: str
    asked: str


class Searches:
    """The searches of a store; threads may share one."""

    def __init__(
        self, store: Store, limits: Limits, *, clock: Callable[[], float] = time.time
    ) -> None:
        self.store, self.limits, self._clock = store, limits, clock

    def create(
        self, request: SearchRequest, *, key: str | None = None
    ) -> tuple[replies.SearchSummary, bool]:
        """Keep a new search; the same key again stands for the same one.

        Returns:
            The search, and whether it is new, so that it must be run.

        Raises:
            InvalidRequest: the key stands for another request.
            TooLarge: as many are kept as may be.
        """
        digest = None if key is None else _digest(key)
        if digest and (former := self._of_key(digest, request)):
            return former, False
        self.limits.at_most("searches", len(self._ids()) + 1)
        now = self._clock()
        moment = datetime.fromtimestamp(now, UTC)
        name = f"{moment:%Y%m%dT%H%M%S%f}-{uuid.uuid4().hex[:8]}"
        asked = Asked(created=moment.isoformat(), request=request, key=digest)
        state = State(progress=replies.SearchProgress.none(request), updated=now)
        self.store.write(_state(name), _bytes(state))
        self.store.write(_request(name), _bytes(asked))
        if digest:
            mine = _bytes(_Key(id=name, asked=_asked(request)))
            while not self.store.create(_key(digest), mine):
                if former := self._of_key(digest, request):
                    self._drop(name)
                    return former, False
                self.store.delete(_key(digest))  # of a search that was deleted
        return self._summary(name, asked, state), True

    def get(self, name: str) -> replies.StoredSearch:
        """Return a search, how it stands and what came of it.

        Raises:
            UnknownName: there is none of that id.
            CorruptArtifact: its files are broken.
        """
        asked, state = self._read(name)
        return replies.StoredSearch(
            id=name,
            state=state.state,
            created=asked.created,
            request=asked.request,
            progress=state.progress,
            result=state.result,
            error=state.error,
        )

    def page(self, *, limit: int, after: str | None = None) -> replies.SearchList:
        """Return searches, newest first, and where the next page begins.

        Args:
            limit: most of one page.
            after: `next` of the page before.
        """
        names = [name for name in reversed(self._ids()) if after is None or name < after]
        page = names[:limit]
        with ThreadPoolExecutor(8) as threads:
            found = list(threads.map(self._listed, page))
        return replies.SearchList(
            searches=[one for one in found if one is not None],
            next=page[-1] if len(names) > limit else None,
        )

    def delete(self, name: str) -> None:
        """Remove a search; one that is under way stops soon.

        Raises:
            UnknownName: there is none of that id.
        """
        try:
            key = self._asked(name).key
        except CorruptArtifact:
            key = None
        self._drop(name)
        if key:
            self.store.delete(_key(key))

    def save(self, name: str, state: State) -> bool:
        """Write how a search stands; return whether it is still there."""
        state = state.model_copy(update={"updated": self._clock()})
        self.store.write(_state(name), _bytes(state))
        # After the writing: of a deletion at this moment one of both removes what was written.
        if self.store.exists(_request(name)):
            return True
        self.store.delete(_state(name))
        return False

    def _of_key(self, digest: str, request: SearchRequest) -> replies.SearchSummary | None:
        try:
            key = _parsed(_Key, self.store.read(_key(digest)), what="a key of a search")
        except MissingKey:
            return None
        if key.asked != _asked(request):
            raise key_of_another()
        try:
            return self._summary(key.id, *self._read(key.id))
        except UnknownName:
            return None

    def _ids(self) -> list[str]:
        keys = [key.split("/") for key in self.store.list(SEARCHES)]
        return [parts[-2] for parts in keys if parts[-1] == "request.json"]

    def _listed(self, name: str) -> replies.SearchSummary | None:
        try:
            return self._summary(name, *self._read(name))
        except (CorruptArtifact, UnknownName) as error:  # broken, or just deleted
            logger.warning("search %s is left out of the list: %s", name, error)
            return None

    def _summary(self, name: str, asked: Asked, state: State) -> replies.SearchSummary:
        return replies.SearchSummary(
            id=name,
            state=state.state,
            created=asked.created,
            teacher=asked.request.teacher,
            request=asked.request,
        )

    def _asked(self, name: str) -> Asked:
        try:
            if not has_form(ID, name):
                raise MissingKey("no id of a search")
            return _parsed(Asked, self.store.read(_request(name)), what=f"search {name}")
        except MissingKey as error:
            raise UnknownName(
                f"a search must have been posted and not deleted, but there is none of id "
                f"{name[:80]!r}; list the searches for those that there are"
            ) from error

    def _read(self, name: str) -> tuple[Asked, State]:
        asked = self._asked(name)
        try:
            state = _parsed(State, self.store.read(_state(name)), what=f"search {name}")
        except MissingKey as error:
            raise UnknownName(f"a search must be there, but {name} was just deleted") from error
        silent = self._clock() - state.updated > STALE_S
        if silent and state.state in ("queued", "running"):
            state = state.model_copy(update={"state": "failed", "error": INTERRUPTED})
        return asked, state

    def _drop(self, name: str) -> None:
        for key in (_request(name), _state(name)):
            self.store.delete(key)


def _request(name: str) -> str:
    return f"{SEARCHES}/{name}/request.json"


def _state(name: str) -> str:
    return f"{SEARCHES}/{name}/state.json"


def _key(digest: str) -> str:
    return f"{KEYS}/{digest}.json"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _asked(request: SearchRequest) -> str:
    fields = type(request).model_fields
    later = {name for name in LATER if getattr(request, name) == fields[name].default}
    return _digest(request.model_dump_json(exclude=later))


def _bytes(model: BaseModel) -> bytes:
    return model.model_dump_json().encode()


def _parsed(kind: type[B], data: bytes, *, what: str) -> B:
    try:
        return kind.model_validate_json(data)
    except ValidationError as error:
        raise CorruptArtifact(f"the files of {what} must be whole, but: {error}") from error
