"""HTTP: a FastAPI application over an admission, and the page. Knows nothing of Ray.

Everything below `/v1` needs the token, if there is one; page, OpenAPI document and health do not.
"""

import asyncio
import contextlib
import functools
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Annotated, Any

from fastapi import Body, FastAPI, Query, Request
from fastapi.openapi.models import Example
from fastapi.responses import FileResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles
from pydantic import ValidationError

from dass.errors import DassError, StorageError
from serve import http_replies, refusals, replies, requests
from serve.admission import Admission
from serve.answers import answer_errors, is_json, untyped
from serve.door import Door
from serve.openapi import CHOICES, REFUSALS, SEARCH, UPLOAD, Key, registration
from serve.openapi_document import document
from serve.web_jobs import add_jobs
from serve.web_latency import add_latency
from serve.web_runs import add_runs
from serve.web_searches import add_searches
from serve.web_students import add_students
from serve.wire import Name

PAGE = Path(__file__).parent / "page"


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
        generate_unique_id_function=lambda route: route.name,
        redoc_url=None,
        responses=REFUSALS,
    )
    answer_errors(http)
    _teachers(http, admission)
    _uploads(http, admission)
    _students(http, admission)
    add_searches(http, admission)
    add_students(http, admission)
    add_latency(http, admission)
    add_runs(http, admission)
    add_jobs(http, admission)
    _choices(http, admission)
    _health(http, admission)
    _document(http, admission)
    http.mount("/page", StaticFiles(directory=PAGE))
    http.add_middleware(Door, admission=admission, hosts=tuple(hosts))

    @http.get("/", include_in_schema=False)
    async def index() -> FileResponse:
        return FileResponse(PAGE / "index.html")

    @http.get("/docs", include_in_schema=False)
    async def docs() -> FileResponse:
        return FileResponse(PAGE / "docs.html")

    return http


def _document(http: FastAPI, admission: Admission) -> None:
    """Let the application tell its document: made once, when it is first asked for."""
    ranker = admission.ranker
    own = {"space": ranker.space.name, "architecture": str(ranker.space.smallest)}

    @functools.cache
    def told() -> Any:
        guarded = admission.token_digest is not None
        return document(http, ranker.limits, example=own, guarded=guarded)

    http.openapi = told  # type: ignore[method-assign]


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
    async def list_teachers(
        deleted: Annotated[
            bool, Query(description="Whether those follow that were deleted and can be restored.")
        ] = False,
    ) -> replies.TeacherList:
        """List the teachers whose students can be ranked."""
        found = await admission.in_thread(lambda: ranker.teachers(deleted=deleted))
        return replies.TeacherList(teachers=[replies.Teacher.of(t) for t in found])

    @http.get("/v1/teachers/{name}", tags=["teachers"])
    async def get_teacher(name: Name) -> replies.Teacher:
        """Describe a teacher."""
        return replies.Teacher.of(await admission.in_thread(lambda: ranker.facts(name)))

    @http.delete("/v1/teachers/{name}", tags=["teachers"])
    async def delete_teacher(
        name: Name,
        purge: Annotated[
            bool, Query(description="For good, with deleted ones of its name.")
        ] = False,
    ) -> requests.TeacherName:
        """Remove a teacher; unless purged it can be restored."""
        await admission.upload(lambda: ranker.delete(name, purge=purge))
        return requests.TeacherName(name=name)

    @http.post("/v1/teachers/{name}/restore", tags=["teachers"])
    async def restore_teacher(name: Name) -> replies.Teacher:
        """Restore the teacher of a name that was deleted last."""
        return replies.Teacher.of(await admission.upload(lambda: ranker.restore(name)))


def _uploads(http: FastAPI, admission: Admission) -> None:
    ranker = admission.ranker

    @http.post(
        "/v1/teachers",
        status_code=201,
        tags=["teachers"],
        openapi_extra=registration(ranker.space.name),
    )
    async def register_teacher(request: Request) -> replies.Teacher:
        """Add a teacher of your own; the same one again is fine."""
        sent = request.headers.get("content-type", "")
        if not is_json(sent):
            raise untyped(sent)

        def register(file: IO[bytes]) -> replies.Teacher:
            try:
                wanted = requests.Registration.model_validate_json(file.read())
            except ValidationError as error:
                raise refusals.malformed(error.errors()) from error
            return replies.Teacher.of(ranker.register(wanted.plain()))

        async with received(request) as file:
            return await admission.upload(lambda: register(file))

    @http.put("/v1/teachers/{name}", status_code=201, tags=["teachers"], openapi_extra=UPLOAD)
    async def upload_teacher(
        name: Name, request: Request, facts: Annotated[requests.Facts, Query()]
    ) -> replies.Teacher:
        """Add a teacher of your own, its safetensors file as the body."""
        wanted = facts.plain(name)
        ranker.check_registration(wanted)

        def register(file: IO[bytes]) -> replies.Teacher:
            return replies.Teacher.of(ranker.register(replace(wanted, weights=file.read())))

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
