"""What the service costs and what its replicas bring: a search over HTTP against one in process.

    python -m benchmarks.serve --store runs/serve

Needs Ray and a store that `python -m jobs.stock micro` filled. In process is one thread, which
is what one replica has too.
"""

from __future__ import annotations

import argparse
import logging
import socket
import statistics
import time
from collections.abc import Callable

import httpx

from cluster.session import connect
from cluster.storage import Store
from dass.search import SearchConfig
from serve.service import Order, Ranker, one_thread


def free_port() -> int:
    """Return a port that nobody listens on at the moment."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def seconds(work: Callable[[], object], repeats: int) -> list[float]:
    """Return the wall time of each of several calls, after one that is not counted."""
    work()
    found = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        found.append(time.perf_counter() - started)
    return sorted(found)


def report(title: str, times: list[float], candidates: int, baseline: float) -> None:
    """Print candidates a second, the ratio to in process, and the spread."""
    middle = statistics.median(times)
    print(
        f"{title}: {candidates / middle:,.0f} candidates/s, {baseline / middle:.2f}x in process; "
        f"{1000 * middle:.0f} ms a search ({1000 * times[0]:.0f} to {1000 * times[-1]:.0f}, "
        f"n = {len(times)})",
        flush=True,
    )


def main() -> None:
    """Print every figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--store", default="runs/serve")
    parser.add_argument("--teacher", default="digits")
    parser.add_argument("--candidates", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    from ray import serve

    from serve.app import Settings, start

    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    one_thread()
    store = Store(arguments.store)
    ranker = Ranker.open(store)
    order = Order(teacher=arguments.teacher, config=SearchConfig(candidates=arguments.candidates))
    alone = seconds(lambda: [*ranker.search(order)], arguments.repeats)
    baseline = statistics.median(alone)
    report("in process", alone, arguments.candidates, baseline)
    body = {"teacher": arguments.teacher, "candidates": arguments.candidates}
    tiny = {"teacher": arguments.teacher, "architectures": [str(ranker.space.smallest)]}
    with connect(), httpx.Client(timeout=300) as client:
        for replicas in (1, 2):
            port = free_port()
            settings = Settings(
                store=store.root, replicas=replicas, max_replicas=replicas, scorer_cpus=0.5
            )
            start(settings, host="127.0.0.1", port=port, grpc_port=free_port())
            url = f"http://127.0.0.1:{port}/v1"

            def ask(path: str, request: object, url: str = url) -> None:
                client.post(f"{url}/{path}", json=request).raise_for_status()

            found = seconds(lambda ask=ask: ask("search", body), arguments.repeats)  # type: ignore[misc]
            report(f"HTTP, {replicas} replicas", found, arguments.candidates, baseline)
            times = seconds(lambda ask=ask: ask("score", tiny), 100)  # type: ignore[misc]
            print(
                f"  one student: {1000 * times[50]:.1f} ms in the median, "
                f"{1000 * times[98]:.1f} ms for 99 of 100"
            )
            serve.shutdown()


if __name__ == "__main__":
    main()
