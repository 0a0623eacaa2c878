"""What two scorer replicas bring over one process, what a request costs, what clients wait.

    python -m benchmarks.serve --store runs/serve

Needs Ray, two cores and a store that `python -m jobs.prepare micro` filled. In process means one
thread, as a replica has. Every ratio is taken within a round: in process, HTTP, gRPC in turn.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import socket
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import grpc
import httpx
import torch

from cluster.session import connect
from dass.registry.registry import Registry
from dass.searching.evolution import SearchConfig
from dass.store.store import Store
from serve import dass_pb2 as pb
from serve.dass_pb2_grpc import RankerStub
from serve.ranker import Ranker, SearchSpec, one_thread

Work = Callable[[], object]
CROWD = 200
"""Candidates of each of many searches at once."""


def free_port() -> int:
    """Return a port that nobody listens on at the moment."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def seconds(work: Work) -> float:
    """Return the wall time of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def compare(title: str, candidates: int, works: Mapping[str, Work], rounds: int) -> None:
    """Print candidates a second of each way, and its ratio to the first, round by round."""
    for work in works.values():
        work()
    found = [{name: seconds(work) for name, work in works.items()} for _ in range(rounds)]
    base = next(iter(works))
    print(f"\n{title} (n = {rounds})")
    for name in works:
        middle = statistics.median(times[name] for times in found)
        ratios = sorted(times[base] / times[name] for times in found)
        print(
            f"  {name:22} {candidates / middle:6,.0f} candidates/s   "
            f"{statistics.median(ratios):.2f}x ({ratios[0]:.2f}-{ratios[-1]:.2f})",
            flush=True,
        )


def percentiles(times: Sequence[float]) -> str:
    """Return the middle and the slow end, milliseconds."""
    ranked = sorted(times)
    shown = {p: 1000 * ranked[min(len(ranked) - 1, len(ranked) * p // 100)] for p in (50, 90, 99)}
    return "   ".join(f"p{p} {value:8,.1f} ms" for p, value in shown.items())


def overhead(works: Mapping[str, Work], rounds: int) -> None:
    """Print how long the smallest request takes each way."""
    print(f"\none student scored (n = {rounds} each)")
    for name, work in works.items():
        for _ in range(10):
            work()
        print(f"  {name:22} {percentiles([seconds(work) for _ in range(rounds)])}", flush=True)


async def crowd(url: str, teacher: str, searches: int) -> None:
    """Print what many clients at once wait, who come back when they are told to."""
    told, body = 0, {"teacher": teacher, "candidates": CROWD}

    async def one(client: httpx.AsyncClient, seed: int) -> float:
        nonlocal told
        started = time.perf_counter()
        while True:
            answer = await client.post(f"{url}/search", json=body | {"seed": seed})
            if answer.status_code != 503:
                assert answer.raise_for_status().json()["done"]
                return time.perf_counter() - started
            told += 1
            await asyncio.sleep(float(answer.headers["retry-after"]))

    limits = httpx.Limits(max_connections=searches)
    async with httpx.AsyncClient(timeout=300, limits=limits) as client:
        started = time.perf_counter()
        work = [one(client, seed) for seed in range(searches)]
        found = await asyncio.gather(*work, return_exceptions=True)
        whole = time.perf_counter() - started
    times = [seconds for seconds in found if isinstance(seconds, float)]
    print(
        f"  {searches:3} at once: {len(found) - len(times)} lost, {told} times told to wait   "
        f"{percentiles(times)}   {searches * CROWD / whole:,.0f} candidates/s",
        flush=True,
    )


CLIENTS = (1, 4, 16)
"""How many ask one search after another."""
EACH = 4
"""Searches of each client in a round."""


async def load(url: str, teacher: str, *, clients: int, rounds: int) -> None:
    """Print searches a second and how long the slow ones take, of clients that never rest."""
    body, times = {"teacher": teacher, "candidates": CROWD}, []

    async def one(client: httpx.AsyncClient, number: int) -> None:
        for turn in range(EACH * rounds):
            started = time.perf_counter()
            seed = number * EACH * rounds + turn
            answer = await client.post(f"{url}/search", json=body | {"seed": seed})
            assert answer.raise_for_status().json()["done"]
            times.append(time.perf_counter() - started)

    limits = httpx.Limits(max_connections=clients)
    async with httpx.AsyncClient(timeout=300, limits=limits) as client:
        await client.post(f"{url}/search", json=body)  # the teacher is read, once
        started = time.perf_counter()
        await asyncio.gather(*(one(client, number) for number in range(clients)))
        whole = time.perf_counter() - started
    print(
        f"  {clients:3} clients: {len(times) / whole:6.2f} searches/s   {percentiles(times)}   "
        f"(n = {len(times)})",
        flush=True,
    )


def measure(ranker: Ranker, url: str, stub: RankerStub, arguments: argparse.Namespace) -> None:
    """Print every figure of a running service."""
    teacher, candidates, rounds = arguments.teacher, arguments.candidates, arguments.rounds
    drawn = ranker.space.sample(candidates, generator=torch.Generator().manual_seed(0))
    some, tiny = [str(a) for a in drawn], [str(ranker.space.smallest)]
    body = {"teacher": teacher, "candidates": candidates}
    spec = SearchSpec(teacher=teacher, config=SearchConfig(candidates=candidates))
    client = httpx.Client(timeout=300)
    threads = ThreadPoolExecutor(arguments.together)

    def post(path: str, request: object) -> None:
        client.post(f"{url}/{path}", json=request).raise_for_status()

    def scores(asked: list[str]) -> dict[str, Work]:
        request = pb.ScoreRequest(teacher=teacher, architectures=asked)
        return {
            "in process": lambda: ranker.score(teacher, asked),
            "HTTP": lambda: post("score", {"teacher": teacher, "architectures": asked}),
            "gRPC": lambda: stub.Score(request),
        }

    def search() -> list[object]:
        return [*ranker.search(spec)]

    def together() -> None:
        [*threads.map(lambda _: post("search", body), range(arguments.together))]

    compare("the same candidates scored, 2 replicas", candidates, scores(some), rounds)
    searches: dict[str, Work] = {
        "in process": search,
        "HTTP": lambda: post("search", body),
        "gRPC": lambda: stub.Search(pb.SearchRequest(**body)),
    }
    compare("one search at a time", candidates, searches, rounds)
    several: dict[str, Work] = {
        "in process": lambda: [search() for _ in range(arguments.together)],
        "HTTP": together,
    }
    number = arguments.together
    compare(f"{number} searches, at once over HTTP", number * candidates, several, rounds)
    overhead(scores(tiny), 300)
    print(f"\nsearches of {CROWD} candidates over HTTP, one after another")
    for clients in CLIENTS:
        asyncio.run(load(url, teacher, clients=clients, rounds=rounds))
    print(f"\nsearches of {CROWD} candidates over HTTP; at most 4 run and 64 wait")
    for number in (50, 100):
        asyncio.run(crowd(url, teacher, number))


def main() -> None:
    """Start a service and print every figure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--store", default="runs/serve")
    parser.add_argument("--teacher", default="digits")
    parser.add_argument("--candidates", type=int, default=1000)
    parser.add_argument("--together", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    # Ray's workers are nicer (15) than their driver: beside other work the replicas would get
    # less of a core than the one process they are compared with.
    os.environ.setdefault("RAY_worker_niceness", "0")
    from serve.app import Settings, start

    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    one_thread()
    ranker = Ranker.open(Registry(Store(arguments.store)))
    settings = Settings(store=str(Store(arguments.store).root), insecure=True)
    port, grpc_port = free_port(), free_port()
    with connect():
        start(settings, host="127.0.0.1", port=port, grpc_port=grpc_port)
        stub = RankerStub(grpc.insecure_channel(f"127.0.0.1:{grpc_port}"))
        measure(ranker, f"http://127.0.0.1:{port}/v1", stub, arguments)


if __name__ == "__main__":
    main()
