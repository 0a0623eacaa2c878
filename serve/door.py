"""The door of HTTP: who is let in, under which name, from which page, and how slowly.

ASGI in front of the application. Bodies are counted and timed on the way; those of uploads are
handed on part by part, all others whole. Knows nothing of what is asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from collections import Counter
from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dass.errors import DassError
from serve.admission import Admission
from serve.answers import refusal
from serve.limits import Forbidden, Limits, TookTooLong, TooLarge

SECURITY = {
    # No foreign script, style, image or frame: the page needs none, and a teacher's name is data.
    "content-security-policy": "default-src 'self'; img-src 'self' data: blob:; "
    "frame-ancestors 'none'; base-uri 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
ROLE = "dass-role"
"""Header of an answer below `/v1`: whose token the call carried, so that a page need not guess."""

SLOW_S = 1.0
"""Seconds after which a body that is not whole makes its client a slow one."""

READING = ("GET", "HEAD", "OPTIONS")
SEARCHING = ("/v1/search", "/v1/searches", "/v1/score", "/v1/choices")
"""What readers may post to; whatever else is no reading is an operator's."""


class Slow:
    """Clients whose bodies are under way for longer than a second, by their addresses."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._number: Counter[str] = Counter()

    def enter(self, address: str) -> None:
        """Count one more.

        Raises:
            TookTooLong: there are as many as may be.
        """
        most = self.limits.slow
        if self._number[address] >= most or self._number.total() >= 4 * most:
            raise TookTooLong(
                f"at most {most} bodies from one address may take longer than {SLOW_S:g} s, and "
                "so many do; send it again"
            )
        self._number[address] += 1

    def leave(self, address: str) -> None:
        """Count one less."""
        self._number[address] -= 1
        if not self._number[address]:
            del self._number[address]


class Body:
    """A `receive` that counts the bytes of a body and does not wait for them for ever."""

    def __init__(self, receive: Receive, slow: Slow, *, address: str, most: int) -> None:
        self._receive, self._slow, self._address, self._most = receive, slow, address, most
        self._began = asyncio.get_running_loop().time()
        self._size, self._whole, self._is_slow = 0, False, False

    async def __call__(self) -> Message:
        """Return the next part, or the hang-up once all are here.

        Raises:
            TooLarge: there are more bytes than may be.
            TookTooLong: the next part did not come in time.
        """
        if self._whole:
            return await self._receive()
        message = await self._part()
        self._size += len(message.get("body", b""))
        self._whole = not message.get("more_body", False)
        if self._size > self._most:
            raise TooLarge(f"a request must have at most {self._most:,} bytes, but has more")
        if self._whole:
            self.close()
        return message

    async def _part(self) -> Message:
        """Wait for some more: a second in all, then as long as slow ones may."""
        limits, clock = self._slow.limits, asyncio.get_running_loop().time
        if not self._is_slow:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(self._began + SLOW_S):
                    return await self._receive()
            self._slow.enter(self._address)
            self._is_slow = True
        until = min(clock() + limits.idle_seconds, self._began + limits.seconds)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                return await self._receive()
        raise TookTooLong(
            f"some of a body must come every {limits.idle_seconds:g} s and all of it within "
            f"{limits.seconds:g} s, but did not; send it again"
        )

    def close(self) -> None:
        """Wait no more."""
        if self._is_slow:
            self._is_slow = False
            self._slow.leave(self._address)


class Door:
    """Refuses calls without the token, by foreign names, from foreign pages, slow or too large."""

    def __init__(self, app: ASGIApp, admission: Admission, hosts: Sequence[str] = ()) -> None:
        self.app, self.admission, self.hosts = app, admission, tuple(hosts)
        self._slow = Slow(admission.ranker.limits)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one call in, or answer why not."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {name.decode("latin1").lower(): value for name, value in scope["headers"]}
        told = dict(SECURITY)

        async def sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                more = [(name.encode(), value.encode()) for name, value in told.items()]
                message = {**message, "headers": [*message.get("headers", []), *more]}
            await send(message)

        try:
            self._check_names(scope, {n: v.decode("latin1") for n, v in headers.items()})
            if scope["path"].startswith("/v1"):
                reads = scope["method"] in READING or scope["path"] in SEARCHING
                role = self.admission.check_token(headers.get("authorization"), reads=reads)
                told[ROLE] = role
            address, most = (scope.get("client") or ("",))[0], self._most(scope)
            with contextlib.closing(Body(receive, self._slow, address=address, most=most)) as body:
                whole = body if uploads(scope) else await _whole(body)
                await self.app(scope, whole, sealed)
        except DassError as error:
            await refusal(error)(scope, receive, sealed)

    def _check_names(self, scope: Scope, headers: dict[str, str]) -> None:
        host, origin = headers.get("host", ""), headers.get("origin")
        if host and not self._is_ours(host):
            raise Forbidden(
                f"the service must be called by an address or a name of its own, but was by "
                f"{host[:80]!r}; start it with `--hosts NAME` if that is one"
            )
        if scope["method"] in READING:
            return
        foreign = headers.get("sec-fetch-site") == "cross-site"
        if foreign or (origin is not None and origin.partition("://")[2].lower() != host.lower()):
            raise Forbidden(
                "a page may only change what its own origin serves, but one of "
                f"{(origin or 'another origin')[:80]!r} asks; open the service's own page"
            )

    def _is_ours(self, host: str) -> bool:
        """Return whether a name cannot be one that a foreign page had pointed at us."""
        try:
            name = str(urlsplit(f"//{host}").hostname or "").rstrip(".")
        except ValueError:
            return False
        own = {"localhost", socket.gethostname().lower(), *map(str.lower, self.hosts)}
        # A foreign page has no token, so names of a service that asks for one need no list.
        if self.admission.token_digest is not None and not self.hosts:
            return True
        return bool({"*", name} & own) or _is_address(name)

    def _most(self, scope: Scope) -> int:
        limits = self.admission.ranker.limits
        if not uploads(scope):
            return limits.request_bytes
        if scope["method"] == "PUT":
            return limits.upload_bytes
        return limits.upload_bytes * 4 // 3 + limits.request_bytes  # in base64


def uploads(scope: Scope) -> bool:
    """Return whether a call's body may be a teacher's weights."""
    path, method = str(scope["path"]), str(scope["method"])
    return (method == "POST" and path == "/v1/teachers") or (
        method == "PUT" and path.startswith("/v1/teachers/")
    )


async def _whole(receive: Receive) -> Receive:
    """Read a body; return a `receive` that gives it again, and then waits for the hang-up."""
    parts, more = [], True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            break
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    body: list[Message] = [{"type": "http.request", "body": b"".join(parts), "more_body": False}]

    async def again() -> Message:
        return body.pop() if body else await receive()

    return again


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
