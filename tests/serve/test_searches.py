"""Searches that the service keeps: over both protocols, by several replicas, across restarts."""

import asyncio
import contextlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import httpx
import pytest

from dass.errors import UnknownName
from serve import dass_pb2 as pb
from serve import refusals, requests, rpc, web
from serve.admission import Admission
from serve.client import Client
from serve.limits import InvalidRequest, Limits, TooLarge, Unavailable
from serve.ranker import Ranker
from serve.scoring import Local
from serve.searches import INTERRUPTED, KEYS, SEARCHES, STALE_S, Searches
from tests.serve.test_client import losing
from tests.serve.test_ranker import Context, plain
from tests.support.serving import LIMITS, prepare

SEARCH = {"teacher": "digits", "candidates": 120, "k": 3, "max_flops_share": 0.7}
LONG = {"teacher": "digits", "candidates": 2000}


@pytest.fixture
def registry(tmp_path):
    return prepare(tmp_path / "prepared")


class Slow:
    """A scoring that counts its chunks and takes its time for each."""

    def __init__(self, registry, seconds=0.2):
        self.local, self.seconds = Local(registry, registry.predictor("predictor")[0]), seconds
        self.chunks, self.began = 0, threading.Event()

    def __call__(self, chunk):
        self.chunks += 1
        self.began.set()
        time.sleep(self.seconds)
        return self.local(chunk)


def admission_of(registry, scoring=None, **limits):
    ranker = Ranker.open(registry, limits=Limits(**LIMITS | limits), scoring=scoring)
    return Admission(ranker)


@contextlib.asynccontextmanager
async def asking(*admissions):
    """Clients of so many replicas over one store."""
    async with contextlib.AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                httpx.AsyncClient(
                    transport=httpx.ASGITransport(web.application(admission)),
                    base_url="http://localhost",
                )
            )
            for admission in admissions
        ]


async def ended(client, name, seconds=60):
    """Return a search once it is over, and every state it was seen in."""
    seen, until = [], time.monotonic() + seconds
    while time.monotonic() < until:
        found = (await client.get(f"/v1/searches/{name}")).json()
        if found["state"] not in seen:
            seen.append(found["state"])
        if found["state"] in ("done", "failed"):
            return found, seen
        await asyncio.sleep(0.05)
    raise AssertionError(f"still {seen}")


def untimed(reply):
    return {name: value for name, value in reply.items() if name != "seconds"}


def test_a_search_that_is_kept_ends_with_the_answer_of_the_one_shot_call(registry):
    async def go():
        async with asking(admission_of(registry), admission_of(registry)) as (first, second):
            posted = await first.post("/v1/searches", json=SEARCH | {"stream": True})
            made = posted.json()
            assert posted.status_code == 201 and made["state"] == "queued"
            assert made["request"] == requests.SearchRequest(**SEARCH).model_dump()
            found, _ = await ended(second, made["id"])
            assert set(found) == {
                *("id", "state", "created", "request", "progress", "result", "error")
            }
            assert (found["id"], found["created"]) == (made["id"], made["created"])
            assert found["error"] is None and found["progress"]["scored"] == 120
            once = (await first.post("/v1/search", json=SEARCH)).json()
            assert untimed(found["result"]) == untimed(once)

    asyncio.run(go())


def test_a_search_is_queued_then_running_with_progress_and_nobody_need_wait(registry):
    slow = Slow(registry, seconds=0.7)

    async def go():
        async with asking(admission_of(registry, slow, running=1)) as (client,):
            ids = [
                (await client.post("/v1/searches", json=SEARCH | {"candidates": 150})).json()["id"]
                for _ in range(2)
            ]
            _, (first, second) = await asyncio.gather(
                client.get("/health"), asyncio.gather(*(ended(client, name) for name in ids))
            )
            assert first[1] == second[1] == ["queued", "running", "done"]

    asyncio.run(go())


def test_searches_are_listed_newest_first_page_by_page_while_others_come_and_go(registry):
    async def go():
        async with asking(admission_of(registry)) as (client,):

            async def post(seed):
                body = SEARCH | {"candidates": 5, "seed": seed}
                return (await client.post("/v1/searches", json=body)).json()

            made = [await post(seed) for seed in range(7)]
            await asyncio.gather(*(ended(client, m["id"]) for m in made))
            whole = (await client.get("/v1/searches")).json()
            assert [s["request"]["seed"] for s in whole["searches"]] == [6, 5, 4, 3, 2, 1, 0]
            assert whole["next"] is None
            shape = {"id", "state", "created", "teacher", "request"}
            assert all(set(s) == shape and s["teacher"] == "digits" for s in whole["searches"])

            seeds, after = [], {}
            while after is not None:
                page = (await client.get("/v1/searches", params={"limit": 2} | after)).json()
                seeds += [s["request"]["seed"] for s in page["searches"]]
                if len(seeds) == 2:
                    await ended(client, (await post(9))["id"])
                    await client.delete(f"/v1/searches/{made[1]['id']}")
                after = page["next"] and {"after": page["next"]}
            assert seeds == [6, 5, 4, 3, 2, 0], "neither twice nor left out"

    asyncio.run(go())


@pytest.mark.parametrize("elsewhere", [False, True])
def test_deleting_a_search_stops_it_whichever_replica_is_asked(registry, elsewhere):
    slow = Slow(registry)

    async def go():
        admissions = admission_of(registry, slow), admission_of(registry, slow)
        async with asking(*admissions) as clients:
            name = (await clients[0].post("/v1/searches", json=LONG)).json()["id"]
            await asyncio.to_thread(slow.began.wait, 20)
            gone = await clients[elsewhere].delete(f"/v1/searches/{name}")
            assert gone.status_code == 204 and gone.content == b""
            await asyncio.sleep(1.7)  # a tick, and a generation
            taken = slow.chunks
            await asyncio.sleep(0.6)
            assert slow.chunks == taken < 20, "of twenty generations"
            for client in clients:
                assert (await client.get(f"/v1/searches/{name}")).status_code == 404
                assert (await client.get("/v1/searches")).json()["searches"] == []
            assert (await clients[0].delete(f"/v1/searches/{name}")).status_code == 404

    asyncio.run(go())
    assert registry.store.list(SEARCHES) == [], "nothing of it is left"


def test_one_key_is_one_search_for_every_replica_until_it_is_deleted(registry):
    slow = Slow(registry, seconds=0.0)

    async def go():
        async with asking(admission_of(registry, slow), admission_of(registry, slow)) as clients:

            async def post(client, body=SEARCH):
                return await client.post(
                    "/v1/searches", json=body, headers={"idempotency-key": "mine"}
                )

            answers = await asyncio.gather(*(post(clients[n % 2]) for n in range(8)))
            assert {a.status_code for a in answers} == {201}
            (name,) = {a.json()["id"] for a in answers}
            await ended(clients[0], name)
            assert slow.chunks == 2, "of 100 and 20 candidates, once"
            other = await post(clients[1], SEARCH | {"seed": 1})
            assert other.status_code == 422
            assert other.json()["error"]["field"] == "idempotency-key"
            assert len((await clients[0].get("/v1/searches")).json()["searches"]) == 1
            await clients[0].delete(f"/v1/searches/{name}")
            again = (await post(clients[1])).json()["id"]
            assert again != name
            await ended(clients[0], again)

    asyncio.run(go())


def test_of_many_threads_with_one_key_one_makes_the_search(registry):
    kept = Searches(registry.store, Limits())
    request = requests.SearchRequest(**SEARCH)
    with ThreadPoolExecutor(16) as threads:
        made = list(threads.map(lambda _: kept.create(request, key="k"), range(16)))
    assert sum(new for _, new in made) == 1 and len({s.id for s, _ in made}) == 1
    assert len(kept.page(limit=100).searches) == 1
    # A key whose search was lost half way is free again.
    for key in registry.store.list(SEARCHES):
        registry.store.delete(key)
    assert kept.create(request, key="k")[1]
    with pytest.raises(InvalidRequest, match="of one request"):
        kept.create(requests.SearchRequest(**SEARCH | {"k": 2}), key="k")


def test_searches_outlive_the_service_and_one_that_it_left_is_told_so(registry):
    slow = Slow(registry)

    async def before():
        async with asking(admission_of(registry, slow)) as (client,):
            done = (await client.post("/v1/searches", json=SEARCH)).json()["id"]
            answer, _ = await ended(client, done)
            left = (await client.post("/v1/searches", json=LONG)).json()["id"]
            await asyncio.to_thread(slow.began.wait, 20)
            return answer, left

    answer, left = asyncio.run(before())  # the loop ends, and with it what it ran

    async def after():
        admission = admission_of(registry)
        async with asking(admission) as (client,):
            assert (await client.get(f"/v1/searches/{answer['id']}")).json() == answer
            path = f"/v1/searches/{left}"
            assert (await client.get(path)).json()["state"] in ("queued", "running", "failed")
            later = time.time() + STALE_S + 1
            admission.searches.kept._clock = lambda: later
            found = (await client.get(path)).json()
            assert found["state"] == "failed" and found["result"] is None
            assert found["error"] == INTERRUPTED.model_dump()
            listed = (await client.get("/v1/searches")).json()["searches"]
            assert [s["state"] for s in listed] == ["failed", "done"]

    asyncio.run(after())


def test_a_search_that_waits_long_for_its_turn_is_not_taken_for_lost(registry):
    """What writes it down says so, as long as it lives; nothing else does."""
    slow, now = Slow(registry, seconds=1.0), [time.time()]

    async def go():
        admission = admission_of(registry, slow, running=1)
        admission.searches.kept._clock = lambda: now[0]
        async with asking(admission) as (client,):
            for _ in range(2):
                name = (await client.post("/v1/searches", json=LONG)).json()["id"]
            now[0] += STALE_S - 1
            await asyncio.sleep(6.5)  # five ticks
            now[0] += STALE_S - 1
            assert (await client.get(f"/v1/searches/{name}")).json()["state"] == "queued"
            for listed in (await client.get("/v1/searches")).json()["searches"]:
                await client.delete(f"/v1/searches/{listed['id']}")

    asyncio.run(go())


def test_a_search_that_fails_says_why_in_the_one_shape(registry):
    def lost(chunk):
        raise Unavailable("no scorer answers")

    def fault(chunk):
        raise RuntimeError("/secret/path")

    async def go():
        async with asking(admission_of(registry, lost), admission_of(registry, fault)) as clients:
            told = []
            for client in clients:
                name = (await client.post("/v1/searches", json=SEARCH)).json()["id"]
                found, _ = await ended(client, name)
                assert found["state"] == "failed" and found["result"] is None
                told.append(found["error"])
            assert told[0] == refusals.explain(Unavailable("no scorer answers")).error.model_dump()
            assert told[1]["code"] == "InternalError" and "secret" not in told[1]["message"]

    asyncio.run(go())


@pytest.mark.parametrize(
    ("status", "change"),
    [
        (404, {"teacher": "nobody"}),
        (422, {"max_flops": 1}),
        (422, {"candidates": 0}),
        (422, {"other": 1}),
        (413, {"candidates": 10**6}),
        (413, {"k": 21}),
    ],
)
def test_what_the_one_shot_call_refuses_is_refused_at_once_and_not_kept(registry, status, change):
    async def go():
        async with asking(admission_of(registry)) as (client,):
            refused = [
                await client.post(path, json=SEARCH | change)
                for path in ("/v1/search", "/v1/searches")
            ]
            assert [r.status_code for r in refused] == [status, status]
            assert refused[0].json() == refused[1].json()
            assert (await client.get("/v1/searches")).json()["searches"] == []

    asyncio.run(go())


def test_more_than_may_wait_or_be_kept_are_refused(registry):
    slow = Slow(registry)

    async def go():
        admission = admission_of(registry, slow, running=1, waiting=1)
        async with asking(admission, admission_of(registry, searches=2)) as (client, other):
            posted = [await client.post("/v1/searches", json=LONG) for _ in range(3)]
            assert [p.status_code for p in posted] == [201, 201, 503]
            assert posted[2].headers["retry-after"] == "2"
            full = await other.post("/v1/searches", json=SEARCH)
            assert full.status_code == 413 and full.json()["error"]["field"] == "searches"
            for one in posted[:2]:
                await client.delete(f"/v1/searches/{one.json()['id']}")

    asyncio.run(go())


def test_a_broken_search_hides_no_other_and_can_be_deleted(registry):
    kept = Searches(registry.store, Limits(searches=2))
    request = requests.SearchRequest(**SEARCH)
    whole, broken = (kept.create(request)[0].id for _ in range(2))
    with pytest.raises(TooLarge):
        kept.create(request)
    registry.store.write(f"{SEARCHES}/{broken}/state.json", b"{}")
    registry.store.write(f"{SEARCHES}/{broken}/request.json", b"\xff")
    assert [s.id for s in kept.page(limit=10).searches] == [whole]
    kept.delete(broken)
    assert len(registry.store.list(SEARCHES)) == 2
    for name in ("..", "../teachers", "20261126T062754123456-0123456", "ü", ""):
        with pytest.raises(UnknownName, match="list the searches"):
            kept.get(name)


def test_deleting_a_search_frees_its_key(registry):
    kept = Searches(registry.store, Limits())
    kept.delete(kept.create(requests.SearchRequest(**SEARCH), key="k")[0].id)
    assert registry.store.list(KEYS) == []


def test_both_protocols_tell_the_same(registry):
    async def go():
        admission = admission_of(registry)
        calls = rpc.Calls()
        calls.admission, calls.insecure = admission, True
        async with asking(admission) as (client,):
            context = Context([("idempotency-key", "k")])
            asked = pb.SearchRequest(**SEARCH)
            made = await calls.CreateSearch(asked, context)
            assert (await calls.CreateSearch(asked, context)).id == made.id
            found, _ = await ended(client, made.id)
            over_grpc = plain(await calls.GetSearch(pb.SearchId(id=made.id), Context()))
            assert over_grpc["state"] == "done" and over_grpc["created"] == found["created"]
            best = [p["architecture"] for p in found["result"]["top"]]
            assert [p["architecture"] for p in over_grpc["result"]["top"]] == best
            assert over_grpc["request"]["max_flops_share"] == 0.7
            page = plain(await calls.ListSearches(pb.ListSearchesRequest(limit=1), Context()))
            assert [s["id"] for s in page["searches"]] == [made.id] and "next" not in page
            await calls.DeleteSearch(pb.SearchId(id=made.id), Context())
            for method, message in (
                ("GetSearch", pb.SearchId(id=made.id)),
                ("DeleteSearch", pb.SearchId(id=made.id)),
                ("ListSearches", pb.ListSearchesRequest(limit=101)),
            ):
                context = Context()
                with pytest.raises(Exception, match=r"none of id|less than or equal"):
                    await getattr(calls, method)(message, context)
                unknown = method != "ListSearches"
                code = grpc.StatusCode.NOT_FOUND if unknown else grpc.StatusCode.INVALID_ARGUMENT
                assert context.status is code

    asyncio.run(go())


def test_the_client_posts_one_search_though_its_answers_are_lost(registry):
    with losing(registry, None, lost=2) as url:
        client = Client(url=url)
        made = client.ask("POST", "/v1/searches", SEARCH)
        assert [s["id"] for s in client.ask("GET", "/v1/searches")["searches"]] == [made["id"]]
        until = time.monotonic() + 30
        while client.ask("GET", f"/v1/searches/{made['id']}")["state"] != "done":
            assert time.monotonic() < until
            time.sleep(0.1)
        assert client.ask("DELETE", f"/v1/searches/{made['id']}") is None
