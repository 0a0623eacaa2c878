"""Limits and safety without Ray: every refusal's status over both protocols; nothing escapes."""

import asyncio
import json
import re
import threading
import time
from dataclasses import replace

import grpc
import pytest
from grpc_health.v1 import health_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from dass.errors import CorruptArtifact, InvalidConfig, StorageError
from serve import dass_pb2 as pb
from serve import refusals, requests, rpc, web
from serve.admission import Admission
from serve.limits import Limits, Overloaded, TookTooLong, Unauthenticated, Unavailable
from serve.ranker import Ranker
from serve.scoring import Local
from serve.settings import digest, digest_of_own
from tests.serve.test_ranker import Context, asgi
from tests.support.serving import LIMITS, any_teacher, prepare, weights_of
from tests.support.serving_contract import registration

SEARCH = {"teacher": "digits", "candidates": 1000}


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    return prepare(tmp_path_factory.mktemp("prepared"))


class Slow:
    """A scoring that counts its chunks and waits before each until it may go on."""

    def __init__(self, registry, *, seconds=0.0):
        self.local = Local(registry, registry.predictor("predictor")[0])
        self.seconds, self.chunks, self.go = seconds, 0, threading.Event()
        self.go.set()

    def __call__(self, chunk):
        self.chunks += 1
        self.go.wait(20)
        time.sleep(self.seconds)
        return self.local(chunk)


def admission_of(registry, scoring=None, **limits):
    limits = Limits(**LIMITS | limits)
    return Admission(Ranker.open(registry, limits=limits, scoring=scoring))


def request(**changes):
    return requests.SearchRequest(**SEARCH | changes)


# a client that hangs up


def test_closing_a_stream_stops_its_search_and_frees_its_turn(registry):
    slow = Slow(registry, seconds=0.01)

    async def go():
        admission = admission_of(registry, slow, running=1, waiting=0)
        replies = admission.stream(request())
        await anext(replies)
        await replies.aclose()
        taken = slow.chunks
        await asyncio.sleep(0.3)
        assert slow.chunks == taken <= 2, "of ten generations"
        assert (await admission.search(request(candidates=20))).done

    asyncio.run(go())


def test_cancelling_a_search_stops_it_and_frees_its_turn(registry):
    slow = Slow(registry, seconds=0.05)

    async def go():
        admission = admission_of(registry, slow, running=1, waiting=0)
        searching = asyncio.create_task(admission.search(request()))
        await asyncio.sleep(0.15)
        searching.cancel()
        await asyncio.gather(searching, return_exceptions=True)
        taken = slow.chunks
        await asyncio.sleep(0.3)
        assert slow.chunks <= taken + 1
        assert (await admission.search(request(candidates=20))).done

    asyncio.run(go())


# too much at once, too long


def test_beyond_those_that_run_and_wait_a_search_is_refused_and_later_served(registry):
    slow = Slow(registry)
    slow.go.clear()

    async def go():
        admission = admission_of(registry, slow, running=1, waiting=2)
        small = request(candidates=20)
        asked = [asyncio.create_task(admission.search(small)) for _ in range(3)]
        await asyncio.sleep(0.05)
        with pytest.raises(Overloaded, match="1 searches may run and 2 wait"):
            await admission.search(small)
        slow.go.set()
        assert all(reply.done for reply in await asyncio.gather(*asked))
        assert (await admission.search(small)).done

    asyncio.run(go())


def test_what_takes_too_long_is_given_up_running_or_waiting(registry):
    slow = Slow(registry)
    slow.go.clear()

    async def go():
        admission = admission_of(registry, slow, running=1, seconds=0.2)
        answers = await asyncio.gather(
            *(admission.search(request(candidates=20)) for _ in range(2)), return_exceptions=True
        )
        slow.go.set()
        assert [type(a) for a in answers] == [TookTooLong, TookTooLong]

    asyncio.run(go())


# the one table


@pytest.mark.parametrize("error", refusals.STATUS, ids=lambda kind: kind.__name__)
def test_every_error_has_its_status_over_http_and_grpc(registry, error, monkeypatch):
    code, status = refusals.STATUS[error]

    def refuse(*_):
        raise error("so it is")

    said = refusals.explain(error("so it is")).error.message
    assert ("so it is" in said) == (not issubclass(error, (StorageError, CorruptArtifact)))

    ranker = Ranker.open(registry, limits=Limits(**LIMITS))
    monkeypatch.setattr(ranker, "facts", refuse)
    answer = asgi(ranker, "GET", "/v1/teachers/digits")
    assert answer.status_code == code
    expected = {"error": {"code": error.__name__, "message": said, "field": None}}
    assert answer.json() == expected
    assert ("retry-after" in answer.headers) == (code == 503)
    context = Context()
    with pytest.raises(error):
        call(ranker, "GetTeacher", pb.TeacherName(name="digits"), context)
    assert context.status is status and context.details == said
    assert json.loads(context.trailing["dass-error"]) == expected


def call(ranker, method, message, context, *, token=None, insecure=True):
    async def go():
        calls = rpc.Calls()
        calls.insecure = insecure
        calls.admission = Admission(ranker, token_digest=token and digest(token))
        return await getattr(calls, method)(message, context)

    return asyncio.run(go())


def test_the_documentation_has_every_status():
    rows = re.findall(r"^\| .* \| (\d{3})\b.* \| ([A-Z_]+) \|$", text("docs/service.md"), re.M)
    assert {(int(code), name) for code, name in rows} == {
        (code, status.name) for code, status in refusals.STATUS.values()
    }


def text(path):
    from pathlib import Path

    return (Path(__file__).parents[2] / path).read_text()


def test_a_fault_of_our_own_is_not_told_to_clients():
    told = refusals.explain(RuntimeError("/secret/path"))
    assert told.error.code == "InternalError" and "secret" not in told.error.message


def test_a_store_out_of_reach_is_unavailable_and_not_ready(registry, monkeypatch):
    ranker = Ranker.open(registry, limits=Limits(**LIMITS))

    def lost(*_):
        raise StorageError("the store did not answer")

    monkeypatch.setattr(type(ranker.registry), "teachers", lost)
    for path in ("/v1/teachers", "/ready"):
        answer = asgi(ranker, "GET", path)
        assert answer.status_code == 503 and answer.headers["retry-after"] == "2"
    assert asgi(ranker, "GET", "/health").status_code == 200


def test_scorers_out_of_reach_are_unavailable(registry):
    def lost(chunk):
        raise Unavailable("no scorer answers")

    ranker = Ranker.open(registry, scoring=lost)
    assert asgi(ranker, "POST", "/v1/search", SEARCH).status_code == 503
    assert asgi(ranker, "GET", "/ready").status_code == 503


def test_a_client_is_not_told_where_the_store_is(registry):
    ranker = Ranker.open(registry)
    for answer in (
        asgi(ranker, "GET", "/v1/teachers/nobody"),
        asgi(ranker, "DELETE", "/v1/teachers/nobody"),
        asgi(ranker, "POST", "/v1/search", SEARCH | {"teacher": "nobody"}),
        asgi(ranker, "POST", "/v1/teachers", registration("t", b"") | {"weights": "AAAA"}),
    ):
        assert answer.status_code in {404, 422}
        assert registry.store.root not in answer.text


def test_one_broken_teacher_hides_no_other(registry):
    ranker = Ranker.open(registry)
    registry.store.write("teachers/broken/config.json", b"{}")
    names = [t["name"] for t in asgi(ranker, "GET", "/v1/teachers").json()["teachers"]]
    assert "digits" in names and "broken" not in names
    with pytest.raises(CorruptArtifact):
        ranker.facts("broken")
    registry.store.delete("teachers/broken/config.json")


# size


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_beyond_the_limit_is_refused_whatever_its_length_was_said_to_be(registry, chunked):
    ranker = Ranker.open(registry, limits=Limits(**LIMITS))
    body = b" " * (LIMITS["request_bytes"] + 1)

    async def parts():
        for start in range(0, len(body), 2**14):
            yield body[start : start + 2**14]

    answer = asgi(ranker, "POST", "/v1/search", content=parts() if chunked else body)
    assert answer.status_code == 413 and answer.json()["error"]["code"] == "TooLarge"


def test_a_message_beyond_the_limit_is_refused(registry):
    ranker = Ranker.open(registry, limits=Limits(**LIMITS | {"request_bytes": 1000}))
    context, message = Context(), pb.ScoreRequest(teacher="d", architectures=["4_8_32"] * 200)
    with pytest.raises(Exception, match="at most 1,000 bytes"):
        call(ranker, "Score", message, context)
    assert context.status is grpc.StatusCode.OUT_OF_RANGE


def test_more_teachers_than_the_limit_are_refused(registry):
    ranker = Ranker.open(registry, limits=Limits(**LIMITS | {"teachers": 1}))
    body = registration("one-more", weights_of(any_teacher("-")))
    answer = asgi(ranker, "POST", "/v1/teachers", body)
    assert answer.status_code == 413 and "teachers" in answer.json()["error"]["message"]


def test_a_body_that_is_no_json_is_refused(registry):
    ranker = Ranker.open(registry)
    for content in (b"{", b"\xff\xfe", b"[]", b"NaN", b'{"teacher": NaN}'):
        answer = asgi(
            ranker,
            "POST",
            "/v1/search",
            content=content,
            headers={"content-type": "application/json"},
        )
        assert answer.status_code in {400, 422} and answer.json()["error"]["code"] in {
            "BrokenJson",
            "InvalidRequest",
        }


# who may ask


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer wrong", "secret", "Basic secret"])
def test_calls_without_the_token_are_refused_over_both_protocols(registry, header):
    ranker = Ranker.open(registry)
    headers = {"authorization": header} if header else {}
    answer = asgi(ranker, "POST", "/v1/search", SEARCH, token="secret", headers=headers)
    assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"
    context = Context(headers.items())
    with pytest.raises(Unauthenticated):
        call(ranker, "GetSpace", pb.SpaceRequest(), context, token="secret")
    assert context.status is grpc.StatusCode.UNAUTHENTICATED
    open_to_all = [asgi(ranker, "GET", path, token="secret") for path in ("/", "/docs", "/health")]
    assert {answer.status_code for answer in open_to_all} == {200}


@given(token=st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1))
@settings(max_examples=50, deadline=None, derandomize=True, database=None)
def test_every_token_that_a_service_may_start_with_opens_it(token):
    try:
        own = digest_of_own(token)
    except InvalidConfig:
        return
    admission = object.__new__(Admission)
    admission.token_digest = own
    for header in (f"Bearer {token}", f"bearer {token}".encode()):
        admission.check_token(header)
    for header in (
        token,
        f"Bearer {token}x",
        f"Bearer {token}".encode() + b"\xff",
        "Bearer ü",
        b"",
    ):
        with pytest.raises(Unauthenticated):
            admission.check_token(header)


EDGES = [-(2**63), -1, 0, 1, 2, 3, 4, 5, 2**31 - 1, 2**31, 2**53, 2**53 + 1, 2**63, 2**64]
INTEGERS = {"max_flops": None, "max_parameters": None, "candidates": 60, "k": 20, "seed": None}


@pytest.mark.parametrize("algorithm", ["evolution", "random"])
@pytest.mark.parametrize("field", INTEGERS)
def test_every_integer_at_every_edge_is_answered_or_refused_by_its_name(
    registry, field, algorithm
):
    ranker, most = (
        Ranker.open(registry, limits=Limits(**LIMITS | {"candidates": 60})),
        INTEGERS[field],
    )
    for value in [*EDGES, *([most - 1, most, most + 1] if most else [])]:
        body = {"teacher": "digits", "candidates": 7, "algorithm": algorithm} | {field: value}
        answer = asgi(ranker, "POST", "/v1/search", body)
        told = answer.json().get("error", {})
        assert answer.status_code in {200, 413, 422}, (value, answer.text)
        if answer.status_code == 200 and field == "candidates":
            assert answer.json()["scored"] == value
        if answer.status_code != 200 and told["code"] != "InfeasibleBudget":
            assert told["field"] == field, (value, told)


def test_who_asks_without_a_token_is_not_told_what_is_wrong_inside(registry, monkeypatch):
    ranker = Ranker.open(registry)

    def lost(*_):
        raise StorageError(f"the store {registry.store.root} and teacher digits")

    monkeypatch.setattr(type(ranker.registry), "teachers", lost)
    for path in ("/ready", "/v1/teachers"):
        answer = asgi(ranker, "GET", path)
        assert answer.status_code == 503
        for word in (registry.store.root, "digits", "StorageError:", "Traceback"):
            assert word not in answer.text

    async def watched():
        calls = rpc.Calls()
        calls.admission, calls.insecure = Admission(ranker), False
        return await anext(calls.Watch(health_pb2.HealthCheckRequest(), Context()))

    assert asyncio.run(watched()).status == health_pb2.HealthCheckResponse.NOT_SERVING


def test_a_fault_that_nobody_foresaw_leaves_no_trace_over_grpc(registry, monkeypatch):
    ranker, context = Ranker.open(registry), Context()

    def fault(*_):
        raise RuntimeError("/secret/path")

    monkeypatch.setattr(ranker, "facts", fault)
    with pytest.raises(Exception, match="its log says how") as caught:
        call(ranker, "GetTeacher", pb.TeacherName(name="digits"), context)
    assert context.status is grpc.StatusCode.INTERNAL and caught.value.__cause__ is None
    assert "secret" not in context.details and "secret" not in str(context.trailing)


def test_the_token_opens_both_protocols(registry):
    ranker, headers = Ranker.open(registry), {"authorization": "Bearer secret"}
    answer = asgi(ranker, "GET", "/v1/space", token="secret", headers=headers)
    assert answer.status_code == 200
    found = call(ranker, "GetSpace", pb.SpaceRequest(), Context(headers.items()), token="secret")
    assert found.name == "micro"


def test_grpc_without_a_token_is_closed_unless_it_is_said_to_be_insecure(registry):
    ranker = Ranker.open(registry)
    with pytest.raises(Unauthenticated, match="--insecure"):
        call(ranker, "GetSpace", pb.SpaceRequest(), Context(), insecure=False)
    assert call(ranker, "GetSpace", pb.SpaceRequest(), Context()).name == "micro"


@pytest.mark.parametrize(
    "path",
    [
        "/page/../service.py",
        "/page/%2e%2e/service.py",
        "/page/..%2fservice.py",
        "/page/%2e%2e%2f%2e%2e%2fREADME.md",
        "/page//etc/passwd",
        "/v1/teachers/..%2f..%2fpredictors%2fpredictor",
        "/v1/teachers/%2e%2e",
        "/v1/teachers/a%00b",
    ],
)
def test_no_path_of_a_url_escapes(registry, path):
    ranker = Ranker.open(registry)

    async def go():
        app = web.application(Admission(ranker))
        raw, sent = path.encode(), []
        from urllib.parse import unquote

        scope = {
            "type": "http",
            "method": "GET",
            "path": unquote(path),
            "raw_path": raw,
            "query_string": b"",
            "headers": [],
            "scheme": "http",
            "server": ("test", 80),
            "root_path": "",
        }

        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message):
            sent.append(message)

        await app(scope, receive, send)
        return sent[0]["status"]

    assert asyncio.run(go()) in {404, 422}


def test_limits_are_told_to_clients(registry):
    ranker = Ranker.open(registry, limits=replace(Limits(), candidates=77))
    limits = asgi(ranker, "GET", "/v1/predictor").json()["limits"]
    assert {"name": "candidates", "most": 77.0} in limits
