"""What one request may ask for, and the errors that say it asked for too much.

Knows nothing of protocols; `refusals.py` has the status of each error.
"""

from __future__ import annotations

from dataclasses import dataclass

from dass.errors import DassError


class InvalidRequest(DassError, ValueError):
    """A request does not have the form it must have."""


class InvalidUpload(DassError, ValueError):
    """Uploaded weights are no safetensors file of a teacher of the space."""


class AlreadyExists(DassError, ValueError):
    """A teacher of that name is there already, with other weights."""


class TooLarge(DassError, ValueError):
    """A request has more bytes, or asks for more work, than one may."""


class Unauthenticated(DassError, PermissionError):
    """The call carries no token, or a wrong one."""


class Overloaded(DassError, RuntimeError):
    """As many searches as may run and wait do so already; later there will be room."""


class TookTooLong(DassError, TimeoutError):
    """The answer was not found within the time of a request."""


class Unavailable(DassError, ConnectionError):
    """The store or every scorer is out of reach at the moment."""


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
    upload_bytes: int = 64 * 2**20
    """Most bytes of one teacher's weights."""
    request_bytes: int = 4 * 2**20
    """Most bytes of any other request."""
    classes: int = 10_000
    """Most classes of a teacher."""
    teachers: int = 1_000
    """Most teachers in the store that the service adds to."""
    running: int = 4
    """Searches and scores computed at once, per ingress replica."""
    waiting: int = 64
    """Further ones that wait for their turn; beyond, the service is overloaded."""
    seconds: float = 120.0
    """Longest time of one request, its wait included."""

    def at_most(self, name: str, value: int) -> None:
        """Raise unless the value is within the limit of that name.

        Raises:
            TooLarge: says what the limit is.
        """
        most = getattr(self, name)
        if value > most:
            raise TooLarge(f"`{name}` must be at most {most:,}, but got {value:,}; ask for less")
