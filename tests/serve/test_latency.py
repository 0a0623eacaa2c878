"""Latency tables that the service keeps, and searches in milliseconds."""

import asyncio
import hashlib
import json

import pytest

from dass.errors import CorruptArtifact, DassError, InfeasibleBudget, InvalidConfig, UnknownName
from dass.networks.latency import pack_table
from dass.space.architecture import Architecture
from serve import dass_pb2 as pb
from serve import requests, rpc
from serve.admission import Admission
from serve.latency_tables import PREFIX
from serve.limits import AlreadyExists, InvalidUpload, Limits, TooLarge
from serve.ranker import Ranker, SearchSpec
from serve.searches import _asked
from tests.serve.test_ranker import Context, asgi, plain
from tests.support.device import file_of, table_of
from tests.support.serving import LIMITS, prepare

PATH = "/v1/latency-tables"
SEARCH = {"teacher": "digits", "candidates": 60, "latency_table": "phone"}


@pytest.fixture
def registry(tmp_path):
    return prepare(tmp_path / "prepared")


@pytest.fixture
def ranker(registry):
    return Ranker.open(registry, limits=Limits(**LIMITS | {"latency_tables": 2}))


def put(ranker, name="phone", content=None, **changes):
    return asgi(ranker, "PUT", f"{PATH}/{name}", content=content or file_of(**changes))


def milliseconds(architectures, *, batch=1, precision="float32", classes=3):
    model = table_of().at(batch=batch, precision=precision)
    members = [Architecture.parse(text) for text in architectures]
    return model.milliseconds(members, num_classes=classes).tolist()


def test_a_table_is_put_described_listed_and_deleted(ranker, registry):
    answer = put(ranker)
    assert answer.status_code == 201
    told = answer.json()
    space = ranker.space
    fastest = min(milliseconds(map(str, space.shallowest), classes=10))
    slowest = milliseconds([str(space.largest)], precision="int8", classes=10)
    assert told["device"] == "phone" and told["classes"] == 10
    assert [(p["precision"], p["batch"]) for p in told["prices"]] == [
        ("float32", 1), ("float32", 8), ("int8", 1),
    ]  # fmt: skip
    assert told["prices"][0]["fastest_ms"] == pytest.approx(fastest)
    assert told["prices"][2]["slowest_ms"] == pytest.approx(slowest[0])
    assert put(ranker).json() == told, "the same once more"
    assert asgi(ranker, "GET", f"{PATH}/phone").json() == told
    assert asgi(ranker, "GET", PATH).json() == {"tables": [told]}
    assert registry.store.list(PREFIX) == [f"{PREFIX}/phone.json"]
    assert put(ranker, device="another").status_code == 409
    assert asgi(ranker, "DELETE", f"{PATH}/phone").status_code == 204
    for verb in ("GET", "DELETE"):
        gone = asgi(ranker, verb, f"{PATH}/phone")
        assert gone.status_code == 404 and "phone" in gone.json()["error"]["message"]
    assert put(ranker, device="another").status_code == 201


@pytest.mark.parametrize(
    ("status", "match", "content"),
    [
        (422, "JSON", b"nonsense"),
        (422, "", b"[" * 50_000),
        (422, "format", file_of(format=2)),
        (422, "prices", file_of(prices=[])),
        (422, "space", file_of(space="nowhere")),
        (422, "the predictor's", file_of(space="small")),
        (422, "", file_of(num_classes=10**400)),
        (422, "", file_of(device="x" * 401)),
        (422, "", file_of(device="\ud800")),
        (422, "", b"\xff\xfe" + file_of()),
        (413, "classes", file_of(num_classes=LIMITS["classes"] + 1)),
        (413, "bytes", b" " * (LIMITS["request_bytes"] + 1)),
    ],
)
def test_what_is_no_table_of_the_space_is_refused(ranker, registry, status, match, content):
    answer = put(ranker, content=content)
    assert answer.status_code == status, answer.text
    assert (
        match in answer.json()["error"]["message"] and str(registry.store.root) not in answer.text
    )
    assert registry.store.list(PREFIX) == []


def test_a_price_that_is_no_number_is_refused(ranker):
    plain = json.loads(file_of())
    for name, price in (("networks", -1.0), ("nothing", 1.0), ("networks", float("nan"))):
        plain["prices"][0]["coefficients"] = {name: price}
        with pytest.raises(InvalidUpload):
            ranker.latency.put("phone", json.dumps(plain).encode())
    plain = json.loads(file_of())
    plain["prices"][0]["held_out"]["median"] = float("nan")
    with pytest.raises(InvalidUpload):
        ranker.latency.put("phone", json.dumps(plain).encode())


def test_names_and_numbers_of_tables_are_bounded(ranker):
    for name in ("a", "b", "a"):
        ranker.latency.put(name, file_of())
    with pytest.raises(TooLarge, match="at most 2"):
        ranker.latency.put("c", file_of())
    for name in ("../a", "", "ü", "a/b"):
        with pytest.raises(DassError, match="latency table's name"):
            ranker.latency.put(name, file_of())
    with pytest.raises(AlreadyExists):
        ranker.latency.put("a", file_of(device="other"))


def test_a_broken_table_hides_no_other_and_is_told_without_its_place(ranker, registry):
    ranker.latency.put("phone", file_of())
    registry.store.write(f"{PREFIX}/broken.json", b"{}")
    assert [t.name for t in ranker.latency.all()] == ["phone"]
    with pytest.raises(CorruptArtifact):
        ranker.latency.facts("broken")
    answer = asgi(ranker, "GET", f"{PATH}/broken")
    assert answer.status_code == 500 and str(registry.store.root) not in answer.text


def test_a_search_by_milliseconds_keeps_its_limit_and_tells_each_students(ranker):
    put(ranker)
    fastest = min(milliseconds(map(str, ranker.space.shallowest)))
    slowest = milliseconds([str(ranker.space.largest)])[0]
    limit = (fastest + slowest) / 2
    found = asgi(ranker, "POST", "/v1/search", SEARCH | {"max_latency_ms": limit}).json()
    assert found["done"] and found["scored"] == 60
    for part in ("top", "pareto"):
        expected = milliseconds([p["architecture"] for p in found[part]])
        assert [p["milliseconds"] for p in found[part]] == pytest.approx(expected)
        assert max(expected) <= limit
    front = [(p["milliseconds"], p["accuracy"]) for p in found["pareto"]]
    assert front == sorted(front) and len(set(front)) == len(front), "fastest first, each better"
    assert sorted(a for _, a in front) == [a for _, a in front]
    free = asgi(ranker, "POST", "/v1/search", SEARCH).json()
    assert max(p["milliseconds"] for p in free["pareto"]) > limit, "a table alone limits nothing"
    without = {k: v for k, v in SEARCH.items() if k != "latency_table"}
    plain = asgi(ranker, "POST", "/v1/search", without).json()
    assert {p["milliseconds"] for p in plain["pareto"]} == {None}


def test_precision_and_batch_choose_the_price_list(ranker):
    put(ranker)
    for settings in ({"precision": "int8"}, {"batch": 8}):
        found = asgi(ranker, "POST", "/v1/search", SEARCH | settings).json()
        expected = milliseconds([p["architecture"] for p in found["top"]], **settings)
        assert [p["milliseconds"] for p in found["top"]] == pytest.approx(expected)
    answer = asgi(ranker, "POST", "/v1/search", SEARCH | {"batch": 3})
    assert answer.status_code == 422 and "float32 at batch 8" in answer.json()["error"]["message"]


def test_a_limit_that_no_student_keeps_names_the_fastest(ranker):
    put(ranker)
    fastest = min(milliseconds(map(str, ranker.space.shallowest)))
    for path in ("/v1/search", "/v1/searches", "/v1/choices"):
        answer = asgi(ranker, "POST", path, SEARCH | {"max_latency_ms": fastest / 2})
        assert answer.status_code == 422, path
        told = answer.json()["error"]
        assert told["code"] == "InfeasibleBudget"
        assert f"takes {fastest:.3g} ms on 'phone'" in told["message"]


def test_a_limit_needs_a_table_and_the_table_must_be_there(ranker):
    answer = asgi(ranker, "POST", "/v1/search", {"teacher": "digits", "max_latency_ms": 1.0})
    assert answer.status_code == 422 and "latency_table" in answer.json()["error"]["message"]
    answer = asgi(ranker, "POST", "/v1/search", SEARCH)
    assert answer.status_code == 404 and "phone" in answer.json()["error"]["message"]
    for value in (0.0, -1.0, float("inf")):
        with pytest.raises(ValueError, match="max_latency_ms"):
            requests.SearchRequest(**SEARCH, max_latency_ms=value)


def test_choices_have_milliseconds_within_the_limit_but_for_the_teacher(ranker):
    put(ranker)
    slowest = milliseconds([str(ranker.space.largest)])[0]
    found = asgi(ranker, "POST", "/v1/choices", SEARCH | {"max_latency_ms": 0.8 * slowest}).json()
    assert found["teacher"]["milliseconds"] == pytest.approx(slowest)
    for kind in ("largest", "random"):
        assert found[kind]["milliseconds"] <= 0.8 * slowest


def test_a_search_that_is_under_way_outlives_its_table(ranker):
    put(ranker)
    spec = SearchSpec(teacher="digits", latency_table="phone")
    generations = ranker.search(spec)
    next(generations)
    ranker.latency.delete("phone")
    assert next(generations).scored == 200
    with pytest.raises(UnknownName):
        ranker.search(spec)


def test_keys_of_requests_of_before_stay_what_they_were():
    """A key is of one request, whose digest a former version of the service may have written."""
    before = requests.SearchRequest(teacher="digits", candidates=120)
    plain = json.dumps(
        {
            "teacher": "digits", "max_flops": None, "max_flops_share": None,
            "max_parameters": None, "candidates": 120, "k": 5, "algorithm": "evolution",
            "seed": 0, "support": [],
        },
        separators=(",", ":"),
    )  # fmt: skip
    assert _asked(before) == hashlib.sha256(plain.encode()).hexdigest()
    assert _asked(before.model_copy(update={"batch": 2})) != _asked(before)


def test_the_same_over_grpc(ranker):
    async def go():
        calls = rpc.Calls()
        calls.admission, calls.insecure = Admission(ranker), True

        async def ask(method, message):
            return plain(await getattr(calls, method)(message, Context()))

        put = pb.PutLatencyTableRequest(name="phone", table=pack_table(table_of()))
        made = await ask("PutLatencyTable", put)
        named = pb.LatencyTableName(name="phone")
        assert await ask("GetLatencyTable", named) == made
        assert (await ask("ListLatencyTables", pb.LatencyTablesRequest()))["tables"] == [made]
        search = pb.SearchRequest(
            teacher="digits", candidates=20, latency_table="phone", precision="int8"
        )
        found = await ask("Search", search)
        expected = milliseconds([p["architecture"] for p in found["top"]], precision="int8")
        assert [p["milliseconds"] for p in found["top"]] == pytest.approx(expected)
        search.max_latency_ms = 1e-3
        with pytest.raises(InfeasibleBudget, match="fastest student"):
            await ask("Search", search)
        search.batch = 5
        with pytest.raises(InvalidConfig, match="batch 5"):
            await ask("Search", search)
        assert await ask("DeleteLatencyTable", named) == {"name": "phone"}
        with pytest.raises(UnknownName):
            await ask("GetLatencyTable", named)

    asyncio.run(go())
