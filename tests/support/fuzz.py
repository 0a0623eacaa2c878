"""Requests at random, each drawn from a seed of its own, for both protocols of the service.

What can be asked is read off the service itself: every operation of its document, every method of
its proto, so that a new call is asked from the day it is there.

    python -m tests.support.fuzz furnish FOLDER            # a store with something of everything
    python -m serve.app --store FOLDER --jobs 1 --data digits digits --insecure
    python -m tests.support.fuzz ask --cases 5000          # what each call answered, as a table
"""

import argparse
import asyncio
import collections
import json
import random
import time
from dataclasses import dataclass, field

import grpc
import httpx
from google.protobuf.message_factory import GetMessageClass

from cluster.fleet.job import Failure
from cluster.progress import Progress
from jobs import status
from serve import dass_pb2 as pb
from serve.dass_pb2_grpc import RankerStub
from serve.job_store import Jobs, State
from serve.job_wire import JobRequest
from serve.latency_tables import LatencyTables
from serve.limits import Limits
from serve.ranker import Ranker
from serve.scoring import Support
from tests.support.device import file_of
from tests.support.learner import learner
from tests.support.serving import any_teacher, prepare, weights_of
from tests.support.serving_contract import SOME, SPACE, registration

FIRST_SEED = 20_000
HANG_S = 60.0
"""Seconds after which a call hangs, where nothing else is said."""

INTEGERS = [0, 1, 2, 3, 4, 5, 20, 60, 61, 300, -1, 10**6, 2**31, 2**53, 2**53 + 1, 2**63 - 1]
NUMBERS = [0.0, -0.0, 1.0, 0.5, 5e-324, 1e-300, 1 + 1e-15, 1e308, float("nan"), float("inf"), -1.5]
TEXTS = [
    *("digits", "ood", "nobody", "", " ", "a", "micro", "random", "evolution", "luck", "a" * 129),
    *("../../etc", "teachers", "teachers/digits", "x" * 400, "a\0b", "ü", "\u202e", "%00", "a..b"),
    *("١_8_32", str(SPACE.smallest), str(SPACE.largest), "4_8_32", "9" * 400, "4-" * 100, "_"),
    *("verify", "compress", "phone", "int8", "float32", "report.html", "true"),
]
ODD = [None, True, [], {}, [[]], "\ud800", 10**400, -(2**70), [SOME[0]] * 301, {"a": {}}]
NO_ID = "20261126T062754123456-1a2b3c4d"
WEIGHTS = weights_of(any_teacher("-", seed=2))
FOUL = {"INTERNAL", "UNKNOWN", "DATA_LOSS", "UNAVAILABLE", "DEADLINE_EXCEEDED"}


def furnish(root):
    """Prepare a store with something of everything; return its registry."""
    registry = prepare(root)
    registry.put_teacher(learner(), {"recipe": "own"})
    ranker = Ranker.open(registry)
    measured = [Support(architecture=name, validation_accuracy=0.5) for name in SOME[:3]]
    ranker.add_students("digits", measured)
    LatencyTables(registry.store, SPACE, Limits()).put("phone", file_of())
    for kind in ("build", "tune"):
        with status.Snapshot(registry.store, unit="core", share=1.0, kind=kind) as snapshot:
            snapshot(Progress(total=4, done=1, failed=1, running=("a student",), fraction=0.5))
    failure = Failure(key="k", label="a student", error="ValueError: boom", attempts=2)
    status.put_failures(registry.store, [failure], done=set())
    jobs = Jobs(registry.store, Limits(), data={"digits": "digits"}, at_once=1)
    done = jobs.create(JobRequest(teacher="digits", data="digits"))
    for name, content in (("report.html", b"<html>"), ("model.onnx", bytes(3 * 2**20))):
        jobs.put_file(done.id, name, content)
    jobs.save(done.id, State(state="done"))
    return registry


@dataclass
class Known:
    """What a client has seen of the service so far: names and ids that stand for something."""

    searches: list = field(default_factory=list)
    jobs: list = field(default_factory=list)
    done: list = field(default_factory=list)
    """Jobs that ended before, with files; nobody deletes them, as nobody does `LASTING`."""
    patience_s: float = HANG_S
    answers: collections.Counter = field(default_factory=collections.Counter)
    slowest: tuple = (0.0, "", 0)

    def tell(self, call, code, seconds, seed):
        """Count an answer."""
        self.answers[call, code] += 1
        self.slowest = max(self.slowest, (seconds, call, seed))

    def codes(self):
        """Return how often each status was answered."""
        found = collections.Counter()
        for (_, code), number in self.answers.items():
            found[code] += number
        return found

    def table(self):
        """Return the answers by call, for people."""
        calls = collections.defaultdict(list)
        for (call, code), number in sorted(self.answers.items(), key=str):
            calls[call].append(f"{code}: {number}")
        seconds, call, seed = self.slowest
        lines = [f"  {call:<52} {', '.join(codes)}" for call, codes in calls.items()]
        return "\n".join([*lines, f"  slowest: {call}, seed {seed}, {seconds:.2f} s"])


def value(luck, *, json_only):
    """Draw a value of any type that the protocol can carry."""
    return luck.choice(luck.choice([INTEGERS, NUMBERS, TEXTS, *([ODD] if json_only else [])]))


def support(luck):
    """Draw measured students, most of them sound."""
    return [
        {
            "architecture": luck.choice([*SOME[:3], luck.choice(TEXTS)]),
            "validation_accuracy": luck.choice([0.0, 0.5, 1.0, luck.choice(NUMBERS)]),
        }
        for _ in range(luck.randrange(7))
    ]


def students(luck):
    """Draw measured students to keep, most of them sound."""
    return [
        {"architecture": s["architecture"], "accuracy": s["validation_accuracy"], "epochs": e}
        for s in support(luck)
        for e in [luck.choice([0, 0, 1, luck.choice(INTEGERS)])]
    ]


def named(luck, what, known, *, removes=False):
    """Draw a name or an id for a path: often one that stands for something.

    Args:
        luck: draws.
        what: of what.
        known: has the ids.
        removes: whether the call does away with it: what others need lasts.
    """
    lasting = [] if removes else LASTING
    some = {
        "name": ["fuzz0", "fuzz1", *lasting],
        "id": known.searches[-9:],
        "job": known.jobs[-9:] + (3 * known.done if not removes else []),
        "file": ["report.html", "model.onnx"],
        "architecture": SOME[:3],
    }[what]
    if some and luck.random() < 0.7:
        return luck.choice(some)
    return luck.choice(["nobody", NO_ID, "..", "%2e%2e", "%00", "%ff", "a" * 90, "a" * 200, ""])


def good(luck, call, known):
    """Return a request that would be answered, by the method of gRPC that takes it."""
    teacher = luck.choice(["digits", "learner"])
    table = luck.choice([{}, {}, {"latency_table": "phone"}])
    if call in ("Search", "StreamSearch", "CreateSearch", "Choices"):
        candidates = luck.choice([1, 2, 3, 4, 20])
        return {"teacher": teacher, "candidates": candidates, "k": 2} | table
    if call == "Score":
        return {"teacher": teacher, "architectures": luck.sample(SOME, 3)}
    if call == "AddStudents":
        return {"teacher": teacher, "students": students(luck)}
    if call == "PutLatencyTable":
        return {"name": luck.choice(["phone", "fuzz0"]), "table": luck.choice(tables())}
    if call == "CreateJob":
        kind, search = luck.choice(["verify", "compress"]), luck.choice([NO_ID, *known.searches])
        whose = luck.choice([{"teacher": teacher}, {"search": search}])
        return {"kind": kind, "data": "digits", "minutes": 0.05} | whose
    if call == "RegisterTeacher":
        return registration(f"fuzz{luck.randrange(3)}", WEIGHTS)
    if call == "ListSearches":
        return {"limit": 2}
    ids = {"SearchId": "id", "JobName": "job", "JobFileName": "job"}
    message, removes = METHODS[call].input_type, call in REMOVING
    found = {
        one.name: named(luck, "name", known, removes=removes)
        for one in message.fields
        if one.name in NAMES
    }
    if message.name in ids:
        found["id"] = named(luck, ids[message.name], known, removes=removes)
    if message.name == "JobFileName":
        found["name"] = named(luck, "file", known)
    if message.name == "StudentId":
        found["architecture"] = named(luck, "architecture", known)
    return found


NAMES = ("name", "teacher")
LASTING = ["digits", "learner", "phone"]
REMOVING = {"DeleteTeacher", "PurgeTeacher", "DeleteLatencyTable", "DeleteJob", "CancelJob"}
"""Methods that do away with something; students of a teacher come again."""
METHODS = pb.DESCRIPTOR.services_by_name["Ranker"].methods_by_name
POSTED = {
    "/v1/search": "Search",
    "/v1/searches": "CreateSearch",
    "/v1/choices": "Choices",
    "/v1/score": "Score",
    "/v1/jobs": "CreateJob",
    "/v1/teachers": "RegisterTeacher",
    "/v1/teachers/{name}/students": "AddStudents",
}
"""Which method takes what is posted to a path."""


def tables():
    """Return files of latency tables, one of them cut off."""
    return [file_of(), file_of(device="another"), file_of()[:-9]]


# --- HTTP ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Operation:
    """A call of the document."""

    verb: str
    path: str
    queries: tuple
    fields: tuple
    """Of its JSON body; none where it takes none."""

    @property
    def call(self):
        return f"{self.verb} {self.path}"


def operations(document):
    """Return the calls of a document."""
    found = []
    for path, verbs in document["paths"].items():
        for verb, told in verbs.items():
            content = told.get("requestBody", {}).get("content", {})
            schema = content.get("application/json", {}).get("schema", {})
            reference = schema.get("$ref", "").rpartition("/")[2]
            schema = document["components"]["schemas"].get(reference, schema)
            asked = [p["name"] for p in told.get("parameters", []) if p["in"] == "query"]
            fields = tuple(schema.get("properties", {}))
            found.append(Operation(verb.upper(), path, tuple(asked), fields))
    return found


def body_of(luck, operation, known):
    """Draw a body: a good one with a field or two changed, or bytes of no sense."""
    request = good(luck, POSTED.get(operation.path, "Search"), known)
    if operation.path.endswith("/students"):
        del request["teacher"]  # over HTTP the path says whose they are
    for _ in range(luck.randrange(3)):
        name = luck.choice([*operation.fields, "other"])
        request[name] = support(luck) if name == "support" else value(luck, json_only=True)
    for name in list(request):
        if luck.random() < 0.05:
            del request[name]
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


def http_case(luck, offered, known):
    """Draw an operation, its verb, path, headers and body."""
    posts = [o for o in offered if o.fields]
    operation = luck.choice(luck.choice([posts, offered]))
    verb = operation.verb if luck.random() < 0.93 else luck.choice(["PATCH", "PUT", "DELETE", "X"])
    path = operation.path
    for what in ("name", "id", "job", "file", "architecture"):
        if f"{{{what}}}" in path:
            removes = verb == "DELETE" and not path.endswith("{architecture}")
            drawn = named(luck, what, known, removes=removes or "cancel" in path)
            path = path.replace(f"{{{what}}}", drawn)
    headers = {"content-type": "application/json"}
    if luck.random() < 0.1:
        headers["content-type"] = luck.choice(["", "text/plain", "application/x+json", "a" * 99])
    if luck.random() < 0.05:
        headers[luck.choice(["host", "origin", "idempotency-key", "authorization"])] = luck.choice(
            ["", "a", "[", "[::1", "http://[", "\u00ff", "a" * 200, "localhost:99999"]
        )
    queries = {}
    if verb == "PUT":
        content = luck.choice([WEIGHTS, WEIGHTS[:-1], b"", *tables()])
        queries = (
            {"space": "micro", "classes": "3", "accuracy": "0.9"} if operation.queries else {}
        )
    else:
        content = body_of(luck, operation, known) if operation.fields else b""
    while luck.random() < 0.3:
        asked = luck.choice([*operation.queries, "other"])
        queries[asked] = str(value(luck, json_only=False))
    return operation, verb, path, queries, headers, content


async def ask_http(client, *, cases, known, first=FIRST_SEED):
    """Ask so many cases; raise where the service fails or hangs.

    Args:
        client: an asynchronous one of httpx.
        cases: how many.
        known: is told what came of each.
        first: seed of the first case.
    """
    offered = operations((await client.get("/openapi.json")).json())
    kept = await asyncio.gather(client.get("/v1/jobs"), client.get("/v1/searches"))
    known.done += [job["id"] for job in kept[0].json()["jobs"] if job["state"] == "done"]
    known.searches += [search["id"] for search in kept[1].json()["searches"]]
    for seed in range(first, first + cases):
        luck = random.Random(seed)
        operation, verb, path, queries, headers, content = http_case(luck, offered, known)
        encoded = {name: text.encode("latin1") for name, text in headers.items()}
        try:
            asked = client.build_request(
                verb, path, params=queries, headers=encoded, content=content
            )
        except (httpx.InvalidURL, UnicodeEncodeError):
            continue
        began, case = time.monotonic(), (seed, verb, path, queries, content[:300])
        try:
            answer = await asyncio.wait_for(client.send(asked), known.patience_s)
        except httpx.LocalProtocolError:  # the client itself refuses to send that
            continue
        except TimeoutError as error:
            raise AssertionError(f"it hangs: {case}") from error
        known.tell(operation.call, answer.status_code, time.monotonic() - began, seed)
        assert answer.status_code < 500, (case, answer.text)
        _check_http(answer, case=case)
        if answer.status_code == 201 and operation.path in ("/v1/searches", "/v1/jobs"):
            pool = known.jobs if operation.path == "/v1/jobs" else known.searches
            pool.append(answer.json()["id"])


def _check_http(answer, *, case):
    if answer.text == "Invalid HTTP request received.":
        assert answer.status_code == 400, "the server's own parser, before any of ours"
    elif answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/json", (case, answer.text)
        told = answer.json()["error"]
        assert set(told) == {"code", "message", "field"}, (case, told)


# --- gRPC ----------------------------------------------------------------------------------


def message_of(luck, method, known):
    """Draw the message of a method: a good one with a field or two changed."""
    message = GetMessageClass(method.input_type)
    fields = [one.name for one in method.input_type.fields]
    request = {n: v for n, v in good(luck, method.name, known).items() if n in fields}
    if "weights" in request:
        request["weights"] = luck.choice([WEIGHTS, WEIGHTS[:-1], luck.randbytes(99), b""])
    for _ in range(luck.randrange(3) if fields else 0):
        name = luck.choice(fields)
        drawn = value(luck, json_only=False)
        if method.name in REMOVING and drawn in LASTING:
            continue
        if name in ("support", "students"):
            drawn = support(luck) if name == "support" else students(luck)
        try:
            message(**{name: drawn})
        except (TypeError, ValueError):
            continue
        request[name] = drawn
    try:
        return message(**request)
    except (TypeError, ValueError):  # a good one whose luck was a text that is no UTF-8
        return message()


def grpc_case(luck, known):
    """Draw a method and its message."""
    heavy = ["Search", "StreamSearch", "Score", "CreateSearch", "CreateJob", "AddStudents"]
    method = METHODS[luck.choice(luck.choice([heavy, list(METHODS)]))]
    return method, message_of(luck, method, known)


async def ask_grpc(channel, *, cases, known, metadata=(), first=FIRST_SEED):
    """Ask so many cases; raise where the service fails or hangs; as `ask_http`."""
    stub = RankerStub(channel)
    listed = await stub.ListJobs(pb.JobsRequest(), metadata=metadata)
    known.done += [job.id for job in listed.jobs if job.state == "done"]
    for seed in range(first, first + cases):
        method, message = grpc_case(random.Random(seed), known)
        call, code = getattr(stub, method.name), grpc.StatusCode.OK
        began, answer = time.monotonic(), None
        try:
            asked = call(message, timeout=known.patience_s, metadata=metadata)
            if method.server_streaming:
                async for _ in asked:
                    pass
            else:
                answer = await asked
        except grpc.aio.AioRpcError as error:
            code = error.code()
            _check_grpc(error, seed)
        known.tell(method.name, code.name, time.monotonic() - began, seed)
        assert code.name not in FOUL, (seed, method.name, str(message)[:300], code)
        if answer is not None and method.name in ("CreateSearch", "CreateJob"):
            (known.jobs if method.name == "CreateJob" else known.searches).append(answer.id)


def _check_grpc(error, seed):
    sent = dict(error.trailing_metadata() or ()).get("dass-error")
    if sent is not None:  # Serve sends none
        # grpc.aio, unlike Serve, says before it what was raised.
        assert error.details().endswith(json.loads(sent)["error"]["message"]), seed


# --- a service that runs -------------------------------------------------------------------


async def ask(options):
    """Ask a service that runs, over both protocols."""
    first, cases = options.seed, options.cases
    over = {protocol: Known(patience_s=options.patience) for protocol in ("HTTP", "gRPC")}
    try:
        async with httpx.AsyncClient(base_url=options.url, timeout=None) as client:
            await ask_http(client, cases=cases, known=over["HTTP"], first=first)
        async with grpc.aio.insecure_channel(options.grpc) as channel:
            await ask_grpc(channel, cases=cases, known=over["gRPC"], first=first)
    finally:
        for protocol, known in over.items():
            codes = ", ".join(f"{code}: {n}" for code, n in sorted(known.codes().items(), key=str))
            print(f"{protocol}, seeds from {first}: {codes}\n{known.table()}", flush=True)


def main():
    """Furnish a store, or ask a service."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    does = parser.add_subparsers(dest="does", required=True)
    does.add_parser("furnish").add_argument("folder")
    asking = does.add_parser("ask")
    asking.add_argument("--url", default="http://127.0.0.1:8000")
    asking.add_argument("--grpc", default="127.0.0.1:9000")
    asking.add_argument("--cases", type=int, default=300)
    asking.add_argument("--seed", type=int, default=FIRST_SEED)
    asking.add_argument("--patience", type=float, default=HANG_S)
    options = parser.parse_args()
    if options.does == "furnish":
        furnish(options.folder)
    else:
        asyncio.run(ask(options))


if __name__ == "__main__":
    main()
