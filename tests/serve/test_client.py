"""The client that asks again: against the application on a real server that loses its answers."""

import asyncio
import contextlib
import threading

import pytest
import uvicorn

from serve import requests, web
from serve.admission import Admission
from serve.client import Client, Refused
from serve.limits import Limits
from serve.ranker import Ranker
from serve.scoring import Local
from tests.support.serving import LIMITS, any_teacher, prepare, weights_of
from tests.support.serving_contract import registration

SEARCH = {"teacher": "digits", "candidates": 50, "k": 2}


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    return prepare(tmp_path_factory.mktemp("prepared"))


class Counted:
    """A scoring that counts what it is asked."""

    def __init__(self, registry):
        self.local, self.chunks = Local(registry, registry.predictor("predictor")[0]), 0

    def __call__(self, chunk):
        self.chunks += 1
        return self.local(chunk)


@contextlib.contextmanager
def losing(registry, scoring, *, lost):
    """Serve; the first answers, so many, are made and then lost."""
    import socket

    ranker = Ranker.open(registry, limits=Limits(**LIMITS), scoring=scoring)
    found, left = socket.create_server(("127.0.0.1", 0)), [lost]

    def made():
        app = web.application(Admission(ranker))

        async def loses(scope, receive, send):
            if scope["type"] != "http" or left[0] == 0:
                return await app(scope, receive, send)
            left[0] -= 1

            async def nowhere(message):
                pass

            await app(scope, receive, nowhere)
            raise ConnectionResetError("as if the process were gone")

        return loses

    config = uvicorn.Config(made, factory=True, log_level="critical")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=asyncio.run, args=(server.serve(sockets=[found]),))
    thread.start()
    try:
        yield f"http://127.0.0.1:{found.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)
        found.close()


def test_a_search_whose_answer_is_lost_is_asked_again_and_done_once(registry):
    scoring = Counted(registry)
    with losing(registry, scoring, lost=2) as url:
        answer = Client(url=url).ask("POST", "/v1/search", SEARCH)
        assert answer["done"] and len(answer["top"]) == 2
        assert scoring.chunks == 1


def test_a_teacher_is_added_and_deleted_once_though_both_answers_are_lost(registry):
    body = registration("lost", weights_of(any_teacher("-", seed=8)))
    with losing(registry, None, lost=1) as url:
        assert Client(url=url).ask("POST", "/v1/teachers", body)["name"] == "lost"
    with losing(registry, None, lost=1) as url:
        assert Client(url=url).ask("DELETE", "/v1/teachers/lost") is None
        with pytest.raises(Refused) as caught:
            Client(url=url).ask("DELETE", "/v1/teachers/lost")
        assert caught.value.args[:2] == (404, "UnknownName")


def test_what_is_refused_is_not_asked_again_and_who_never_answers_is_given_up(registry):
    with losing(registry, None, lost=0) as url:
        with pytest.raises(Refused) as caught:
            Client(url=url).ask("POST", "/v1/search", SEARCH | {"k": 10**6})
        assert caught.value.args[0] == 413 and caught.value.args[3] == "k"
    with pytest.raises(ConnectionError, match="after 2 tries"):
        Client(url=url, attempts=2).ask("GET", "/health")


def test_one_key_is_of_one_request(registry):
    async def go():
        admission = Admission(Ranker.open(registry))
        first, other = (requests.SearchRequest(**SEARCH | {"seed": s}) for s in (1, 2))
        answer = await admission.once("key", first, lambda: admission.search(first))
        assert await admission.once("key", first, lambda: admission.search(first)) is answer
        with pytest.raises(Exception, match="of one request"):
            await admission.once("key", other, lambda: admission.search(other))

    asyncio.run(go())
