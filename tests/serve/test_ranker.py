"""The service without Ray: its contract in process and over HTTP; hostile requests."""

import asyncio
import base64
import json
from functools import lru_cache
from urllib.parse import quote

import httpx
import pytest

from dass.errors import DassError
from serve import dass_pb2 as pb
from serve import proto, refusals, rpc, web
from serve.admission import Admission
from serve.limits import Limits
from serve.ranker import Ranker
from serve.settings import digest
from tests.support.serving import LIMITS, prepare
from tests.support.serving_contract import Refused, ServiceContract

ROUTES = {
    "Score": ("POST", "/v1/score"),
    "Search": ("POST", "/v1/search"),
    "ListTeachers": ("GET", "/v1/teachers"),
    "RegisterTeacher": ("POST", "/v1/teachers"),
    "GetTeacher": ("GET", "/v1/teachers/{}"),
    "DeleteTeacher": ("DELETE", "/v1/teachers/{}"),
    "GetSpace": ("GET", "/v1/space"),
    "GetPredictor": ("GET", "/v1/predictor"),
}
MESSAGES = {
    "Score": pb.ScoreRequest,
    "Search": pb.SearchRequest,
    "ListTeachers": pb.ListTeachersRequest,
    "RegisterTeacher": pb.Registration,
    "GetTeacher": pb.TeacherName,
    "DeleteTeacher": pb.TeacherName,
    "GetSpace": pb.SpaceRequest,
    "GetPredictor": pb.PredictorRequest,
}


@pytest.fixture(scope="session")
def registry(tmp_path_factory):
    return prepare(tmp_path_factory.mktemp("prepared"))


@pytest.fixture
def ranker(registry):
    return Ranker.open(registry, limits=Limits(**LIMITS))


class Context:
    """What a gRPC method sees of its call."""

    def __init__(self, metadata=()):
        self.metadata, self.status, self.details = metadata, None, None

    def invocation_metadata(self):
        return list(self.metadata)

    def set_code(self, code):
        self.status = code

    def set_details(self, details):
        self.details = details

    def set_trailing_metadata(self, trailing_metadata):
        self.trailing = dict(trailing_metadata)


def plain(message):
    """Return a message as the JSON values of its model."""
    return proto.fields(message)


def to_message(method, request):
    if "weights" in request:
        request = request | {"weights": base64.b64decode(request["weights"])}
    return MESSAGES[method](**request)


class TestCallsInProcess(ServiceContract):
    @pytest.fixture
    def client(self, ranker):
        calls = rpc.Calls()
        calls.insecure = True

        class Client:
            def call(self, method, request):
                async def go():
                    calls.admission = Admission(ranker)
                    context = Context()
                    try:
                        message = to_message(method, request)
                        return plain(await getattr(calls, method)(message, context))
                    except DassError as error:
                        raise Refused(context.status.name, context.details) from error

                return asyncio.run(go())

            def stream(self, request):
                async def go():
                    calls.admission = Admission(ranker)
                    message = to_message("Search", request)
                    return [plain(r) async for r in calls.StreamSearch(message, Context())]

                return asyncio.run(go())

        return Client()


class HttpClient:
    """Asks over HTTP, whatever carries it."""

    def __init__(self, ask):
        self.ask = ask

    def call(self, method, request):
        verb, path = ROUTES[method]
        body = None if verb != "POST" else request
        if "{}" in path:
            path = path.format(quote(request["name"], safe=""))
        answer = self.ask(verb, path, body)
        told = answer.json()
        if answer.status_code >= 400:
            raise Refused(_status(told["error"]["code"]), told["error"]["message"])
        return told

    def stream(self, request):
        answer = self.ask("POST", "/v1/search", request | {"stream": True})
        assert answer.headers["content-type"] == "application/x-ndjson"
        return [json.loads(line) for line in answer.text.splitlines()]


def _status(name):
    return next(code.name for kind, (_, code) in refusals.STATUS.items() if kind.__name__ == name)


class Current:
    """Stands for the admission of the request under way, each with an event loop of its own."""

    admission = None

    def __getattr__(self, name):
        return getattr(self.admission, name)


@lru_cache(maxsize=8)
def application_of(ranker, token):
    """Return the application over a ranker, which takes a while to make, and its admission."""
    current = Current()
    current.admission = Admission(ranker, token_digest=token and digest(token))
    return web.application(current), current


def asgi(ranker, verb, path, body=None, *, token=None, headers=None, content=None):
    """Ask the application without a network."""

    async def go():
        app, current = application_of(ranker, token)
        current.admission = Admission(ranker, token_digest=token and digest(token))
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.request(verb, path, json=body, headers=headers, content=content)

    return asyncio.run(go())


class TestHttpInProcess(ServiceContract):
    @pytest.fixture
    def client(self, ranker):
        return HttpClient(lambda verb, path, body: asgi(ranker, verb, path, body))
