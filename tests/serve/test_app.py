"""The service on Ray Serve: its contract over HTTP and gRPC, a killed replica, overload, hang-ups.

One service for all of them: `tests.support.serving.service`.
"""

import asyncio
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import httpx
import pytest

from serve import dass_pb2 as pb
from serve.client import Client
from serve.dass_pb2_grpc import RankerStub
from serve.job_store import Jobs, State
from serve.job_wire import JobRequest
from serve.limits import Limits
from serve.ranker import Ranker
from tests.serve.test_ranker import HttpClient, plain, to_message
from tests.support.serving import TOKEN
from tests.support.serving_contract import SOME, Refused, ServiceContract

# Ray warns of its own ways, on import and at the end; that is not what is tested here.
pytestmark = [pytest.mark.ray, pytest.mark.filterwarnings("ignore")]
BEARER = {"authorization": f"Bearer {TOKEN}"}
METADATA = tuple(BEARER.items())
SUPPORT = [{"architecture": a, "validation_accuracy": 0.5} for a in SOME[:5]]


class Shared(ServiceContract):
    @pytest.fixture
    def registry(self, service):
        return service.registry


def over_http(service):
    def ask(verb, path, body):
        headers = BEARER if body is None else BEARER | {"content-type": "application/json"}
        return httpx.request(verb, service.http + path, json=body, headers=headers, timeout=120)

    return HttpClient(ask)


class OverGrpc:
    def __init__(self, address):
        self.stub = RankerStub(grpc.insecure_channel(address))

    def call(self, method, request):
        message = to_message(method, request)
        try:
            return plain(getattr(self.stub, method)(message, metadata=METADATA, timeout=120))
        except grpc.RpcError as error:
            raise Refused(error.code().name, error.details()) from error

    def stream(self, request):
        message = to_message("Search", request)
        return [plain(r) for r in self.stub.StreamSearch(message, metadata=METADATA, timeout=120)]


class TestHttp(Shared):
    @pytest.fixture
    def client(self, service):
        return over_http(service)


class TestGrpc(Shared):
    @pytest.fixture
    def client(self, service):
        return OverGrpc(service.grpc)


def test_calls_without_the_token_are_refused(service):
    for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": TOKEN}):
        answer = httpx.get(service.http + "/v1/teachers", headers=headers)
        assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"
        stub = RankerStub(grpc.insecure_channel(service.grpc))
        with pytest.raises(grpc.RpcError) as caught:
            stub.ListTeachers(pb.ListTeachersRequest(), metadata=tuple(headers.items()))
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_page_health_and_reflection_answer_without_a_token(service):
    from grpc_health.v1 import health_pb2, health_pb2_grpc
    from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
        ProtoReflectionDescriptorDatabase,
    )

    assert "DaSS" in httpx.get(service.http + "/").text
    assert httpx.get(service.http + "/ready", timeout=60).json() == {"status": "ready"}
    channel = grpc.insecure_channel(service.grpc)
    health = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
    assert health.status == health_pb2.HealthCheckResponse.SERVING
    assert "dass.v1.Ranker" in ProtoReflectionDescriptorDatabase(channel).get_services()


def replicas(wanted=2, seconds=90):
    """Return how many chunks each scorer took up, by process id, once so many are there."""
    from ray import serve

    scorer = serve.get_deployment_handle("Scorer", app_name="dass")
    found, until = {}, time.monotonic() + seconds
    while len(found) < max(wanted, running()) and time.monotonic() < until:
        found |= dict(scorer.vitals.remote().result(timeout_s=60) for _ in range(12))
    return found


def running():
    """Return how many scorers Serve says are there."""
    from ray import serve

    return serve.status().applications["dass"].deployments["Scorer"].replica_states["RUNNING"]


def test_a_scorer_killed_under_load_loses_no_request(service):
    pids = replicas()
    assert len(pids) >= 2
    expected = Ranker.open(service.registry).score("digits", SOME)
    killed = threading.Event()

    def ask(number):
        if number == 6:
            os.kill(min(pids), signal.SIGKILL)
            killed.set()
        request = {"teacher": "digits", "architectures": SOME}
        return over_http(service).call("Score", request)["predictions"]

    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(ask, range(40)))
    assert killed.is_set()
    for found in answers:
        for p, q in zip(found, expected, strict=True):
            assert p["accuracy"] == pytest.approx(q.accuracy, abs=1e-5)
    found, until = {}, time.monotonic() + 90
    while len(found) < 2 and time.monotonic() < until:
        found = {pid: chunks for pid, chunks in replicas().items() if pid != min(pids)}
    assert len(found) >= 2, "the dead replica is replaced"


def ingresses():
    """Return the process of every ingress replica."""
    import ray
    from ray.util.state import list_actors

    own = ray.get_runtime_context().gcs_address  # not that of another Ray of this machine
    found = list_actors(own, filters=[("state", "=", "ALIVE")], detail=True, limit=1000)
    return {a.name: a.pid for a in found if a.name and "Ingress" in a.name}


def test_an_ingress_killed_under_load_loses_no_search(service):
    """With the client that asks again; whatever it held is searched by the other."""
    pids = ingresses()
    assert len(pids) == 2
    client = Client(url=service.http, token=TOKEN)
    expected = client.ask("POST", "/v1/search", {"teacher": "digits", "candidates": 200})

    def ask(number):
        if number == 8:
            os.kill(min(pids.values()), signal.SIGKILL)
        return client.ask("POST", "/v1/search", {"teacher": "digits", "candidates": 200})

    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(ask, range(48)))
    best = [p["architecture"] for p in expected["top"]]
    assert [[p["architecture"] for p in a["top"]] for a in answers] == [best] * 48
    until = time.monotonic() + 120
    while len(ingresses()) < 2 and time.monotonic() < until:
        time.sleep(0.5)
    assert len(ingresses()) == 2, "the dead replica is replaced"


def test_faults_of_our_own_tell_no_caller_where_they_happened(service):
    """Also where Serve would answer with its own traceback."""
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    channel = grpc.insecure_channel(service.grpc)
    watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
    assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
    watch.cancel()
    stub = RankerStub(channel)
    with pytest.raises(grpc.RpcError) as caught:
        stub.GetTeacher(pb.TeacherName(name="nobody"), metadata=METADATA)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert caught.value.details().startswith("a teacher must be registered")
    service.registry.store.write("teachers/broken/config.json", b"{}")
    try:
        with pytest.raises(grpc.RpcError) as caught:
            stub.GetTeacher(pb.TeacherName(name="broken"), metadata=METADATA)
        assert caught.value.code() is grpc.StatusCode.DATA_LOSS
        for word in ("Traceback", "ray", service.registry.store.root):
            assert word not in caught.value.details()
    finally:
        service.registry.store.delete("teachers/broken/config.json")


def test_fifty_searches_at_once_are_all_answered(service):
    request = {"teacher": "digits", "candidates": 100, "k": 1}

    def ask(number):
        return over_http(service).call("Search", request | {"seed": number % 3})

    with ThreadPoolExecutor(50) as threads:
        answers = list(threads.map(ask, range(50)))
    assert len(answers) == 50
    assert len({a["top"][0]["architecture"] for a in answers}) <= 3


def test_a_file_of_a_job_beyond_any_message_comes_whole_over_both_protocols(service):
    jobs = Jobs(service.registry.store, Limits(), data={"digits": "digits"}, at_once=1)
    made = jobs.create(JobRequest(teacher="digits", data="digits"))
    content = os.urandom(9 * 2**20 + 7)
    jobs.put_file(made.id, "model.onnx", content)
    jobs.save(made.id, State(state="done"))
    try:
        stub = RankerStub(grpc.insecure_channel(service.grpc))
        asked = pb.JobFileName(id=made.id, name="model.onnx")
        parts = [part.content for part in stub.GetJobFile(asked, metadata=METADATA, timeout=120)]
        assert b"".join(parts) == content and len(parts) == 10
        url = f"{service.http}/v1/jobs/{made.id}/files/"
        answer = httpx.get(url + "model.onnx", headers=BEARER, timeout=120)
        assert answer.content == content
        assert answer.headers["content-length"] == str(len(content))
        with pytest.raises(grpc.RpcError) as caught:
            list(stub.GetJobFile(pb.JobFileName(id=made.id, name="no"), metadata=METADATA))
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        assert httpx.get(url + "no", headers=BEARER).status_code == 404
    finally:
        jobs.delete(made.id)


CROWD = 160
"""Clients at once: each of two ingresses lets some 46 run and wait."""


def test_overload_is_refused_with_a_time_to_come_back_and_recovers(service):
    """Clients more than two ingresses let run and wait, who ask until one of them is refused."""
    body = {"teacher": "digits", "candidates": 300, "k": 1}
    full, until = threading.Event(), time.monotonic() + 60

    def ask(client):
        return client.post(service.http + "/v1/search", json=body, headers=BEARER)

    def insist(client):
        answers = []
        while not full.is_set() and time.monotonic() < until:
            answers.append(ask(client))
            if answers[-1].status_code == 503:
                full.set()
        return answers

    limits = httpx.Limits(max_connections=None)
    with httpx.Client(timeout=180, limits=limits) as client, ThreadPoolExecutor(CROWD) as threads:
        asked = [threads.submit(insist, client) for _ in range(CROWD)]
        answers = [answer for one in asked for answer in one.result()]
        refused = [a for a in answers if a.status_code == 503]
        assert refused and all(a.headers["retry-after"] == "2" for a in refused)
        assert {a.status_code for a in answers} <= {200, 503, 408}
        assert ask(client).status_code == 200


LONG = {"teacher": "digits", "support": SUPPORT}


def settled(seconds=60):
    """Return how many chunks were taken up in all, once for a second none was."""
    until, before, now = time.monotonic() + seconds, -1, sum(replicas().values())
    while before != now and time.monotonic() < until:
        time.sleep(1.0)
        before, now = now, sum(replicas().values())
    assert before == now, "nothing goes on"
    return now


def until_it_is_searched(before):
    """Return once a scorer took up more chunks than it had: not after a time, which is no sign."""
    from ray import serve

    scorer, until = serve.get_deployment_handle("Scorer", app_name="dass"), time.monotonic() + 60
    while time.monotonic() < until:
        pid, chunks = scorer.vitals.remote().result(timeout_s=60)
        if chunks > before.get(pid, 0):
            return
    raise AssertionError("no scorer took a chunk up")


def hang_up_on_a_stream(service, body):
    url = service.http + "/v1/search"
    with httpx.stream(
        "POST", url, json=body | {"stream": True}, headers=BEARER, timeout=120
    ) as answer:
        next(answer.iter_lines())


def hang_up_on_a_request(service, body):
    before = replicas()

    async def go():
        async with httpx.AsyncClient(timeout=120) as client:
            asking = asyncio.create_task(
                client.post(service.http + "/v1/search", json=body, headers=BEARER)
            )
            await asyncio.to_thread(until_it_is_searched, before)
            assert asking.cancel(), "it goes on"
            await asyncio.gather(asking, return_exceptions=True)

    asyncio.run(go())


def cancel_a_stream(service, body):
    stub = RankerStub(grpc.insecure_channel(service.grpc))
    call = stub.StreamSearch(pb.SearchRequest(**body), metadata=METADATA)
    next(iter(call))
    call.cancel()


def cancel_a_call(service, body):
    before = replicas()
    stub = RankerStub(grpc.insecure_channel(service.grpc))
    call = stub.Search.future(pb.SearchRequest(**body), metadata=METADATA)
    until_it_is_searched(before)
    assert call.cancel(), "it goes on"


@pytest.fixture(scope="module")
def chunks(service):
    """How many chunks a search of 5,000 candidates is, by what one of 500 is."""
    before = sum(replicas().values())
    over_http(service).call("Search", LONG | {"candidates": 500})
    return 10 * (sum(replicas().values()) - before)


@pytest.mark.parametrize(
    "hang_up", [hang_up_on_a_stream, hang_up_on_a_request, cancel_a_stream, cancel_a_call]
)
def test_a_client_that_hangs_up_stops_its_search(service, chunks, hang_up):
    """Of nearly the whole space, as soon as it is under way; it ends a few generations later."""
    before = settled()
    for _ in range(3):
        hang_up(service, LONG | {"candidates": 5000})
        after = settled()
    # Ray loses one cancelled stream in some 25: that one ends by itself.
    assert after - before < 3 * chunks / 2


def test_scorers_become_more_when_searches_queue_up(service):
    body = {"teacher": "digits", "candidates": 300, "k": 1}
    over = threading.Event()

    def ask(_):
        while not over.is_set():
            over_http(service).call("Search", body)

    with ThreadPoolExecutor(6) as threads:
        asking = [threads.submit(ask, number) for number in range(6)]
        found = replicas(3, seconds=120)
        over.set()
    assert not [a.exception() for a in asking if a.exception()]
    assert len(found) == 3
