"""Jobs that train: kept, done by a process each, stopped, gone on with, told and fetched."""

import asyncio
import contextlib
import json
import os
import signal
import time

import grpc
import pytest

from dass.errors import UnknownName
from dass.pipeline.compression.folder import Folder
from dass.predictor.ensemble import Ensemble
from dass.store.store import Store
from serve import dass_pb2 as pb
from serve import rpc
from serve.admission import Admission
from serve.dass_pb2_grpc import RankerStub, add_RankerServicer_to_server
from serve.job_process import work
from serve.job_runner import JobRunner
from serve.job_store import JOBS, PART_BYTES, STALE_S, Jobs, State
from serve.job_wire import JobRequest
from serve.limits import Limits, NotOffered
from serve.ranker import Ranker
from serve.scoring import Support
from tests.serve.test_ranker import Context, plain
from tests.serve.test_searches import asking
from tests.support.device import file_of
from tests.support.learner import learner
from tests.support.serving import LIMITS, prepare

BODY = {"teacher": "digits", "data": "digits", "minutes": 0.2, "max_flops_share": 0.5}


@pytest.fixture
def registry(tmp_path):
    return prepare(tmp_path / "prepared")


@pytest.fixture
def ranker(registry):
    return Ranker.open(registry, limits=Limits(**LIMITS | {"jobs": 3}))


def kept(ranker, at_once=1, **others):
    data = {"digits": "digits", "gone": "folder:/srv/private/nowhere"}
    return Jobs(ranker.registry.store, ranker.limits, data=data, at_once=at_once, **others)


@contextlib.contextmanager
def running(jobs, folder):
    runner = JobRunner(jobs, folder=str(folder))
    runner.start()
    try:
        yield runner
    finally:
        runner.stop()


def until(condition, seconds=500):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.1)
    return found


def ended(jobs, name):
    until(lambda: jobs.get(name).state in ("done", "failed", "cancelled"))
    return jobs.get(name)


def test_a_service_that_does_no_jobs_takes_none(ranker):
    async def go():
        async with asking(Admission(ranker)) as (client,):
            answer = await client.post("/v1/jobs", json=BODY)
            assert answer.status_code == 403
            assert answer.json()["error"]["code"] == "NotOffered"
            assert (await client.get("/v1/jobs")).json() == {"jobs": [], "data": [], "at_once": 0}

    asyncio.run(go())


def test_what_cannot_be_is_refused_before_it_is_kept(ranker):
    ranker.latency.put("phone", file_of())

    async def go():
        async with asking(Admission(ranker, jobs=kept(ranker))) as (client,):
            for change, status, match in (
                ({"data": "/etc"}, 422, "['digits', 'gone']"),
                ({"teacher": "nobody"}, 404, "nobody"),
                ({"teacher": None}, 422, "exactly one"),
                ({"search": "20261126T062754123456-1a2b3c4d"}, 422, "exactly one"),
                ({"max_flops_share": 1e-6}, 422, "cheapest"),
                ({"max_latency_ms": 1.0}, 422, "latency_table"),
                ({"max_latency_ms": 1e-6, "latency_table": "phone"}, 422, "fastest"),
                ({"minutes": 1000.0}, 413, "minutes"),
                ({"kind": "play"}, 422, "kind"),
            ):
                answer = await client.post("/v1/jobs", json=BODY | change)
                assert answer.status_code == status, (change, answer.text)
                assert match in answer.json()["error"]["message"]
            for _ in range(3):
                assert (await client.post("/v1/jobs", json=BODY)).status_code == 201
            assert (await client.post("/v1/jobs", json=BODY)).status_code == 413
            listed = (await client.get("/v1/jobs")).json()
            assert [job["state"] for job in listed["jobs"]] == ["queued"] * 3
            assert "srv" not in json.dumps(listed) and listed["data"] == ["digits", "gone"]

    asyncio.run(go())


def test_a_job_of_a_search_has_its_teacher_and_budget(ranker):
    async def go():
        async with asking(Admission(ranker, jobs=kept(ranker))) as (client,):
            search = {"teacher": "digits", "candidates": 5, "max_parameters": 20_000}
            made = (await client.post("/v1/searches", json=search)).json()
            body = {"search": made["id"], "data": "digits"}
            job = (await client.post("/v1/jobs", json=body)).json()
            wanted = {"teacher": "digits", "max_parameters": 20_000, "search": made["id"]}
            assert wanted.items() <= job["request"].items()
            for more in ({"max_flops_share": 0.5}, {"seed": 3}):
                answer = await client.post("/v1/jobs", json=body | more)
                assert answer.status_code == 422 and "leave" in answer.text

    asyncio.run(go())


def test_a_job_that_fails_says_why_and_not_where(ranker, tmp_path):
    jobs = kept(ranker)
    made = jobs.create(JobRequest(**BODY))
    other = jobs.create(JobRequest(**BODY | {"data": "gone"}))
    with running(jobs, tmp_path / "work"):
        found, lost = ended(jobs, made.id), ended(jobs, other.id)
    assert found.state == lost.state == "failed"
    assert found.error.code == "InvalidConfig" and "10 classes" in found.error.message
    assert lost.error.code != "InternalError"
    for job in (found, lost):
        told = job.model_dump_json()
        assert "private" not in told and str(tmp_path) not in told
    assert not list((tmp_path / "work").glob("*")), "nothing is left"


def test_a_job_ends_with_its_files_though_its_process_and_its_runner_are_stopped(
    registry, ranker, tmp_path
):
    registry.put_teacher(learner(), {"recipe": "own"})
    jobs, body = kept(ranker), BODY | {"teacher": "learner", "minutes": 0.02}
    made = jobs.create(JobRequest(**body))
    with running(jobs, tmp_path / "work") as first:
        until(lambda: any("next: " in line for line in jobs.get(made.id).lines))
        (pid,) = first.pids()
    assert jobs.get(made.id).state == "stopped"
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with running(jobs, tmp_path / "work"):
        found = ended(jobs, made.id)
    assert found.state == "done", found.error
    assert "it was stopped, and goes on" in found.lines
    assert any(line.endswith("done before") for line in found.lines), "no step is done twice"
    names = {file.name for file in found.files}
    assert {"report.html", "model.onnx", "infer.py"} <= names
    assert not list((tmp_path / "work").glob("*"))

    async def go():
        async with asking(Admission(ranker, jobs=jobs)) as (client,):
            path = f"/v1/jobs/{made.id}/files"
            answer = await client.get(f"{path}/report.html")
            assert answer.status_code == 200 and b"<html" in answer.content
            assert answer.headers["content-type"] == "application/octet-stream"
            assert "attachment" in answer.headers["content-disposition"]
            size = next(file.bytes for file in found.files if file.name == "model.onnx")
            answer = await client.get(f"{path}/model.onnx")
            assert int(answer.headers["content-length"]) == len(answer.content) == size
            for name in ("nothing", "state.json", "..%2Fstate.json", ".env"):
                assert (await client.get(f"{path}/{name}")).status_code in (404, 422)
            assert (await client.delete(f"/v1/jobs/{made.id}")).status_code == 204
            assert (await client.get(f"/v1/jobs/{made.id}")).status_code == 404

    asyncio.run(go())
    assert registry.store.list(JOBS) == []


def searches():
    """Return searches whose answers differ: by algorithm, seed, budget, measured students."""
    measured = [
        {"architecture": "4_8_32", "validation_accuracy": 0.9},
        {"architecture": "8_16_32", "validation_accuracy": 0.2, "epochs": 1},
    ]
    return (
        {"candidates": 40, "max_flops": 300_001},
        {"candidates": 60, "algorithm": "random", "seed": 5},
        {"candidates": 50, "max_parameters": 20_000, "seed": 1, "support": measured},
    )


class Searched(Exception):
    """The step that is asked about is done."""


@pytest.mark.parametrize(
    ("search", "to_the_end"), list(zip(searches(), (False, False, True), strict=True))
)
def test_a_job_of_a_search_seeks_its_students_in_its_order(
    registry, tmp_path, monkeypatch, search, to_the_end
):
    """By the service's own predictor, whatever is measured of the teacher's accuracy meanwhile."""
    real = Folder.finish

    def finish(folder, name, facts):
        real(folder, name, facts)
        if name == "search" and not to_the_end:
            raise Searched

    monkeypatch.setattr(Folder, "finish", finish)
    registry.put_teacher(learner(), {"recipe": "own"})
    ensemble, card = registry.predictor("predictor")
    registry.put_predictor("other", Ensemble(ensemble.members[::-1][:2]), card)
    ranker = Ranker.open(registry, predictor="other", limits=Limits(**LIMITS))
    ranker.add_students("learner", [Support(architecture="6_12_32", validation_accuracy=0.95)])
    jobs = kept(ranker, predictor="other")

    async def go():
        async with asking(Admission(ranker, jobs=jobs)) as (client,):
            made = (await client.post("/v1/searches", json={"teacher": "learner"} | search)).json()
            while (found := await client.get(f"/v1/searches/{made['id']}")).json()["state"] != (
                "done"
            ):
                assert found.json()["state"] in ("queued", "running")
                await asyncio.sleep(0.05)
            body = {"search": made["id"], "data": "digits", "kind": "verify", "minutes": 0.1}
            posted = await client.post("/v1/jobs", json=body)
            assert posted.status_code == 201, posted.text
            return found.json()["result"], posted.json()["id"]

    answered, name = asyncio.run(go())
    folder = tmp_path / "work"
    with contextlib.nullcontext() if to_the_end else pytest.raises(Searched):
        work(registry.store.root, name, source="digits", folder=str(folder))
    assert (folder / "students.json").is_file() == to_the_end
    found = Folder(str(folder)).found("search")
    assert "the service's predictor 'other'" in found["order"]
    assert [found["best"]["architecture"]] == [answered["top"][0]["architecture"]]
    assert found["best"]["accuracy"] == pytest.approx(answered["top"][0]["accuracy"], abs=1e-6)
    assert [p["architecture"] for p in found["pareto"]] == [
        p["architecture"] for p in answered["pareto"]
    ]
    assert found["scored"] == answered["scored"]


def test_jobs_wait_for_their_turn_and_end_when_they_are_cancelled_or_deleted(
    registry, ranker, tmp_path
):
    registry.put_teacher(learner(), {"recipe": "own"})
    jobs, body = kept(ranker), BODY | {"teacher": "learner", "minutes": 5.0}
    first, second, third = (jobs.create(JobRequest(**body)) for _ in range(3))
    jobs.cancel(third.id)
    with running(jobs, tmp_path / "work") as runner:
        until(runner.pids)
        time.sleep(1.5)
        assert len(runner.pids()) == 1 and jobs.get(second.id).state == "queued"
        jobs.cancel(first.id)
        assert jobs.get(first.id).state == "cancelled", "at once"
        until(lambda: jobs.get(second.id).state == "running")
        until(runner.pids)
        (pid,) = runner.pids()
        jobs.delete(second.id)
        until(lambda: not runner.pids())
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        assert jobs.get(third.id).state == "cancelled"
    assert {job.state for job in jobs.all().jobs} == {"cancelled"}
    with pytest.raises(UnknownName):
        jobs.get(second.id)
    jobs.cancel(first.id)  # once more is fine


def test_a_process_that_is_killed_is_a_job_that_failed(registry, ranker, tmp_path):
    registry.put_teacher(learner(), {"recipe": "own"})
    jobs = kept(ranker)
    made = jobs.create(JobRequest(**BODY | {"teacher": "learner", "minutes": 5.0}))
    with running(jobs, tmp_path / "work") as runner:
        (pid,) = until(runner.pids)
        os.kill(pid, signal.SIGKILL)
        found = ended(jobs, made.id)
    assert found.state == "failed" and "want of memory" in found.error.message


def test_a_job_whose_runner_is_silent_is_told_as_stopped(ranker):
    now = [1e9]
    jobs = kept(ranker, clock=lambda: now[0])
    made = jobs.create(JobRequest(**BODY))
    jobs.save(made.id, State(state="running"))
    assert jobs.get(made.id).state == "running"
    now[0] += STALE_S + 1
    assert jobs.get(made.id).state == jobs.all().jobs[0].state == "stopped"


def test_the_same_over_grpc(ranker):
    async def go():
        calls = rpc.Calls()
        calls.admission, calls.insecure = Admission(ranker, jobs=kept(ranker)), True

        async def ask(method, message):
            return plain(await getattr(calls, method)(message, Context()))

        made = await ask("CreateJob", pb.JobRequest(teacher="digits", data="digits", minutes=2))
        named = pb.JobName(id=made["id"])
        assert (await ask("ListJobs", pb.JobsRequest()))["jobs"] == [made]
        assert (await ask("GetJob", named))["state"] == "queued"
        with pytest.raises(UnknownName):
            file = pb.JobFileName(id=made["id"], name="model.onnx")
            await anext(calls.GetJobFile(file, Context()))
        assert (await ask("CancelJob", named))["state"] == "cancelled"
        assert await ask("DeleteJob", named) == {"id": made["id"]}
        calls.admission = Admission(ranker)
        with pytest.raises(NotOffered):
            await ask("CreateJob", pb.JobRequest(teacher="digits", data="digits"))

    asyncio.run(go())


def test_files_are_handed_on_in_parts_and_never_read_whole(ranker, monkeypatch):
    jobs = kept(ranker)
    made = jobs.create(JobRequest(**BODY))
    files = {"model.onnx": bytes(range(256)) * 20_000, "empty.txt": b"", "exact.bin": b"x" * 2**20}
    for name, content in files.items():
        jobs.put_file(made.id, name, content)
    jobs.save(made.id, State(state="done"))
    whole = Store.read

    def read(self, key):
        assert "/files/" not in key, "a file is read whole"
        return whole(self, key)

    monkeypatch.setattr(Store, "read", read)

    async def go():
        calls = rpc.Calls()
        calls.admission, calls.insecure = Admission(ranker, jobs=jobs), True
        server = grpc.aio.server()
        add_RankerServicer_to_server(calls, server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        async with (
            grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
            asking(calls.admission) as (client,),
        ):
            for name, content in files.items():
                asked = pb.JobFileName(id=made.id, name=name)
                parts = [part.content async for part in RankerStub(channel).GetJobFile(asked)]
                assert b"".join(parts) == content, "no client need raise its limit"
                assert all(0 < len(part) <= PART_BYTES for part in parts)
                answer = await client.get(f"/v1/jobs/{made.id}/files/{name}")
                assert answer.content == content
                assert answer.headers["content-length"] == str(len(content))
        await server.stop(None)

    asyncio.run(go())
