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
    limits.BrokenJson: (400, Code.INVALID_ARGUMENT),
    limits.WrongContentType: (415, Code.INVALID_ARGUMENT),
    limits.Forbidden: (403, Code.PERMISSION_DENIED),
    limits.InvalidRequest: (422, Code.INVALID_ARGUMENT),
    limits.InvalidUpload: (422, Code.INVALID_ARGUMENT),
    limits.AlreadyExists: (409, Code.ALREADY_EXISTS),
    limits.TooLarge: (413, Code.OUT_OF_RANGE),
    limits.Unauthenticated: (401, Code.UNAUTHENTICATED),
    limits.NotAllowed: (403, Code.PERMISSION_DENIED),
    limits.NotOffered: (403, Code.PERMISSION_DENIED),
    limits.TookTooLong: (408, Code.DEADLINE_EXCEEDED),
    limits.Overloaded: (503, Code.RESOURCE_EXHAUSTED),
    limits.Unavailable: (503, Code.UNAVAILABLE),
    errors.StorageError: (503, Code.UNAVAILABLE),
}
"""The one table: what an error is over HTTP and over gRPC."""


class Problem(Model):
    """Why a request was refused."""

    code: str
    """Name of the error."""
    message: str
    """What must hold, what was got, what to do."""
    field: str | None = None
    """Which field of the request it is about, if it is about one."""


class Error(Model):
    """What every refusal is, whatever its status; over gRPC the metadata `dass-error`, as JSON."""

    error: Problem

    @classmethod
    def of(cls, code: str, message: str, *, field: str | None = None) -> Error:
        """Write one."""
        return cls(error=Problem(code=code, message=message, field=field))


def status(error: Exception) -> tuple[int, grpc.StatusCode]:
    """Return the statuses of an error; what no table foresees is the service's own fault."""
    for kind in type(error).__mro__:
        if kind in STATUS:
            return STATUS[kind]
    return 500, Code.INTERNAL


def explain(error: Exception) -> Error:
    """Return what a client is told: of a fault of our own, or of the store's, only that it is.

    A store's own words tell where it is, and broken files are no client's doing.
    """
    _, code = status(error)
    if code is Code.INTERNAL:
        return Error.of("InternalError", "the service failed; its log says how")
    name = type(error).__name__
    if isinstance(error, errors.StorageError):
        return Error.of(name, "the store must answer, but did not; ask again in some seconds")
    if isinstance(error, errors.CorruptArtifact):
        return Error.of(name, "files of a teacher must be whole, but are broken; the log says how")
    return Error.of(name, str(error), field=getattr(error, "field", None))


def malformed(problems: Sequence[ErrorDetails]) -> limits.InvalidRequest:
    """Put pydantic's findings into one line, under the name of the first field."""
    if problems and problems[0]["type"] == "json_invalid":
        return limits.BrokenJson(f"the body must be JSON, but is not: {_cause(problems[0])}")
    lines = [f"{_where(p) or 'the request'}: {p['msg']}" for p in problems[:5]]
    more = f" and {len(problems) - 5} more" if len(problems) > 5 else ""
    error = limits.InvalidRequest(
        "the request must have its documented form, but " + "; ".join(lines) + more
    )
    error.field = (_where(problems[0]) or None) if problems else None
    return error


def _where(problem: ErrorDetails) -> str:
    return ".".join(
        str(part) for part in problem["loc"] if part not in {"body", "query", "header"}
    )


def _cause(problem: ErrorDetails) -> str:
    return str(problem.get("ctx", {}).get("error", problem["msg"]))
