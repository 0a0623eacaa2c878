"""The OpenAPI document: who may call, true bounds, every status, and examples that run."""

import asyncio
import json
import re
from urllib.parse import quote

import httpx
import pytest

from serve import web
from serve.admission import Admission
from serve.job_store import Jobs
from serve.limits import Limits
from serve.ranker import Ranker
from serve.settings import digest
from tests.serve.test_ranker import asgi
from tests.support.serving import LIMITS, any_teacher, prepare, weights_of
from tests.support.serving_contract import SOME

WEIGHTS = weights_of(any_teacher("-", classes=10))


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    return prepare(tmp_path_factory.mktemp("prepared"))


@pytest.fixture(scope="module")
def ranker(registry):
    return Ranker.open(registry, limits=Limits(**LIMITS))


@pytest.fixture(scope="module")
def document(ranker):
    return asgi(ranker, "GET", "/openapi.json", token="t").json()


def calls(document):
    return [(v, p, c) for p, methods in document["paths"].items() for v, c in methods.items()]


def examples(call):
    """Return the bodies that a call has examples of; of one without a body, none."""
    content = call.get("requestBody", {}).get("content", {})
    if "application/octet-stream" in content:
        return [WEIGHTS]
    return [e["value"] for e in content.get("application/json", {}).get("examples", {}).values()]


def order(found):
    """Put what makes things first, what removes them last, and after it what brings back."""
    verb, path, _ = found
    return (path.endswith("/restore"), verb == "delete", verb == "get", path.count("/"))


def test_every_call_has_an_example_that_runs_as_it_stands(registry, document):
    """In the order of their use; an id is that of the example before, as `links` say."""
    registry.store.write("uploads/ours.safetensors", WEIGHTS)
    linked = {"id": None, "job": None}

    async def go():
        ranker = Ranker.open(registry)
        jobs = Jobs(registry.store, ranker.limits, data={"digits": "digits"}, at_once=1)
        app = web.application(Admission(ranker, jobs=jobs))
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://localhost", timeout=60
        ) as client:
            for verb, path, call in sorted(calls(document), key=order):
                if path.endswith("/files/{file}"):
                    continue  # nobody does a job here; tests/serve/test_jobs.py downloads
                url, query = path, {}
                for parameter in call.get("parameters", []):
                    value = parameter.get("example") or linked.get(parameter["name"])
                    if parameter["in"] == "path":
                        assert value, (verb, path, parameter)
                        url = url.replace(f"{{{parameter['name']}}}", quote(value))
                    elif parameter["in"] == "query" and value:
                        query[parameter["name"]] = value
                has_body = "requestBody" in call
                assert bool(examples(call)) == has_body, f"{verb} {path} has no example"
                for body in examples(call) if has_body else [None]:
                    sent = {"content": body} if isinstance(body, bytes) else {"json": body}
                    answer = await client.request(verb, url, params=query, **sent)
                    code = str(answer.status_code)
                    assert code.startswith("2"), (verb, url, answer.text)
                    assert code in call["responses"], (verb, url, code)
                    kind = answer.headers.get("content-type")
                    assert not answer.content or kind in call["responses"][code]["content"]
                    for name, link in call["responses"][code].get("links", {}).items():
                        assert name in {c["operationId"] for _, _, c in calls(document)}
                        assert set(link["parameters"].values()) == {"$response.body#/id"}
                        linked["job" if "job" in name else "id"] = answer.json()["id"]

    asyncio.run(go())


def test_every_call_says_whose_it_is_and_how_the_token_is_sent(ranker, document):
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    for _, path, call in calls(document):
        assert call["security"] == ([{"token": []}] if path.startswith("/v1") else [])
        assert ("x-role" in call) == path.startswith("/v1")
    free = asgi(ranker, "GET", "/openapi.json").json()
    assert {} in free["paths"]["/v1/space"]["get"]["security"], "where no token is asked for"


def test_roles_of_the_document_are_those_of_the_door(ranker, document):
    async def go():
        admission = Admission(ranker, token_digest=digest("op"), reading_digest=digest("rd"))
        app = web.application(admission)
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://localhost"
        ) as client:
            for verb, path, call in calls(document):
                if not path.startswith("/v1"):
                    continue
                url = re.sub(r"\{\w+\}", "nobody", path)
                headers = {"authorization": "Bearer rd"}
                answer = await client.request(verb, url, headers=headers, json={})
                assert (answer.status_code == 403) == (call["x-role"] == "operator"), url

    asyncio.run(go())


def fields(document, name):
    return document["components"]["schemas"][name]["properties"]


def test_maxima_are_those_of_the_deployment(ranker, document):
    """Each is tried: what is at the bound is taken, what is one beyond is refused."""
    search = fields(document, "SearchRequest")
    assert search["candidates"]["maximum"] == LIMITS["candidates"]
    body = {"teacher": "digits", "candidates": 5}
    k, support = search["k"]["maximum"], search["support"]["maxItems"]
    scores = fields(document, "ScoreRequest")["architectures"]["maxItems"]
    students = [{"architecture": SOME[0], "validation_accuracy": 0.5}]
    for path, name, most, value in (
        ("/v1/search", "k", k, lambda n: n),
        ("/v1/search", "support", support, lambda n: students * n),
        ("/v1/score", "architectures", scores, lambda n: [SOME[0]] * n),
    ):
        asked = body if path == "/v1/search" else {"teacher": "digits"}
        for number, code in ((most, 200), (most + 1, 413)):
            answer = asgi(ranker, "POST", path, asked | {name: value(number)})
            assert answer.status_code == code, (name, number, answer.text)
    teacher = document["paths"]["/v1/teachers"]["post"]["requestBody"]["content"]
    teacher = teacher["application/json"]["schema"]["properties"]
    assert (teacher["classes"]["minimum"], teacher["classes"]["maximum"]) == (2, LIMITS["classes"])
    assert teacher["weights"]["anyOf"][0]["maxLength"] >= LIMITS["upload_bytes"] * 4 / 3
    numbers = re.findall(r'"(?:maximum|minimum)": ([\d.]+)', json.dumps(document))
    assert numbers and not [n for n in numbers if n.endswith(".0")]


def test_patterns_are_what_is_taken(ranker, document):
    found = {
        p["name"]: p["schema"]["pattern"]
        for _, _, call in calls(document)
        for p in call.get("parameters", [])
        if "pattern" in p["schema"]
    }
    assert set(found) == {"name", "id", "architecture", "job", "file"}
    assert fields(document, "SearchRequest")["teacher"]["pattern"] == found["name"]
    for name in ("digits", "a..b", ".a", "a/b", "ü", "a@b~c", "-", "A+1=,"):
        answer = asgi(ranker, "GET", f"/v1/teachers/{quote(name, safe='')}")
        taken = answer.status_code == 200 or answer.json()["error"]["code"] == "UnknownName"
        assert taken == bool(re.fullmatch(found["name"], name)), (name, answer.text)
    for text in (*SOME[:5], "4_8", "4__8", "٤_8_32", "4-_8", "04_8_32", ""):
        body = {"teacher": "digits", "architectures": [text]}
        if asgi(ranker, "POST", "/v1/score", body).status_code == 200:
            assert re.fullmatch(found["architecture"], text), text
    made = asgi(ranker, "POST", "/v1/searches", {"teacher": "digits", "candidates": 2}).json()
    assert re.fullmatch(found["id"], made["id"])


def test_a_streamed_search_is_documented_as_it_comes(ranker, document):
    content = document["paths"]["/v1/search"]["post"]["responses"]["200"]["content"]
    assert set(content) == {"application/json", "application/x-ndjson"}
    body = {"teacher": "digits", "candidates": 5, "stream": True}
    answer = asgi(ranker, "POST", "/v1/search", body)
    assert answer.headers["content-type"] in content
    names = set(fields(document, "SearchReply"))
    assert all(set(json.loads(line)) == names for line in answer.text.splitlines())
    example = content["application/x-ndjson"]["example"].splitlines()
    assert all(set(json.loads(line)) <= names for line in example)


def test_refusals_are_those_that_a_call_can_meet(document):
    found = {(v, p): set(c["responses"]) for v, p, c in calls(document)}
    assert found["get", "/health"] == {"200", "403", "408", "413", "422", "500", "503"}
    assert "409" in found["post", "/v1/teachers"] and "409" not in found["post", "/v1/search"]
    assert {"400", "404", "415"} <= found["post", "/v1/searches"]
    for _, path, call in calls(document):
        assert "retry-after" in {h.lower() for h in call["responses"]["503"]["headers"]}, path
        for code, answer in call["responses"].items():
            if code >= "400":
                schema = answer["content"]["application/json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/Error"}


def test_names_of_operations_are_short_and_their_own(document):
    names = [call["operationId"] for _, _, call in calls(document)]
    assert len(set(names)) == len(names) and all(re.fullmatch("[a-z_]+", n) for n in names)
