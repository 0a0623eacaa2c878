"""How the shared parts of a cluster grow: the queue, the driver's memory, the store's listing.

    python -m benchmarks.growth

Simulated workers drain the real queue in simulated time, so that a thousand of them cost nothing
but the queue's own work. Writes docs/growth.png and prints the constants of docs/operations.md.
"""

from __future__ import annotations

import heapq
import resource
import tempfile
import time
import tracemalloc
from pathlib import Path

import matplotlib

from cluster.fleet.job import Job, Lease
from cluster.fleet.queue import Queue
from dass.store.store import Store

matplotlib.use("Agg")
PLOT = Path(__file__).parents[1] / "docs" / "growth.png"
STUDENTS_A_TASK = 200


def jobs(number: int) -> list[Job]:
    """Return jobs of the size and grouping of a build's students."""
    return [
        Job(
            key=f"{i:032x}",
            group=f"task-{i // STUDENTS_A_TASK}",
            cost=float(1 + i % 97),
            payload=("a payload of some length", i),
            kind="student",
        )
        for i in range(number)
    ]


def drain(queue: Queue, workers: int) -> float:
    """Let simulated workers do every job; return processor seconds of the queue itself."""
    busy: list[tuple[float, str, Lease]] = []
    free = [f"w{i}" for i in range(workers)]
    now, started = 0.0, time.process_time()
    while not queue.finished:
        while free and isinstance(lease := queue.take(free[-1], now=now), Lease):
            heapq.heappush(busy, (now + 1.0 + lease.job.cost, free.pop(), lease))
        now, worker, lease = heapq.heappop(busy)
        queue.finish(lease.job.key, token=lease.token, now=now)
        free.append(worker)
    return time.process_time() - started


def queue_costs() -> list[tuple[int, int, float]]:
    """Return (jobs, workers, seconds a job) over both; best of three."""
    shapes = [(n, 64) for n in (1_000, 10_000, 100_000)]
    shapes += [(20_000, w) for w in (1, 10, 100, 1_000)]
    return [
        (n, w, min(drain(Queue(jobs(n), lease_s=1e9), w) for _ in range(3)) / n) for n, w in shapes
    ]


def memory(number: int) -> float:
    """Return bytes that the plan and the queue hold for each job."""
    tracemalloc.start()
    queue = Queue(jobs(number))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert queue.pending == number
    return held / number


def folder_listing(number: int) -> float:
    """Return seconds to list so many records of a local folder."""
    with tempfile.TemporaryDirectory() as folder:
        records = Path(folder, "records")
        records.mkdir()
        for i in range(number):
            (records / f"{i:032x}.parquet").touch()
        started = time.perf_counter()
        assert len(Store(folder).list("records")) == number
        return time.perf_counter() - started


def plot(costs: list[tuple[int, int, float]], listings: list[tuple[int, float]]) -> None:
    """Draw the queue's cost against jobs and workers, and the listing against objects."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(11, 3.2), layout="constrained")
    by_jobs = [(n, c) for n, w, c in costs if w == 64]
    by_workers = [(w, c) for n, w, c in costs if n == 20_000]
    for axis, points, label in (
        (axes[0], by_jobs, "jobs (64 workers)"),
        (axes[1], by_workers, "workers (20,000 jobs)"),
    ):
        axis.plot([x for x, _ in points], [1e6 * c for _, c in points], "o-")
        axis.set(xscale="log", xlabel=label, ylabel="queue, µs a job", ylim=(0, None))
    axes[2].plot([n for n, _ in listings], [s for _, s in listings], "o-")
    axes[2].set(xscale="log", yscale="log", xlabel="records in a folder", ylabel="listing, s")
    figure.savefig(PLOT, dpi=110)


def main() -> None:
    """Measure, print, draw."""
    costs = queue_costs()
    for number, workers, cost in costs:
        print(f"queue: {number:>7,} jobs, {workers:>5,} workers: {1e6 * cost:7.1f} µs a job")
    print(f"driver: {memory(50_000):,.0f} bytes a job held")
    listings = [(n, folder_listing(n)) for n in (1_000, 10_000, 100_000)]
    for number, seconds in listings:
        print(f"store: {number:>7,} records of a folder listed in {seconds:.3f} s")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"this process: {peak:,.0f} MiB at most\nresult: {PLOT}")
    plot(costs, listings)


if __name__ == "__main__":
    main()
