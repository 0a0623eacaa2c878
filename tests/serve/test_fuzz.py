"""Requests at random over both protocols: none makes the service fail or hang, whatever it holds.

Every case is drawn from a seed of its own, which a failure names. A few hundred by default;

    DASS_FUZZ=5000 python -m pytest -q tests/serve/test_fuzz.py
"""

import asyncio
import json
import os
import random

import grpc
import httpx
import pytest

from serve import dass_pb2 as pb
from serve import rpc, web
from serve.admission import Admission
from serve.dass_pb2_grpc import RankerStub, add_RankerServicer_to_server
from serve.limits import Limits
from serve.ranker import Ranker
from tests.support.device import file_of
from tests.support.serving import LIMITS, any_teacher, prepare, weights_of
from tests.support.serving_contract import SOME, SPACE, registration

CASES = int(os.environ.get("DASS_FUZZ", "300"))
FIRST_SEED = 20_000
HANG_S = 60.0

INTEGERS = [0, 1, 2, 3, 4, 5, 20, 60, 61, 300, -1, 10**6, 2**31, 2**53, 2**53 + 1, 2**63 - 1]
NUMBERS = [0.0, -0.0, 1.0, 0.5, 5e-324, 1e-300, 1 + 1e-15, 1e308, float("nan"), float("inf"), -1.5]
TEXTS = [
    *("digits", "ood", "nobody", "", " ", "a", "micro", "random", "evolution", "luck", "a" * 129),
    *("../../etc", "teachers", "teachers/digits", "x" * 400, "a\0b", "ü", "\u202e", "%00", "a..b"),
    *("١_8_32", str(SPACE.smallest), str(SPACE.largest), "4_8_32", "9" * 400, "4-" * 100, "_"),
]
WEIGHTS = weights_of(any_teacher("-", seed=2))


def value(luck, *, json_only):
    """Draw a value of any type that the protocol can carry."""
    kinds = [INTEGERS, NUMBERS, TEXTS]
    if json_only:
        odd = [None, True, [], {}, [[]], "\ud800", 10**400, -(2**70), [SOME[0]] * 301, {"a": {}}]
        kinds.append(odd)
    return luck.choice(luck.choice(kinds))


FIELDS = {
    "/v1/search": (
        *("teacher", "max_flops", "max_flops_share", "max_parameters", "candidates", "k"),
        *("algorithm", "seed", "support", "stream", "other"),
        *("max_latency_ms", "latency_table", "precision", "batch"),
    ),
    "/v1/searches": (
        *("teacher", "max_flops", "max_flops_share", "max_parameters", "candidates", "k"),
        *("algorithm", "seed", "support", "stream", "other"),
        *("max_latency_ms", "latency_table", "precision", "batch"),
    ),
    "/v1/teachers/digits/students": ("students", "other"),
    "/v1/score": ("teacher", "architectures", "support", "other"),
    "/v1/teachers": (
        *("name", "space", "classes", "accuracy", "weights", "path", "other"),
        *("dataset", "class_names", "note"),
    ),
}


def good(luck, path):
    """Return a request that would be answered."""
    if path in ("/v1/search", "/v1/searches"):
        return {"teacher": "digits", "candidates": luck.choice([1, 2, 3, 4, 20]), "k": 2}
    if path == "/v1/score":
        return {"teacher": "digits", "architectures": luck.sample(SOME, 3)}
    if path.endswith("/students"):
        return {"teacher": "digits", "students": students(luck)}
    if path == "/v1/latency":
        return {"name": "phone", "table": file_of()}
    return registration(f"fuzz{luck.randrange(3)}", WEIGHTS)


def students(luck):
    """Draw measured students to keep, most of them sound."""
    return [
        {"architecture": s["architecture"], "accuracy": s["validation_accuracy"], "epochs": e}
        for s in support(luck)
        for e in [luck.choice([0, 0, 1, luck.choice(INTEGERS)])]
    ]


def support(luck):
    """Draw measured students, most of them sound."""
    return [
        {
            "architecture": luck.choice([*SOME[:3], luck.choice(TEXTS)]),
            "validation_accuracy": luck.choice([0.0, 0.5, 1.0, luck.choice(NUMBERS)]),
        }
        for _ in range(luck.randrange(7))
    ]


def body_of(luck, path):
    """Draw a body: a good one with a field or two changed, or bytes of no sense."""
    request = good(luck, path)
    if path.endswith("/students"):
        del request["teacher"]  # over HTTP the path says whose they are
    for _ in range(luck.randrange(3)):
        field = luck.choice(FIELDS[path])
        request[field] = support(luck) if field == "support" else value(luck, json_only=True)
    for field in list(request):
        if luck.random() < 0.05:
            del request[field]
    content = json.dumps(request).encode()
    kind = luck.random()
    if kind < 0.05:
        return content[: luck.randrange(len(content))]
    if kind < 0.1:
        at = luck.randrange(len(content))
        return content[:at] + luck.randbytes(3) + content[at + 3 :]
    if kind < 0.15:
        return luck.choice([b"", b"[" * 10_000, b"null", luck.randbytes(50), b'{"a":' * 5000])
    return content


def http_case(luck):
    """Draw verb, path, headers and body."""
    name = luck.choice(["digits", "nobody", "..", "a" * 200, "%2e%2e", "%00", "%ff", "fuzz0"])
    odd = luck.choice(["x", "20261126T062754123456-1a2b3c4d", "%2e%2e", "", "a" * 90, SOME[0]])
    path = luck.choice(
        [
            *FIELDS,
            *FIELDS,
            *(f"/v1/teachers/{name}", f"/v1/teachers/{name}/restore", f"/v1/searches/{odd}"),
            *(f"/v1/teachers/{name}/students", f"/v1/teachers/{name}/students/{odd}"),
            *(f"/v1/searches?limit={odd}", f"/v1/searches?after={odd}&limit=2", "/v1/teachers"),
            *("/v1/latency-tables", f"/v1/latency-tables/{name}"),
            *(f"/v1/teachers/{name}?purge={odd}", "/v1/teachers?deleted=true"),
            *("/v1/space", "/ready", "/x"),
        ]
    )
    verb = luck.choice(["POST"] * 8 + ["GET", "GET", "PUT", "DELETE", "PATCH"])
    headers = {"content-type": "application/json"}
    if luck.random() < 0.1:
        headers["content-type"] = luck.choice(["", "text/plain", "application/x+json", "a" * 99])
    if luck.random() < 0.05:
        headers[luck.choice(["host", "origin", "idempotency-key", "authorization"])] = luck.choice(
            ["", "a", "[", "[::1", "http://[", "\u00ff", "a" * 200, "localhost:99999"]
        )
    content = body_of(luck, path if path in FIELDS else "/v1/search")
    if verb == "PUT":
        facts = {"space": "micro", "classes": "3", "accuracy": "0.9"}
        if luck.random() < 0.5:
            facts[luck.choice([*facts, "other"])] = str(value(luck, json_only=False))
        path = str(httpx.URL(path, params=facts))
        content = luck.choice([WEIGHTS, WEIGHTS[:-1], content, b"", file_of(), file_of()[:-9]])
    return verb, path, headers, content


@pytest.fixture
def ranker(tmp_path):
    limits = Limits(**LIMITS | {"candidates": 60, "idle_seconds": 5.0})
    return Ranker.open(prepare(tmp_path), limits=limits)


def test_no_request_over_http_makes_the_service_fail_or_hang(ranker):
    async def go():
        transport = httpx.ASGITransport(web.application(Admission(ranker)))
        answers = {}
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            for seed in range(FIRST_SEED, FIRST_SEED + CASES):
                verb, path, headers, content = http_case(random.Random(seed))
                headers = {k: v.encode("latin1") for k, v in headers.items()}
                try:
                    asked = client.build_request(verb, path, headers=headers, content=content)
                except httpx.InvalidURL:
                    continue
                answer = await asyncio.wait_for(client.send(asked), HANG_S)
                answers[answer.status_code] = answers.get(answer.status_code, 0) + 1
                assert answer.status_code < 500, (seed, verb, path, content[:300], answer.text)
                if answer.status_code >= 400:
                    told = answer.json()["error"]
                    assert set(told) == {"code", "message", "field"}, (seed, told)
        return answers

    answers = asyncio.run(go())
    assert answers[200] >= CASES / 20 and answers[422] >= CASES / 10, answers


def grpc_case(luck):
    """Draw a method and its message."""
    path, method, message = luck.choice(
        [
            ("/v1/search", "Search", pb.SearchRequest),
            ("/v1/search", "StreamSearch", pb.SearchRequest),
            ("/v1/score", "Score", pb.ScoreRequest),
            ("/v1/teachers", "RegisterTeacher", pb.Registration),
            ("/v1/teachers", "GetTeacher", pb.TeacherName),
            ("/v1/teachers", "DeleteTeacher", pb.TeacherName),
            ("/v1/teachers", "RestoreTeacher", pb.TeacherName),
            ("/v1/teachers", "PurgeTeacher", pb.TeacherName),
            ("/v1/latency", "PutLatencyTable", pb.PutLatencyTableRequest),
            ("/v1/latency", "GetLatencyTable", pb.LatencyTableName),
            ("/v1/latency", "DeleteLatencyTable", pb.LatencyTableName),
            ("/v1/searches", "CreateSearch", pb.SearchRequest),
            ("/v1/searches", "ListSearches", pb.ListSearchesRequest),
            ("/v1/searches", "GetSearch", pb.SearchId),
            ("/v1/searches", "DeleteSearch", pb.SearchId),
            ("/v1/teachers/digits/students", "ListStudents", pb.TeacherName),
            ("/v1/teachers/digits/students", "AddStudents", pb.AddStudentsRequest),
            ("/v1/teachers/digits/students", "DeleteStudent", pb.StudentId),
        ]
    )
    known = [field.name for field in message.DESCRIPTOR.fields]
    request = {n: v for n, v in good(luck, path).items() if n in known}
    if "weights" in request:
        request["weights"] = luck.choice([WEIGHTS, WEIGHTS[:-1], luck.randbytes(99), b""])
    for _ in range(luck.randrange(3)):
        field = luck.choice(known)
        drawn = value(luck, json_only=False)
        if field in ("support", "students"):
            drawn = support(luck) if field == "support" else students(luck)
        try:
            message(**{field: drawn})
        except (TypeError, ValueError):
            continue
        request[field] = drawn
    return method, message(**request)


def test_no_message_over_grpc_makes_the_service_fail_or_hang(ranker):
    async def go():
        calls = rpc.Calls()
        calls.admission, calls.insecure = Admission(ranker), True
        server = grpc.aio.server()
        add_RankerServicer_to_server(calls, server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        answers = {}
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = RankerStub(channel)
            for seed in range(FIRST_SEED, FIRST_SEED + CASES):
                method, message = grpc_case(random.Random(seed))
                call, code = getattr(stub, method)(message, timeout=HANG_S), grpc.StatusCode.OK
                try:
                    if method == "StreamSearch":
                        async for _ in call:
                            pass
                    else:
                        await call
                except grpc.aio.AioRpcError as error:
                    code = error.code()
                    told = json.loads(dict(error.trailing_metadata())["dass-error"])["error"]
                    # grpc.aio, unlike Serve, says before it what was raised.
                    assert error.details().endswith(told["message"]), seed
                answers[code.name] = answers.get(code.name, 0) + 1
                foul = {"INTERNAL", "UNKNOWN", "DATA_LOSS", "UNAVAILABLE", "DEADLINE_EXCEEDED"}
                assert code.name not in foul, (seed, method, str(message)[:300], code)
        await server.stop(None)
        return answers

    answers = asyncio.run(go())
    assert answers["OK"] >= CASES / 10 and answers["INVALID_ARGUMENT"] >= CASES / 10, answers
