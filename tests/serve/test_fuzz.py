"""Requests at random over both protocols: none makes the service fail or hang, whatever it holds.

Every case is drawn from a seed of its own, which a failure names. A few hundred by default;

    DASS_FUZZ=5000 python -m pytest -q tests/serve/test_fuzz.py
"""

import asyncio
import os
import shutil
import warnings

import grpc
import httpx
import pytest

from dass.registry.registry import Registry
from dass.store.store import Store
from serve import rpc, web
from serve.admission import Admission
from serve.dass_pb2_grpc import add_RankerServicer_to_server
from serve.job_store import Jobs
from serve.limits import Limits
from serve.ranker import Ranker
from tests.support import fuzz
from tests.support.serving import LIMITS, TOKEN

CASES = int(os.environ.get("DASS_FUZZ", "300"))
METADATA = (("authorization", f"Bearer {TOKEN}"),)


@pytest.fixture(scope="module")
def furnished(tmp_path_factory):
    """The folder of a furnished store, which each test copies."""
    folder = tmp_path_factory.mktemp("furnished")
    fuzz.furnish(folder)
    return folder


@pytest.fixture
def admitted(furnished, tmp_path):
    """Make an admission over a furnished store of its own, once there is an event loop."""
    limits = Limits(**LIMITS | {"candidates": 60, "idle_seconds": 5.0})
    shutil.copytree(furnished, tmp_path / "store")
    ranker = Ranker.open(Registry(Store(str(tmp_path / "store"))), limits=limits)
    store = ranker.registry.store

    def make():
        jobs = Jobs(store, limits, data={"digits": "digits"}, at_once=1)
        return Admission(ranker, jobs=jobs)

    return make


def check_http(known):
    codes = known.codes()
    assert codes[200] >= CASES / 20 and codes[422] >= CASES / 10, known.table()
    assert codes[201] and codes[204] and codes[404], known.table()


def check_grpc(known):
    codes = known.codes()
    assert codes["OK"] >= CASES / 10 and codes["INVALID_ARGUMENT"] >= CASES / 10, known.table()
    assert codes["NOT_FOUND"], known.table()


def test_no_request_over_http_makes_the_service_fail_or_hang(admitted):
    known = fuzz.Known()

    async def go():
        transport = httpx.ASGITransport(web.application(admitted()))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            await fuzz.ask_http(client, cases=CASES, known=known)

    asyncio.run(go())
    check_http(known)


def test_no_message_over_grpc_makes_the_service_fail_or_hang(admitted):
    known = fuzz.Known()

    async def go():
        calls = rpc.Calls()
        calls.admission, calls.insecure = admitted(), True
        server = grpc.aio.server()
        add_RankerServicer_to_server(calls, server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            await fuzz.ask_grpc(channel, cases=CASES, known=known)
        await server.stop(None)

    asyncio.run(go())
    check_grpc(known)


def test_every_call_of_both_protocols_is_among_the_cases(admitted):
    async def document():
        return web.application(admitted()).openapi()

    offered = fuzz.operations(asyncio.run(document()))
    known, drawn, methods = fuzz.Known(), set(), set()
    for seed in range(fuzz.FIRST_SEED, fuzz.FIRST_SEED + 2000):
        operation, *_ = fuzz.http_case(fuzz.random.Random(seed), offered, known)
        drawn.add(operation.call)
        methods.add(fuzz.grpc_case(fuzz.random.Random(seed), known)[0].name)
    assert drawn == {o.call for o in offered} and methods == set(fuzz.METHODS)
    posted = {o.path for o in offered if o.fields}
    assert posted == set(fuzz.POSTED), "what is posted has a good request to begin with"


@pytest.mark.ray
@pytest.mark.filterwarnings("ignore")
def test_nor_does_any_make_the_service_on_ray(service):
    over = fuzz.Known(), fuzz.Known()

    async def go():
        headers = {"authorization": METADATA[0][1]}
        async with httpx.AsyncClient(
            base_url=service.http, headers=headers, timeout=None
        ) as client:
            await fuzz.ask_http(client, cases=CASES, known=over[0])
        async with grpc.aio.insecure_channel(service.grpc) as channel:
            await fuzz.ask_grpc(channel, cases=CASES, known=over[1], metadata=METADATA)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        asyncio.run(go())
    assert over[0].codes()[200] >= CASES / 20 and over[1].codes()["OK"] >= CASES / 10
