"""HTTP: a FastAPI application over an admission, and the page. Knows nothing of Ray.

Everything below `/v1` needs the token, if there is one; page, OpenAPI document and health do not.
"""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Annotated, Any

from fastapi import Body, FastAPI, Header, Query, Request
from fastapi.openapi.models import Example
from fastapi.responses import FileResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles
from pydantic import ValidationError

from dass.errors import DassError, StorageError
from serve import http_replies, refusals, replies, requests
from serve.admission import Admission
from serve.answers import answer_errors, is_json, untyped
from serve.door import Door

PAGE = Path(__file__).parent / "page"
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
REFUSALS |= {
    403: {"model": refusals.Error, "description": "A foreign page, or a foreign name."},
    405: {"model": refusals.Error, "description": "No such method of this path."},
    415: {"model": refusals.Error, "description": "The body is not said to be JSON."},
    500: {"model": refusals.Error, "description": "The service failed; its log says how."},
}
REGISTRATION = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": requests.Registration.model_json_schema()}},
    }
}
UPLOAD = {
    "requestBody": {
        "required": True,
        "content": {
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}
        },
    }
}
Key = Annotated[
    str | None,
    Header(min_length=1, max_length=128, description="The same again gets the same answer."),
]
SEARCH: dict[str, Example] = {
    "half of the teacher's FLOPs": {
        "value": {"teacher": "digits", "max_flops_share": 0.5, "candidates": 300, "k": 3}
    },
    "with progress": {"value": {"teacher": "digits", "candidates": 500, "stream": True}},
}
CHOICES: dict[str, Example] = {
    "in half of the teacher's FLOPs": {"value": {"teacher": "digits", "max_flops_share": 0.5}}
}


def application(admission: Admission, *, hosts: Sequence[str] = ()) -> FastAPI:
    """Make the application in front of an admission.

    Args:
        admission: takes the requests.
        hosts: names that it may be called by, as `Settings.hosts` says.
    """
    http = FastAPI(
        title="DaSS on Ray",
        version="1",
        description="Rank the students of a teacher by their accuracy after distillation.",
        docs_url=None,
        redoc_url=None,
        responses=REFUSALS,
    )
    answer_errors(http)
    _teachers(http, admission)
    _uploads(http, admission)
    _students(http, admission)
    _choices(http, admission)
    _health(http, admission)
    http.mount("/page", StaticFiles(directory=PAGE))
    http.add_middleware(Door, admission=admission, hosts=tuple(hosts))

    @http.get("/", include_in_schema=False)
    async def index() -> FileResponse:
        return FileResponse(PAGE / "index.html")

    @http.get("/docs", include_in_schema=False)
    async def docs() -> FileResponse:
        return FileResponse(PAGE / "docs.html")

    return http


@contextlib.asynccontextmanager
async def received(request: Request) -> AsyncIterator[IO[bytes]]:
    """Write a body to a file of its own as it comes; memory holds a part at a time."""
    with tempfile.TemporaryFile() as file:
        async for part in request.stream():
            await asyncio.to_thread(file.write, part)
        file.seek(0)
        yield file


def _teachers(http: FastAPI, admission: Admission) -> None:
    ranker = admission.ranker

    @http.get("/v1/teachers", tags=["teachers"])
    async def list_teachers() -> http_replies.TeacherList:
        """List the teachers whose students can be ranked."""
        found = await admission.in_thread(ranker.teachers)
        return http_replies.TeacherList(teachers=[http_replies.Teacher.of(t) for t in found])

    @http.get("/v1/teachers/{name}", tags=["teachers"])
    async def get_teacher(name: str) -> http_replies.Teacher:
        """Describe a teacher."""
        return http_replies.Teacher.of(await admission.in_thread(lambda: ranker.facts(name)))

    @http.delete("/v1/teachers/{name}", tags=["teachers"])
    async def delete_teacher(name: str) -> requests.TeacherName:
        """Remove a teacher."""
        await admission.in_thread(lambda: ranker.delete(name))
        return requests.TeacherName(name=name)


def _uploads(http: FastAPI, admission: Admission) -> None:
    ranker = admission.ranker

    @http.post("/v1/teachers", status_code=201, tags=["teachers"], openapi_extra=REGISTRATION)
    async def register_teacher(request: Request) -> http_replies.Teacher:
        """Add a teacher of your own; the same one again is fine."""
        sent = request.headers.get("content-type", "")
        if not is_json(sent):
            raise untyped(sent)

        def register(file: IO[bytes]) -> http_replies.Teacher:
            try:
                wanted = requests.Registration.model_validate_json(file.read())
            except ValidationError as error:
                raise refusals.malformed(error.errors()) from error
            return http_replies.Teacher.of(ranker.register(wanted.plain()))

        async with received(request) as file:
            return await admission.upload(lambda: register(file))

    @http.put("/v1/teachers/{name}", status_code=201, tags=["teachers"], openapi_extra=UPLOAD)
    async def upload_teacher(
        name: str, request: Request, facts: Annotated[requests.Facts, Query()]
    ) -> http_replies.Teacher:
        """Add a teacher of your own, its safetensors file as the body."""
        wanted = facts.plain(name)
        ranker.check_registration(wanted)

        def register(file: IO[bytes]) -> http_replies.Teacher:
            return http_replies.Teacher.of(ranker.register(replace(wanted, weights=file.read())))

        async with received(request) as file:
            return await admission.upload(lambda: register(file))


def _students(http: FastAPI, admission: Admission) -> None:
    ranker = admission.ranker
    cheapest = {"teacher": "digits", "architectures": [str(ranker.space.smallest)]}
    examples: dict[str, Example] = {"the cheapest student": {"value": cheapest}}

    @http.post("/v1/search", tags=["students"], response_model=replies.SearchReply)
    async def search(
        request: Annotated[requests.StreamedSearchRequest, Body(openapi_examples=SEARCH)],
        idempotency_key: Key = None,
    ) -> replies.SearchReply | StreamingResponse:
        """Rank the students of a teacher within a budget."""
        if not request.stream:
            return await admission.once(
                idempotency_key, request, lambda: admission.search(request)
            )
        stream = admission.stream(request)
        first = await anext(stream)  # so that a refusal still has its own status
        return StreamingResponse(_lines(first, stream), media_type="application/x-ndjson")

    @http.post("/v1/score", tags=["students"])
    async def score(
        request: Annotated[requests.ScoreRequest, Body(openapi_examples=examples)],
        idempotency_key: Key = None,
    ) -> replies.ScoreReply:
        """Predict given students, in the given order."""
        return await admission.once(idempotency_key, request, lambda: admission.score(request))

    @http.get("/v1/space", tags=["students"])
    async def get_space() -> replies.Space:
        """Describe the search space: widths, depths, strides."""
        return replies.Space.of(ranker)

    @http.get("/v1/predictor", tags=["students"])
    async def get_predictor() -> replies.Predictor:
        """Describe the predictor, and the limits of requests."""
        return replies.Predictor.of(ranker)


def _choices(http: FastAPI, admission: Admission) -> None:
    @http.post("/v1/choices", tags=["students"])
    async def choices(
        request: Annotated[requests.SearchRequest, Body(openapi_examples=CHOICES)],
        idempotency_key: Key = None,
    ) -> http_replies.Choices:
        """Predict what one would take without a search: the largest in the budget, and any.

        Takes what a search takes, so that both are of one budget, seed and support.
        """
        return await admission.once(idempotency_key, request, lambda: admission.choices(request))


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
