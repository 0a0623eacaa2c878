"""Builds and tunes that are watched: told as they stand, and nothing of where they are."""

import asyncio
import socket
from dataclasses import replace

import pytest

from cluster.fleet.job import Failure
from cluster.progress import Progress
from dass.registry import run_status
from jobs import status
from serve import dass_pb2 as pb
from serve import rpc
from serve.admission import Admission
from serve.ranker import Ranker
from serve.runs import Runs, placeless
from serve.settings import digest
from tests.jobs.test_status import record as any_record
from tests.serve.test_ranker import Context, asgi, plain
from tests.support.serving import prepare


def record(*, teacher, seed, seconds):
    return replace(any_record(seed), teacher=teacher, seconds=seconds)


@pytest.fixture
def registry(tmp_path):
    return prepare(tmp_path / "prepared")


@pytest.fixture
def ranker(registry):
    return Ranker.open(registry)


def build(store, kind="build", **changes):
    counts = {"total": 4, "done": 1, "failed": 1, "running": ("a student",), "fraction": 0.5}
    with status.Snapshot(store, unit="core", share=1.0, kind=kind) as snap:
        snap(Progress(**counts | {"seconds": 60.0, "busy_s": 1800.0} | changes))
        yield snap


def test_a_store_without_any_run_tells_so(ranker):
    answer = asgi(ranker, "GET", "/v1/runs")
    assert answer.json() == {"runs": [], "failures": [], "teachers": [], "records": 0}


def test_what_a_build_leaves_is_told_while_it_runs_and_once_it_ended(ranker, registry):
    running = build(registry.store)
    next(running)
    (found,) = asgi(ranker, "GET", "/v1/runs").json()["runs"]
    told = {"kind": "build", "state": "running", "total": 4, "done": 1, "failed": 1}
    assert told.items() <= found.items() and found["running"] == ["a student"]
    assert found["line"].startswith("1/4 trainings, 1 failed, 1 running")
    assert found["cost"] == [{"unit": "core", "hours": 0.5}]
    later = Runs(registry.store, clock=lambda: found["age_seconds"] + 4e9)
    assert later.all().runs[0].state == "silent"
    list(running)
    list(build(registry.store, kind="tune", done=3, failed=0))
    both = asgi(ranker, "GET", "/v1/runs").json()["runs"]
    assert [(run["kind"], run["state"]) for run in both] == [("build", "ended"), ("tune", "ended")]
    assert "3/4 trials" in both[1]["line"]


def test_costs_are_each_teachers_and_failures_go_once_they_are_done(ranker, registry):
    for number, (teacher, seconds) in enumerate([("a", 3600.0), ("b", 60.0), ("b", 120.0)]):
        registry.put_record(record(teacher=teacher, seed=number, seconds=seconds))
    failure = Failure(key="k", label="a student", error="ValueError: boom", attempts=2)
    status.put_failures(registry.store, [failure], done=set())
    found = asgi(ranker, "GET", "/v1/runs").json()
    assert [(t["teacher"], t["students"]) for t in found["teachers"]] == [("a", 1), ("b", 2)]
    assert [t["hours"] for t in found["teachers"]] == pytest.approx([1.0, 0.05])
    assert found["records"] == 3
    assert found["failures"] == [
        {"label": "a student", "error": "ValueError: boom", "attempts": 2}
    ]
    registry.put_record(record(teacher="a", seed=9, seconds=3600.0))
    status.put_failures(registry.store, [], done={"k"})
    found = asgi(ranker, "GET", "/v1/runs").json()
    assert found["teachers"][0]["hours"] == pytest.approx(2.0) and found["failures"] == []


def test_nothing_tells_where_store_and_files_are(ranker, registry):
    root = registry.store.root
    error = (
        f"StorageError: {root}/records must be there, not s3://bucket/secret/x.parquet; "
        'File "/srv/private/train.py", line 3\n  in work\nKeyError: half/way 3/4'
    )
    status.put_failures(
        registry.store, [Failure(key="k", label="a", error=error, attempts=1)], done=set()
    )
    list(build(registry.store))
    answer = asgi(ranker, "GET", "/v1/runs")
    for secret in (str(root), "bucket", "/srv", "private", socket.gethostname()):
        assert secret not in answer.text
    told = answer.json()["failures"][0]["error"]
    assert "…/records must" in told and "…/x.parquet" in told and "half/way 3/4" in told
    assert "…/train.py" in told and len(placeless("x" * 10_000)) < 500


def test_a_broken_snapshot_or_failure_breaks_nothing(ranker, registry):
    for broken in (b"{", b"[]", b'{"ended": true}', b"null"):
        registry.store.write(run_status.key("build"), broken)
        assert asgi(ranker, "GET", "/v1/runs").json()["runs"] == []
    registry.store.write("failures/k.json", b"{}")
    registry.store.write("records/x.parquet", b"no parquet")
    answer = asgi(ranker, "GET", "/v1/runs")
    assert answer.status_code == 200 and answer.json()["records"] == 0


def test_the_token_guards_them_and_grpc_tells_the_same(registry, ranker):
    assert asgi(ranker, "GET", "/v1/runs", token="t").status_code == 401
    list(build(registry.store))

    async def go():
        calls = rpc.Calls()
        calls.admission = Admission(ranker, token_digest=digest("t"))
        calls.insecure = False
        with pytest.raises(PermissionError):
            await calls.ListRuns(pb.RunsRequest(), Context())
        token = [("authorization", "Bearer t")]
        return plain(await calls.ListRuns(pb.RunsRequest(), Context(token)))

    ours = asyncio.run(go())
    theirs = asgi(ranker, "GET", "/v1/runs").json()
    assert ours["runs"][0].pop("age_seconds") >= 0 and theirs["runs"][0].pop("age_seconds") >= 0
    assert ours == theirs
