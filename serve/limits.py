"""What one request may ask for, and the errors that say it asked for too much.

Knows nothing of protocols; `refusals.py` has the status of each error.
"""

from __future__ import annotations

from dataclasses import dataclass

from dass.errors import DassError


class InvalidRequest(DassError, ValueError):
    """A request does not have the form it must have."""

    field: str | None = None
    """Which field of the request it is about, as the client calls it."""


class BrokenJson(InvalidRequest):
    """A body that must be JSON is none."""


class WrongContentType(InvalidRequest):
    """A body comes under another content type than the call takes, or under none."""


class InvalidUpload(DassError, ValueError):
    """Uploaded weights are no safetensors file of a teacher of the space."""


class AlreadyExists(DassError, ValueError):
    """A teacher of that name is there already, with other weights."""


class TooLarge(DassError, ValueError):
    """A request has more bytes, or asks for more work, than one may."""

    field: str | None = None
    """Which field of the request it is about, as the client calls it."""


class Forbidden(DassError, PermissionError):
    """A page of another origin asks, or the service is called by a name that is not its own."""


class Unauthenticated(DassError, PermissionError):
    """The call carries no token, or a wrong one."""


class NotAllowed(DassError, PermissionError):
    """The token is of a role that may not make the call."""


class NotOffered(DassError, PermissionError):
    """The service was not started to do that."""


class Overloaded(DassError, RuntimeError):
    """As many searches as may run and wait do so already; later there will be room."""


class TookTooLong(DassError, TimeoutError):
    """The answer was not found within the time of a request."""


class Unavailable(DassError, ConnectionError):
    """The store or every scorer is out of reach at the moment."""


def key_of_another() -> InvalidRequest:
    """Return what to say of an idempotency key that comes with another request than before."""
    error = InvalidRequest("an idempotency key must be of one request, but is another's")
    error.field = "idempotency-key"
    return error


RETRY_AFTER_S = 2
"""Seconds that a client is asked to wait when the service is overloaded or unavailable."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Bounds of one request, and of all at once."""

    candidates: int = 10_000
    """Most candidates of one search."""
    architectures: int = 10_000
    """Most architectures of one score request."""
    top: int = 100
    """Most predictions that a search returns as its best."""
    support: int = 200
    """Most measured students in one request."""
    jobs: int = 200
    """Most jobs that the service keeps, those that ended too."""
    minutes: float = 240.0
    """Most minutes that one job may ask for."""
    latency_tables: int = 100
    """Most latency tables in the store that the service adds to."""
    students: int = 200
    """Most measured students that are kept of one teacher."""
    upload_bytes: int = 64 * 2**20
    """Most bytes of one teacher's weights."""
    request_bytes: int = 4 * 2**20
    """Most bytes of any other request."""
    classes: int = 10_000
    """Most classes of a teacher."""
    teachers: int = 1_000
    """Most teachers in the store that the service adds to."""
    deleted: int = 100
    """Most deleted teachers that can be restored; older ones go for good."""
    deleted_days: float = 30.0
    """Days for which a deleted teacher can be restored."""
    searches: int = 10_000
    """Most searches that the service keeps."""
    running: int = 4
    """Searches and scores computed at once, per ingress replica."""
    waiting: int = 64
    """Further ones that wait for their turn; beyond, the service is overloaded."""
    seconds: float = 120.0
    """Longest time of one request, its wait included."""
    idle_seconds: float = 10.0
    """Longest time in which a client must send some more of the body that it announced."""
    slow: int = 16
    """Requests of one address whose body is under way for longer than a second."""
    uploads: int = 2
    """Uploads read and checked at once, per ingress replica; others wait for their turn."""

    def at_most(self, name: str, value: float) -> None:
        """Raise unless the value is within the limit of that name.

        Raises:
            TooLarge: says what the limit is.
        """
        most = getattr(self, name)
        called = "k" if name == "top" else name
        if value > most:
            error = TooLarge(
                f"`{called}` must be at most {most:,}, but got {value:,}; ask for less"
            )
            error.field = called
            raise error
