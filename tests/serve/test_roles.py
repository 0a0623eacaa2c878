"""Two roles: which calls a reader's token opens, over both protocols, and which it does not."""

import asyncio
import json

import grpc
import httpx
import pytest
from google.protobuf.message_factory import GetMessageClass

from dass.errors import InvalidConfig
from serve import dass_pb2 as pb
from serve import rpc, web
from serve.admission import Admission
from serve.job_store import Jobs
from serve.limits import NotAllowed
from serve.ranker import Ranker
from serve.render import main
from serve.settings import Settings, digest, with_tokens
from tests.serve.test_ranker import Context
from tests.support.serving import prepare

OPERATOR, READER = {"authorization": "Bearer op"}, {"authorization": "Bearer rd"}
SEARCH = {"teacher": "digits", "candidates": 5}
READS = {
    *("POST /v1/search", "POST /v1/searches", "POST /v1/score"),
    "POST /v1/choices",
    *(
        "GET /v1/teachers",
        "GET /v1/teachers/{name}",
        "GET /v1/teachers/{name}/students",
        "GET /v1/latency-tables",
        "GET /v1/latency-tables/{name}",
        "GET /v1/runs",
        "GET /v1/jobs",
        "GET /v1/jobs/{job}",
        "GET /v1/jobs/{job}/files/{file}",
        "GET /v1/space",
        "GET /v1/predictor",
    ),
    *("GET /v1/searches", "GET /v1/searches/{id}", "GET /health", "GET /ready"),
}
RPC_READS = {
    *("Search", "StreamSearch", "CreateSearch", "ListSearches", "GetSearch", "Score"),
    *("ListLatencyTables", "GetLatencyTable", "ListRuns"),
    *("ListJobs", "GetJob", "GetJobFile"),
    *("ListTeachers", "ListStudents", "GetTeacher", "GetSpace", "GetPredictor"),
}
METHODS = pb.DESCRIPTOR.services_by_name["Ranker"].methods_by_name


@pytest.fixture(scope="module")
def ranker(tmp_path_factory):
    return Ranker.open(prepare(tmp_path_factory.mktemp("prepared")))


def guarded(ranker):
    jobs = Jobs(ranker.registry.store, ranker.limits, data={"digits": "digits"}, at_once=1)
    return Admission(ranker, token_digest=digest("op"), reading_digest=digest("rd"), jobs=jobs)


def test_every_call_of_the_document_is_a_readers_or_tells_it_whose_it_is(ranker):
    async def go():
        app = web.application(guarded(ranker))
        found = {"reader": set(), "operator": set()}
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://localhost"
        ) as client:
            document = (await client.get("/openapi.json")).json()
            for path, methods in document["paths"].items():
                for verb in methods:
                    url = (
                        path.replace("{name}", "nobody")
                        .replace("{id}", "nobody")
                        .replace("{job}", "nobody")
                        .replace("{file}", "nothing")
                        .replace("{architecture}", "4_8_32")
                    )
                    answers = [
                        await client.request(verb.upper(), url, headers=token, json={})
                        for token in (READER, OPERATOR)
                    ]
                    assert answers[1].status_code not in {401, 403}, "operators may everything"
                    told = answers[0].json().get("error", {}) if answers[0].content else {}
                    role = "operator" if answers[0].status_code == 403 else "reader"
                    if role == "operator":
                        assert told["code"] == "NotAllowed" and "`operator`" in told["message"]
                    found[role].add(f"{verb.upper()} {path}")
        return found

    found = asyncio.run(go())
    assert found["reader"] == READS and len(found["operator"]) >= 7


def test_a_reader_searches_and_reads_but_neither_uploads_nor_deletes(ranker):
    async def go():
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(web.application(guarded(ranker))),
            base_url="http://localhost",
            headers=READER,
        ) as client:
            found = await client.post("/v1/search", json=SEARCH)
            assert found.json()["done"] and found.headers["dass-role"] == "reader"
            whose = await client.get("/v1/space", headers=OPERATOR)
            assert whose.headers["dass-role"] == "operator"
            made = await client.post("/v1/searches", json=SEARCH)
            assert made.status_code == 201
            path = f"/v1/searches/{made.json()['id']}"
            assert (await client.delete(path)).status_code == 403
            assert (await client.get(path)).status_code == 200
            assert (await client.delete("/v1/teachers/digits")).status_code == 403
            assert (await client.get("/v1/teachers/digits")).status_code == 200
            for odd in ("/v1/search/", "/v1//search", "/v1/searches/x", "/v1/Search"):
                assert (await client.post(odd, json=SEARCH)).status_code == 403
            wrong = await client.get("/v1/space", headers={"authorization": "Bearer no"})
            assert wrong.status_code == 401
            assert (await client.delete(path, headers=OPERATOR)).status_code == 204

    asyncio.run(go())


@pytest.mark.parametrize("method", sorted(METHODS))
def test_every_rpc_is_a_readers_or_refuses_it_by_its_role(ranker, method):
    async def go(token):
        calls, context = rpc.Calls(), Context(token.items())
        calls.admission, calls.insecure = guarded(ranker), False
        message = GetMessageClass(METHODS[method].input_type)()
        try:
            if METHODS[method].server_streaming:
                [reply async for reply in getattr(calls, method)(message, context)]
            else:
                await getattr(calls, method)(message, context)
        except Exception as error:
            return error, context
        return None, context

    error, context = asyncio.run(go(READER))
    assert isinstance(error, NotAllowed) == (method not in RPC_READS)
    if isinstance(error, NotAllowed):
        assert context.status is grpc.StatusCode.PERMISSION_DENIED
        assert json.loads(context.trailing["dass-error"])["error"]["code"] == "NotAllowed"
    error, _ = asyncio.run(go(OPERATOR))
    assert not isinstance(error, PermissionError)


def test_the_tokens_of_a_deployment_are_those_of_its_file_or_of_the_environment():
    both = {"DASS_TOKEN": "op", "DASS_READING_TOKEN": "rd"}
    told = with_tokens(Settings(), both)
    assert (told.token_digest, told.reading_digest) == (digest("op"), digest("rd"))
    own = Settings(token_digest=digest("a"), reading_digest=digest("b"))
    assert with_tokens(own, both) == own
    assert with_tokens(Settings(), {"DASS_TOKEN": "op"}).reading_digest is None


@pytest.mark.parametrize(
    ("tokens", "match"),
    [
        (("", "rd"), "must come with DASS_TOKEN"),
        (("one", "one"), "must differ"),
        (("op", "ünï"), "DASS_READING_TOKEN must be printable"),
    ],
)
def test_tokens_that_make_no_roles_are_refused_at_the_start(tokens, match, monkeypatch, capsys):
    environment = dict(zip(("DASS_TOKEN", "DASS_READING_TOKEN"), tokens, strict=True))
    with pytest.raises(InvalidConfig, match=match):
        with_tokens(Settings(), environment)
    for name, token in environment.items():
        monkeypatch.setenv(name, token)
    with pytest.raises(SystemExit):
        main(Settings(insecure=True))
    assert match.split()[-1] in capsys.readouterr().err


def test_of_both_tokens_only_digests_are_printed(monkeypatch, capsys):
    monkeypatch.setenv("DASS_TOKEN", "operators-secret")
    monkeypatch.setenv("DASS_READING_TOKEN", "readers-secret")
    main(Settings())
    printed = capsys.readouterr().out
    assert digest("operators-secret") in printed and digest("readers-secret") in printed
    assert "s-secret" not in printed
