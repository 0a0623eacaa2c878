"""A client over HTTP that asks again where an answer was lost, and asks nothing twice.

    Client("http://localhost:8000").ask("POST", "/v1/search", {"teacher": "digits", "k": 3})

Needs the standard library alone. Knows nothing of what it asks.
"""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
import uuid
from dataclasses import dataclass
from typing import Any


class Refused(Exception):
    """The service answered with a refusal; `args` are its status, code, message and field."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Client:
    """Asks one service. A value: it holds no connection."""

    url: str
    """Of the service, such as http://localhost:8000."""
    token: str | None = None
    attempts: int = 16
    """Tries of one call; >= 1. They last 46 s; a proxy that died is away for 27."""
    timeout_s: float = 180.0
    """Longest time of one try."""

    def ask(self, verb: str, path: str, body: object = None) -> Any:
        """Return what a call is answered with; ask again while none, or no room, is there.

        That is safe: searches and scores change nothing and have a key that a replica remembers
        them by, a teacher may be added twice, and one that is gone on a second try was deleted.

        Raises:
            Refused: the service does not do what was asked.
            ConnectionError: it did not answer, however often it was asked.
        """
        headers = {"content-type": "application/json"} if body is not None else {}
        if self.token:
            headers["authorization"] = f"Bearer {self.token}"
        if verb == "POST":
            headers["idempotency-key"] = uuid.uuid4().hex
        data = None if body is None else json.dumps(body).encode()
        for attempt in range(1, self.attempts + 1):
            request = urllib.request.Request(
                self.url + path, data=data, headers=headers, method=verb
            )
            try:
                with urllib.request.urlopen(request, timeout=self.timeout_s) as answer:
                    return json.loads(answer.read() or b"null")
            except urllib.error.HTTPError as error:
                told = _told(error)
                if verb == "DELETE" and attempt > 1 and error.code == 404 and told:
                    return None
                # Serve's own words of a replica that died are not in the service's shape.
                if told and error.code != 503:
                    raise Refused(
                        error.code, told["code"], told["message"], told.get("field")
                    ) from error
                pause = float(error.headers.get("retry-after") or 0.0)
                lost: Exception = error
            except (OSError, http.client.HTTPException, ValueError) as error:
                pause, lost = 0.0, error
            if attempt < self.attempts:
                time.sleep(max(pause, min(4.0, 0.1 * 2.0**attempt)))
        raise ConnectionError(
            f"{self.url} must answer, but after {self.attempts} tries did not: {lost}"
        ) from lost


def _told(error: urllib.error.HTTPError) -> dict[str, Any] | None:
    """Return the service's own refusal; none where somebody else's stands there."""
    try:
        told = json.loads(error.read())["error"]
        return told if {"code", "message"} <= set(told) else None
    except (ValueError, KeyError, TypeError, OSError, http.client.HTTPException):
        return None
