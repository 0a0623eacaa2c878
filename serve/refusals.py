"""What a refused client is told: an error's HTTP status, gRPC code and message.

One table for both protocols. Knows nothing of who asked, nor of how an answer is sent.
"""

from __future__ import annotations

from collections.abc import Sequence

import grpc
from pydantic_core import ErrorDetails

from dass import errors
from serve import limits
from serve.wire import Model

Code = grpc.StatusCode
STATUS: dict[type[Exception], tuple[int, grpc.StatusCode]] = {
    errors.UnknownName: (404, Code.NOT_FOUND),
    errors.InvalidArchitecture: (422, Code.INVALID_ARGUMENT),
    errors.InvalidConfig: (422, Code.INVALID_ARGUMENT),
    errors.InfeasibleBudget: (422, Code.FAILED_PRECONDITION),
    errors.CorruptArtifact: (500, Code.DATA_LOSS),
    limits.InvalidRequest: (422, Code.INVALID_ARGUMENT),
    limits.InvalidUpload: (422, Code.INVALID_ARGUMENT),
    limits.AlreadyExists: (409, Code.ALREADY_EXISTS),
    limits.TooLarge: (413, Code.OUT_OF_RANGE),
    limits.Unauthenticated: (401, Code.UNAUTHENTICATED),
    limits.TookTooLong: (408, Code.DEADLINE_EXCEEDED),
    limits.Overloaded: (503, Code.RESOURCE_EXHAUSTED),
    limits.Unavailable: (503, Code.UNAVAILABLE),
    errors.StorageError: (503, Code.UNAVAILABLE),
}
"""The one table: what an error is over HTTP and over gRPC."""


class Error(Model):
    """Why a request was refused."""

    error: str
    """Name of the error."""
    message: str
    """What must hold, what was got, what to do."""


def status(error: Exception) -> tuple[int, grpc.StatusCode]:
    """Return the statuses of an error; what no table foresees is the service's own fault."""
    for kind in type(error).__mro__:
        if kind in STATUS:
            return STATUS[kind]
    return 500, Code.INTERNAL


def explain(error: Exception) -> Error:
    """Return what a client is told. Of a fault of our own it is told that it is one."""
    if status(error)[1] is Code.INTERNAL:
        return Error(error="InternalError", message="the service failed; its log says how")
    return Error(error=type(error).__name__, message=str(error))


def readable(problems: Sequence[ErrorDetails]) -> str:
    """Put pydantic's findings into one line."""
    lines = []
    for problem in problems[:5]:
        where = ".".join(str(part) for part in problem["loc"] if part != "body")
        lines.append(f"{where or 'the request'}: {problem['msg']}")
    more = f" and {len(problems) - 5} more" if len(problems) > 5 else ""
    return "the request must have its documented form, but " + "; ".join(lines) + more
