"""The door of HTTP on a real server: slow clients, foreign pages and names, streamed uploads."""

import asyncio
import contextlib
import json
import socket
import threading
import time

import httpx
import pytest
import torch
import uvicorn
from safetensors.torch import load, save

from serve import door, web
from serve.admission import Admission
from serve.limits import Limits
from serve.ranker import Ranker
from tests.support.serving import LIMITS, any_teacher, prepare, weights_of
from tests.support.serving_contract import registration

FACTS = {"space": "micro", "classes": 3, "accuracy": 0.9}


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    return prepare(tmp_path_factory.mktemp("prepared"))


@contextlib.contextmanager
def served(registry, *, hosts=(), **limits):
    """Serve on a port of loopback; gives its address."""
    ranker = Ranker.open(registry, limits=Limits(**LIMITS | limits))
    found = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        lambda: web.application(Admission(ranker), hosts=hosts), factory=True, log_level="critical"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=asyncio.run, args=(server.serve(sockets=[found]),))
    thread.start()
    try:
        yield found.getsockname()
    finally:
        server.should_exit = server.force_exit = True
        thread.join(20)
        found.close()


def announced(address, path="/v1/search", method="POST"):
    """Open a connection that announces a body and sends a byte of it."""
    connection = socket.create_connection(address, timeout=30)
    head = f"{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    connection.sendall(f"{head}content-length: 1000\r\n\r\n{{".encode())
    return connection


def status(connection):
    """Return the status that a connection is answered with, once it is."""
    return int(connection.recv(4096).split()[1])


def test_clients_that_send_no_body_are_told_so_and_keep_nobody_waiting(registry):
    with served(registry, idle_seconds=2.0, slow=3) as address, contextlib.ExitStack() as stack:
        url = f"http://127.0.0.1:{address[1]}/v1/teachers"
        waiting = [stack.enter_context(announced(address)) for _ in range(200)]
        assert httpx.get(url, timeout=30).status_code == 200
        assert [status(c) for c in waiting] == [408] * 200
        assert httpx.get(url, timeout=30).status_code == 200


def test_of_slow_clients_of_one_address_a_few_are_waited_for(registry):
    with served(registry, idle_seconds=60.0, slow=3) as address, contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(announced(address)) for _ in range(8)]
        for connection in waiting:
            connection.setblocking(False)
        until = time.monotonic() + 60
        refused = set()
        while len(refused) < 5 and time.monotonic() < until:
            for connection in set(waiting) - refused:
                with contextlib.suppress(BlockingIOError):
                    assert connection.recv(4096).split()[1] == b"408"
                    refused.add(connection)
            time.sleep(0.05)
        assert len(refused) == 5
        (patient, *_) = set(waiting) - refused
        patient.settimeout(30)
        body = b'"teacher": "digits", "candidates": 20}'
        patient.sendall(body + b" " * (999 - len(body)))
        assert status(patient) == 200


def test_a_body_that_drips_is_a_slow_one(registry, monkeypatch):
    monkeypatch.setattr(door, "SLOW_S", 0.3)
    with served(registry, slow=0) as address, announced(address) as connection:
        connection.settimeout(0.05)
        answer = b""
        for _ in range(200):
            with contextlib.suppress(TimeoutError, BrokenPipeError):
                connection.sendall(b" ")
                answer = connection.recv(4096)
            if answer:
                break
        assert answer.split()[1] == b"408"


def put(address, name, content, **changes):
    url = f"http://127.0.0.1:{address[1]}/v1/teachers/{name}"
    return httpx.put(url, params=FACTS | changes, content=content, timeout=30)


def test_weights_are_uploaded_as_they_are_and_counted_on_the_way(registry):
    data = weights_of(any_teacher("-", seed=7))
    with served(registry) as address:
        made = put(address, "binary", data)
        assert made.status_code == 201 and made.json()["name"] == "binary"
        again = put(address, "binary", data)
        assert again.json() == made.json()
        assert put(address, "binary", data, accuracy=0.8).status_code == 409
        told = put(address, "b", data, classes=0).json()["error"]
        assert told["field"] == "classes"
    Ranker.open(registry).delete("binary")


@pytest.mark.parametrize(("verb", "path"), [("PUT", "/v1/teachers/b"), ("POST", "/v1/teachers")])
def test_of_an_upload_without_end_no_more_is_taken_than_may_be(registry, verb, path):
    sent, taken = [], []
    scope = {
        "type": "http",
        "method": verb,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"space=micro&classes=3&accuracy=0.9",
        "headers": [(b"content-type", b"application/json")],
        "scheme": "http",
        "server": ("localhost", 80),
        "root_path": "",
    }

    async def receive():
        taken.append(2**16)
        return {"type": "http.request", "body": bytes(2**16), "more_body": True}

    async def send(message):
        sent.append(message)

    app = web.application(Admission(Ranker.open(registry, limits=Limits(**LIMITS))))
    asyncio.run(app(scope, receive, send))
    assert sent[0]["status"] == 413
    most = LIMITS["upload_bytes"] * 4 // 3 + LIMITS["request_bytes"]
    assert sum(taken) <= most + 2**16


def test_a_file_of_the_store_is_not_read_when_it_is_too_large(registry, monkeypatch):
    registry.store.write("uploads/large", bytes(2**20 + 1))
    ranker, read = Ranker.open(registry, limits=Limits(**LIMITS)), type(registry.store).read
    keys = []
    monkeypatch.setattr(
        type(registry.store), "read", lambda self, key: keys.append(key) or read(self, key)
    )
    from tests.serve.test_ranker import asgi

    body = registration("large", b"") | {"path": "uploads/large"}
    del body["weights"]
    answer = asgi(ranker, "POST", "/v1/teachers", body)
    assert answer.status_code == 413 and "uploads/large" not in keys


@pytest.mark.parametrize(
    "path", ["teachers", "teachers/digits", "teachers/digits/config.json/x", "x" * 300]
)
def test_a_path_that_is_no_file_is_a_fault_of_the_request(registry, path):
    from tests.serve.test_ranker import asgi

    body = registration("t", b"") | {"path": path}
    del body["weights"]
    answer = asgi(Ranker.open(registry), "POST", "/v1/teachers", body)
    assert answer.status_code == 422 and registry.store.root not in answer.text


def test_of_uploads_of_one_name_at_once_exactly_one_is_made(registry):
    uploads = [weights_of(any_teacher("-", seed=seed)) for seed in range(10, 18)]
    with served(registry, uploads=8) as address:
        gate, found = threading.Barrier(len(uploads)), {}

        def ask(data):
            gate.wait()
            found[data] = put(address, "contested", data).status_code

        threads = [threading.Thread(target=ask, args=(data,)) for data in uploads]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(found.values()) == [201] + [409] * 7
    (won,) = [data for data, code in found.items() if code == 201]
    there = registry.teacher("contested").network.state_dict()
    assert all(tensor.equal(there[name]) for name, tensor in load(won).items())
    files = [key for key in registry.store.list("teachers/contested")]
    assert len(files) == 2, "losers leave nothing"
    registry.drop_teacher("contested")
    assert registry.store.list("teachers/contested") == []


OVERFLOW = {
    "too large once cast": lambda t: torch.full_like(t, 1e300, dtype=torch.float64),
    "complex": lambda t: t.to(torch.complex64),
    "boolean": lambda t: t > 0,
    "integer": lambda t: t.to(torch.int32),
    "eight bits": lambda t: t.to(torch.float8_e4m3fn),
    "overflows together": lambda t: torch.full_like(t, 3e38),
}


@pytest.mark.parametrize("what", OVERFLOW)
@pytest.mark.parametrize("tensor", ["fc.weight", "conv1.weight"])
def test_weights_that_could_not_be_searched_are_refused(registry, what, tensor):
    from tests.serve.test_ranker import asgi

    weights = any_teacher("-", seed=3).network.state_dict()
    if what == "overflows together" and tensor == "fc.weight":
        pytest.skip("the classifier is not run to embed")
    weights[tensor] = OVERFLOW[what](weights[tensor])
    ranker = Ranker.open(registry, limits=Limits(**LIMITS))
    answer = asgi(ranker, "POST", "/v1/teachers", registration("aaa", save(weights)))
    assert answer.status_code == 422, answer.text
    assert answer.json()["error"]["code"] == "InvalidUpload"


def test_what_is_wrong_with_one_teacher_hides_no_other_and_is_no_matter_of_readiness(registry):
    from tests.serve.test_ranker import asgi

    good = json.loads(registry.store.read("teachers/digits/config.json"))
    bad = {
        "aaa": good | {"accuracy": float("nan")},
        "aab": good | {"accuracy": 7},
        "aac": good | {"num_classes": 10**30},
        "aad": good | {"num_classes": -1},
        "aae": good | {"space": ["micro"]},
        "aaf/deeper": good,
        "aag": good,  # without weights
    }
    for name, manifest in bad.items():
        registry.store.write(f"teachers/{name}/config.json", json.dumps(manifest).encode())
    registry.store.write("teachers/aah/config.json", b"[" * 100_000)
    try:
        ranker = Ranker.open(registry)
        listed = asgi(ranker, "GET", "/v1/teachers")
        assert listed.status_code == 200
        assert [t["name"] for t in listed.json()["teachers"]] == ["aag", "digits", "ood"]
        assert asgi(ranker, "GET", "/ready").status_code == 200
    finally:
        for name in (*bad, "aah"):
            registry.store.delete(f"teachers/{name}/config.json")


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"host": "rebound.example"}, 403),
        ({"host": "localhost.rebound.example"}, 403),
        ({"host": "rebound.example:8000", "origin": "http://rebound.example:8000"}, 403),
        ({"host": "127.0.0.1:8000", "origin": "http://rebound.example"}, 403),
        ({"host": "127.0.0.1:8000", "origin": "null"}, 403),
        ({"host": "127.0.0.1:8000", "origin": "http://["}, 403),
        ({"host": "["}, 403),
        ({"host": "127.0.0.1:8000", "sec-fetch-site": "cross-site"}, 403),
        ({"host": "127.0.0.1:8000", "origin": "http://127.0.0.1:8000"}, 404),
        ({"host": "localhost:8000", "origin": "http://localhost:8000"}, 404),
        ({"host": "[::1]:8000"}, 404),
        ({"host": "192.168.1.7"}, 404),
        ({"host": "named.example"}, 404),
    ],
)
def test_foreign_pages_and_rebound_names_change_nothing(registry, headers, code):
    async def go():
        app = web.application(Admission(Ranker.open(registry)), hosts=("named.example",))
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.delete("/v1/teachers/nobody", headers=headers)

    answer = asyncio.run(go())
    assert answer.status_code == code
    assert answer.json()["error"]["code"] == ("Forbidden" if code == 403 else "UnknownName")


@pytest.mark.parametrize(
    ("verb", "path", "content", "kind", "code", "name", "field"),
    [
        ("GET", "/nowhere", None, None, 404, "NotFound", None),
        ("GET", "/page/nowhere", None, None, 404, "NotFound", None),
        ("PATCH", "/v1/search", None, None, 405, "MethodNotAllowed", None),
        ("POST", "/v1/search", b"{", "application/json", 400, "BrokenJson", None),
        ("POST", "/v1/teachers", b"{", "application/json", 400, "BrokenJson", None),
        ("POST", "/v1/search", b"{}", None, 415, "WrongContentType", None),
        ("POST", "/v1/teachers", b"{}", "text/plain", 415, "WrongContentType", None),
        ("POST", "/v1/search", b"{}", "application/json", 422, "InvalidRequest", "teacher"),
        (
            *("POST", "/v1/search", b'{"teacher": "digits", "k": 101}', "application/json"),
            *(413, "TooLarge", "k"),
        ),
    ],
)
def test_every_refusal_has_one_shape(registry, verb, path, content, kind, code, name, field):
    from tests.serve.test_ranker import asgi

    headers = {"content-type": kind} if kind else {}
    answer = asgi(Ranker.open(registry), verb, path, content=content, headers=headers)
    told = answer.json()
    assert answer.status_code == code and set(told) == {"error"}
    assert set(told["error"]) == {"code", "message", "field"} and told["error"]["message"]
    assert (told["error"]["code"], told["error"]["field"]) == (name, field)
