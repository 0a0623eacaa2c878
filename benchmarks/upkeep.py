"""What a service costs beside an empty one: its start, its idling, uploads, processes that die.

    python -m benchmarks.upkeep --store runs/serve

Needs Ray and a store that `python -m jobs.prepare micro` filled; its copy is served. Starts of the
service and of an application that does nothing are timed in turn. Everything else is of one
service: processor time at rest by whose process it is, memory while teachers are uploaded, and
searches lost when each kind of process is killed under load (`serve.client` asks).
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import torch

from benchmarks.serve import free_port
from dass.networks.resnet import ResNet, initialise
from dass.networks.teacher import Teacher
from dass.registry.artifacts import WEIGHTS
from dass.registry.networks import pack_teacher
from dass.space.spaces import by_name
from serve.client import Client

EMPTY = """
import signal, sys
from ray import serve
from cluster.session import connect

@serve.deployment
class Empty:
    async def __call__(self, request):
        return "here"

with connect():
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
    serve.run(Empty.bind())
    signal.pause()
"""
KINDS = ("Scorer", "Ingress", "ProxyActor", "ServeController")
"""Processes of a service, by a word of their names: ours, then Serve's."""
SEARCHES, KILLED_AT, CLIENTS, CANDIDATES = 60, 10, 4, 200
"""Of a siege: searches, the one before which a process is killed, who asks, how much."""


def command(store: str, port: int) -> list[str]:
    """Return the line that serves a store."""
    line = [sys.executable, "-m", "serve.app", "--store", store, "--insecure"]
    return [*line, "--port", str(port), "--grpc-port", str(free_port())]


@contextmanager
def running(line: Sequence[str], url: str) -> Iterator[tuple[psutil.Process, float]]:
    """Start a service; yield its process and the seconds until it answered; stop it."""
    began = time.perf_counter()
    process = subprocess.Popen(
        line,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"RAY_worker_niceness": "0"},
    )
    try:
        while not answers(url):
            if process.poll() is not None:
                raise RuntimeError(f"{line} must serve, but ended with {process.returncode}")
            time.sleep(0.1)
        yield psutil.Process(process.pid), time.perf_counter() - began
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(120)


def answers(url: str) -> bool:
    """Return whether a call is answered with 200."""
    with suppress(OSError), urllib.request.urlopen(url, timeout=30) as answer:
        return bool(answer.status == 200)
    return False


def starts(store: str, rounds: int) -> None:
    """Print what starting takes, beside an application that does nothing."""
    pairs = []
    for _ in range(rounds):
        port = free_port()
        with running(command(store, port), f"http://127.0.0.1:{port}/ready") as (_, ours):
            pass
        port = free_port()
        empty = [sys.executable, "-c", EMPTY, str(port)]
        with running(empty, f"http://127.0.0.1:{port}/") as (_, theirs):
            pass
        pairs.append((ours, theirs))
    ratios = sorted(a / b for a, b in pairs)
    print(
        f"start: {statistics.median(a for a, _ in pairs):.1f} s until it is ready, an empty "
        f"application {statistics.median(b for _, b in pairs):.1f} s; ratio "
        f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}), n = {rounds}",
        flush=True,
    )


def kind_of(process: psutil.Process) -> str:
    """Return whose a process is: a kind of the service's, or Ray's."""
    name = " ".join(process.cmdline())
    return next((kind for kind in KINDS if kind in name and "ray::" in name), "Ray")


def processes(driver: psutil.Process) -> dict[int, tuple[psutil.Process, str]]:
    """Return everything that a service runs, by process id, and whose it is."""
    found = {driver.pid: (driver, "driver")}
    for child in driver.children(recursive=True):
        with suppress(psutil.Error):
            found[child.pid] = (child, kind_of(child))
    return found


def idle(driver: psutil.Process, seconds: float) -> None:
    """Print the share of a core that each kind of process takes when nobody asks."""

    def spent() -> dict[int, tuple[str, float]]:
        found = {}
        for pid, (process, kind) in processes(driver).items():
            with suppress(psutil.Error):
                times = process.cpu_times()
                found[pid] = kind, times.user + times.system
        return found

    before, began = spent(), time.perf_counter()
    time.sleep(seconds)
    after, took = spent(), time.perf_counter() - began
    shares: Counter[str] = Counter()
    for pid, (kind, much) in after.items():
        shares[kind] += (much - before.get(pid, (kind, 0.0))[1]) / took
    told = ", ".join(f"{kind} {100 * share:.1f} %" for kind, share in shares.most_common())
    print(f"at rest: {100 * shares.total():.1f} % of a core for {took:.0f} s: {told}", flush=True)


def weights(space: str) -> bytes:
    """Return a teacher as it is uploaded."""
    known = by_name(space)
    network = ResNet(known, known.largest, num_classes=10)
    initialise(network, generator=torch.Generator().manual_seed(0))
    return pack_teacher(Teacher(name="any", network=network.eval(), accuracy=0.9))[WEIGHTS]


def uploads(driver: psutil.Process, url: str, number: int) -> None:
    """Print what the memory of the ingresses does while teachers are uploaded, four at a time."""

    def memory() -> float:
        total = 0.0
        for process, kind in processes(driver).values():
            with suppress(psutil.Error):
                total += process.memory_info().rss / 2**20 if kind == "Ingress" else 0.0
        return total

    body = weights("small")
    before, peak, over = memory(), [0.0], threading.Event()

    def watch() -> None:
        while not over.wait(0.1):
            peak[0] = max(peak[0], memory())

    def upload(i: int) -> int:
        address = f"{url}/v1/teachers/upload{i}?space=small&classes=10&accuracy=0.9"
        request = urllib.request.Request(address, data=body, method="PUT")
        request.add_header("content-type", "application/octet-stream")
        with urllib.request.urlopen(request, timeout=120) as answer:
            return int(answer.status)

    watcher = threading.Thread(target=watch)
    watcher.start()
    with ThreadPoolExecutor(CLIENTS) as threads:
        made = Counter(threads.map(upload, range(number)))
    over.set()
    watcher.join()
    print(
        f"{number} uploads of {len(body) / 2**20:.1f} MiB, {CLIENTS} at a time: {dict(made)}; "
        f"both ingresses {before:.0f} MiB before, {peak[0]:.0f} at most, {memory():.0f} after",
        flush=True,
    )


def siege(driver: psutil.Process, url: str, kind: str) -> None:
    """Kill one process of a kind under load; print what was lost and how long it was missed."""
    victims = [process for process, of in processes(driver).values() if of == kind]
    client = Client(url=url)
    killed = [0.0]

    def ask(number: int) -> bool:
        if number == KILLED_AT:
            killed[0] = time.perf_counter()
            victims[0].kill()
        try:
            client.ask("POST", "/v1/search", {"teacher": "digits", "candidates": CANDIDATES})
        except Exception as error:
            print(f"  lost: {error}")
            return False
        return True

    with ThreadPoolExecutor(CLIENTS) as threads:
        lost = SEARCHES - sum(threads.map(ask, range(SEARCHES)))
    took = time.perf_counter() - killed[0]
    gone = {victims[0].pid}
    while True:
        now = processes(driver)
        if len([p for p, (_, of) in now.items() if of == kind and p not in gone]) >= len(victims):
            break
        if time.perf_counter() - killed[0] > 180:
            raise RuntimeError(f"a killed {kind} must be replaced, but was not in 180 s")
        time.sleep(0.2)
    while not answers(f"{url}/ready"):
        time.sleep(0.2)
    print(
        f"{kind} killed, one of {len(victims)}: {lost} of {SEARCHES} searches lost; the "
        f"{SEARCHES - KILLED_AT} after it took {took:.1f} s, the service was whole again "
        f"{time.perf_counter() - killed[0]:.1f} s after it",
        flush=True,
    )


def main() -> None:
    """Measure one after another, and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--store", default="runs/serve")
    parser.add_argument("--rounds", type=int, default=3, help="of starts")
    parser.add_argument("--seconds", type=float, default=30.0, help="of idling")
    parser.add_argument("--uploads", type=int, default=100)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = str(Path(folder, "store"))
        shutil.copytree(arguments.store, store)
        starts(store, arguments.rounds)
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        with running(command(store, port), f"{url}/ready") as (driver, _):
            idle(driver, arguments.seconds)
            for kind in KINDS:
                siege(driver, url, kind)
            uploads(driver, url, arguments.uploads)


if __name__ == "__main__":
    main()
