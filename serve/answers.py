"""How HTTP answers an error: status, headers and the one shape of body.

Knows nothing of what was asked.
"""

from __future__ import annotations

from http import HTTPStatus

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from dass.errors import DassError, StorageError
from serve import refusals
from serve.limits import RETRY_AFTER_S, WrongContentType


def refusal(error: Exception) -> JSONResponse:
    """Answer an error as the table says."""
    code, _ = refusals.status(error)
    headers = {"retry-after": str(RETRY_AFTER_S)} if code == 503 else {}
    if code == 401:
        headers["www-authenticate"] = "Bearer"
    return JSONResponse(refusals.explain(error).model_dump(), code, headers)


def answer_errors(http: FastAPI) -> None:
    """Let an application answer every error in the one shape."""

    async def answer(request: Request, error: Exception) -> Response:
        return refusal(error)

    async def malformed(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        sent = request.headers.get("content-type", "")
        if request.method == "POST" and not is_json(sent):
            return refusal(untyped(sent))
        return refusal(refusals.malformed(error.errors()))

    async def plain(request: Request, error: Exception) -> Response:
        """Answer what no call of ours raises: no such path, no such method."""
        assert isinstance(error, HTTPException)
        name = HTTPStatus(error.status_code).phrase.title().replace(" ", "")
        told = refusals.Error.of(name, f"{request.method} {request.url.path}: {error.detail}")
        return JSONResponse(told.model_dump(), error.status_code, error.headers)

    for kind in (DassError, StorageError):
        http.add_exception_handler(kind, answer)
    http.add_exception_handler(RequestValidationError, malformed)
    http.add_exception_handler(HTTPException, plain)
    http.add_exception_handler(Exception, answer)


def is_json(content_type: str) -> bool:
    """Return whether a content type is that of JSON."""
    kind = content_type.partition(";")[0].strip().lower()
    return kind == "application/json" or (
        kind.startswith("application/") and kind.endswith("+json")
    )


def untyped(sent: str) -> WrongContentType:
    """Return what to say of a body that is not said to be JSON."""
    return WrongContentType(
        "the body must be JSON and be sent with `content-type: application/json`, but came "
        + (f"with {sent[:80]!r}" if sent else "without one")
    )
