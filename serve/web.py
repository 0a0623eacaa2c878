"""HTTP: a FastAPI application over an admission, and the page. Knows nothing of Ray.

Everything below `/v1` needs the token, if there is one; page, OpenAPI document and health do not.
"""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Annotated, Any

from fastapi import Body, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.models import Example
from fastapi.responses import FileResponse, JSONResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dass.errors import DassError, StorageError
from serve import refusals, replies, requests
from serve.admission import Admission
from serve.limits import RETRY_AFTER_S, InvalidRequest, TooLarge

PAGE = Path(__file__).parent / "page"
SECURITY = {
    # No foreign script, style, image or frame: the page needs none, and a teacher's name is data.
    "content-security-policy": "default-src 'self'; img-src 'self' data: blob:; "
    "frame-ancestors 'none'; base-uri 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
REFUSALS: dict[int | str, dict[str, Any]] = {
    code: {"model": refusals.Error, "description": text}
    for code, text in {
        401: "No token, or a wrong one.",
        404: "There is no such teacher.",
        408: "No answer in the time of a request.",
        409: "The name stands for another teacher.",
        413: "Too large, or too much work for one request.",
        422: "A value out of its range, or no student in the budget.",
        503: "Overloaded or unavailable: ask again after `Retry-After` seconds.",
    }.items()
}
REFUSALS[400] = {"model": refusals.Error, "description": "The body is no JSON."}
SEARCH: dict[str, Example] = {
    "half of the teacher's FLOPs": {
        "value": {"teacher": "digits", "max_flops_share": 0.5, "candidates": 300, "k": 3}
    },
    "with progress": {"value": {"teacher": "digits", "candidates": 500, "stream": True}},
}


def refusal(error: Exception) -> JSONResponse:
    """Answer an error as the table says."""
    code, _ = refusals.status(error)
    headers = {"retry-after": str(RETRY_AFTER_S)} if code == 503 else {}
    if code == 401:
        headers["www-authenticate"] = "Bearer"
    return JSONResponse(refusals.explain(error).model_dump(), code, headers)


def application(admission: Admission) -> FastAPI:
    """Make the application in front of an admission."""
    http = FastAPI(
        title="DaSS on Ray",
        version="1",
        description="Rank the students of a teacher by their accuracy after distillation.",
        docs_url=None,
        redoc_url=None,
        responses=REFUSALS,
    )
    _answer_errors(http)
    _teachers(http, admission)
    _students(http, admission)
    _health(http, admission)
    http.mount("/page", StaticFiles(directory=PAGE))
    http.add_middleware(_Door, admission=admission)

    @http.get("/", include_in_schema=False)
    async def index() -> FileResponse:
        return FileResponse(PAGE / "index.html")

    @http.get("/docs", include_in_schema=False)
    async def docs() -> FileResponse:
        return FileResponse(PAGE / "docs.html")

    return http


def _answer_errors(http: FastAPI) -> None:
    async def answer(request: Request, error: Exception) -> Response:
        return refusal(error)

    async def malformed(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return refusal(InvalidRequest(refusals.readable(error.errors())))

    for kind in (DassError, StorageError):
        http.add_exception_handler(kind, answer)
    http.add_exception_handler(RequestValidationError, malformed)


def _teachers(http: FastAPI, admission: Admission) -> None:
    ranker = admission.ranker

    @http.get("/v1/teachers", tags=["teachers"])
    async def list_teachers() -> replies.TeacherList:
        """List the teachers whose students can be ranked."""
        found = await admission.in_thread(ranker.teachers)
        return replies.TeacherList(teachers=[replies.Teacher.of(t) for t in found])

    @http.post("/v1/teachers", status_code=201, tags=["teachers"])
    async def register_teacher(request: requests.Registration) -> replies.Teacher:
        """Add a teacher of your own; the same one again is fine."""
        return replies.Teacher.of(
            await admission.in_thread(lambda: ranker.register(request.plain()))
        )

    @http.get("/v1/teachers/{name}", tags=["teachers"])
    async def get_teacher(name: str) -> replies.Teacher:
        """Describe a teacher."""
        return replies.Teacher.of(await admission.in_thread(lambda: ranker.facts(name)))

    @http.delete("/v1/teachers/{name}", tags=["teachers"])
    async def delete_teacher(name: str) -> requests.TeacherName:
        """Remove a teacher."""
        await admission.in_thread(lambda: ranker.delete(name))
        return requests.TeacherName(name=name)


def _students(http: FastAPI, admission: Admission) -> None:
    ranker = admission.ranker
    cheapest = {"teacher": "digits", "architectures": [str(ranker.space.smallest)]}
    examples: dict[str, Example] = {"the cheapest student": {"value": cheapest}}

    @http.post("/v1/search", tags=["students"], response_model=replies.SearchReply)
    async def search(
        request: Annotated[requests.StreamedSearchRequest, Body(openapi_examples=SEARCH)],
    ) -> replies.SearchReply | StreamingResponse:
        """Rank the students of a teacher within a budget."""
        if not request.stream:
            return await admission.search(request)
        stream = admission.stream(request)
        first = await anext(stream)  # so that a refusal still has its own status
        return StreamingResponse(_lines(first, stream), media_type="application/x-ndjson")

    @http.post("/v1/score", tags=["students"])
    async def score(
        request: Annotated[requests.ScoreRequest, Body(openapi_examples=examples)],
    ) -> replies.ScoreReply:
        """Predict given students, in the given order."""
        return await admission.score(request)

    @http.get("/v1/space", tags=["students"])
    async def get_space() -> replies.Space:
        """Describe the search space: widths, depths, strides."""
        return replies.Space.of(ranker)

    @http.get("/v1/predictor", tags=["students"])
    async def get_predictor() -> replies.Predictor:
        """Describe the predictor, and the limits of requests."""
        return replies.Predictor.of(ranker)


async def _lines(
    first: replies.SearchReply, others: AsyncGenerator[replies.SearchReply]
) -> AsyncIterator[str]:
    """Write replies as lines; a client that hangs up closes this, and this closes the search."""
    async with contextlib.aclosing(others):
        try:
            yield first.model_dump_json() + "\n"
            async for reply in others:
                yield reply.model_dump_json() + "\n"
        except (DassError, StorageError) as error:
            yield refusals.explain(error).model_dump_json() + "\n"


def _health(http: FastAPI, admission: Admission) -> None:
    @http.get("/health", tags=["health"])
    async def health() -> dict[str, str]:
        """Answer for as long as the service is alive."""
        return {"status": "alive"}

    @http.get("/ready", tags=["health"])
    async def ready() -> dict[str, str]:
        """Answer whether store, predictor and scorers do; 503 where they do not."""
        await admission.in_thread(admission.ranker.check_ready)
        return {"status": "ready"}


class _Door:
    """ASGI: refuses calls without the token and bodies beyond the limit; adds safe headers."""

    def __init__(self, app: ASGIApp, admission: Admission) -> None:
        self.app, self.admission = app, admission

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {name.decode("latin1"): value for name, value in scope["headers"]}

        async def sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                more = [(name.encode(), value.encode()) for name, value in SECURITY.items()]
                message = {**message, "headers": [*message.get("headers", []), *more]}
            await send(message)

        try:
            if scope["path"].startswith("/v1"):
                self.admission.check_token(
                    headers.get("authorization", b"").decode("latin1") or None
                )
            receive = await _body(receive, self._most(scope))
        except DassError as error:
            await refusal(error)(scope, receive, sealed)
            return
        await self.app(scope, receive, sealed)

    def _most(self, scope: Scope) -> int:
        limits = self.admission.ranker.limits
        if scope["path"] == "/v1/teachers":
            return limits.upload_bytes * 4 // 3 + limits.request_bytes  # in base64
        return limits.request_bytes


async def _body(receive: Receive, most: int) -> Receive:
    """Read a body up to a limit; return a `receive` that gives it again.

    Raises:
        TooLarge: it is larger, whatever its length was said to be.
    """
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            break
        parts.append(message.get("body", b""))
        size, more = size + len(parts[-1]), message.get("more_body", False)
        if size > most:
            raise TooLarge(f"a request must have at most {most:,} bytes, but has more")
    body: list[Message] = [{"type": "http.request", "body": b"".join(parts), "more_body": False}]

    async def again() -> Message:
        return body.pop() if body else await receive()

    return again
