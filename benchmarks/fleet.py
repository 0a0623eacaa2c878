"""What the fleet itself costs: busy time of two workers, jobs a second, and the queue's own share.

    python -m benchmarks.fleet

Needs Ray. The published way of labelling has no fleet: one process does one student after
another, so the ideal (workers that never wait) is what busy time is compared with.
"""

from __future__ import annotations

import argparse
import statistics
import time

from cluster.fleet.dispatcher import Dispatcher, Report
from cluster.fleet.groups import run_on_ray
from cluster.fleet.job import Job, Lease, Placement, Reply
from cluster.progress import Progress
from cluster.session import connect


def nap(job: Job) -> None:
    """Sleep for as long as the job says."""
    time.sleep(job.payload)


def naps(number: int, seconds: float) -> list[Job]:
    """Return jobs that sleep, in as many groups as a hundred jobs make one."""
    return [
        Job(key=f"nap{i}", group=f"group{i // 100}", cost=seconds, payload=seconds)
        for i in range(number)
    ]


class Window:
    """Notes when jobs were done, so that start-up can be left out."""

    def __init__(self) -> None:
        self.seen: list[tuple[float, int]] = []

    def __call__(self, progress: Progress) -> None:
        """Note one look at the run."""
        self.seen.append((time.monotonic(), progress.done))

    def rate(self) -> float:
        """Return jobs a second, from the first look with a tenth done to the last with nine."""
        total = self.seen[-1][1]
        inside = [(t, n) for t, n in self.seen if 0.1 * total <= n <= 0.9 * total]
        (t0, n0), (t1, n1) = inside[0], inside[-1]
        return (n1 - n0) / (t1 - t0)


def busy_share(workers: int, jobs: int, seconds: float) -> float:
    """Return the share of the workers' time, after start-up, that was spent in jobs."""
    window = Window()
    run_on_ray(naps(jobs, seconds), nap, placement=Placement(max_workers=workers), progress=window)
    return window.rate() * seconds / workers


def throughput(workers: int, jobs: int, seconds: float) -> float:
    """Return jobs a second of many workers whose jobs are short."""
    window = Window()
    placement = Placement(cpus=0.01, max_workers=workers)
    run_on_ray(naps(jobs, seconds), nap, placement=placement, progress=window)
    return window.rate()


def queue_ms(jobs: int, workers: int) -> float:
    """Return the queue's own milliseconds a job: one exchange, in one process, no network."""
    dispatcher = Dispatcher(naps(jobs, 1.0), retries=1, lease_s=60.0)
    dispatcher.open([], 0.0, 0.0)
    reports: dict[str, Report | None] = {f"w{i}": None for i in range(workers)}
    started, done = time.perf_counter(), 0
    while done < jobs:
        for worker, report in reports.items():
            answer = dispatcher.exchange(worker, report)
            done += report is not None
            reports[worker] = (
                Report(lease=answer, reply=Reply()) if isinstance(answer, Lease) else None
            )
    return 1000 * (time.perf_counter() - started) / jobs


def main() -> None:
    """Print every figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    for jobs, workers in ((1_000, 16), (10_000, 16), (100_000, 16), (100_000, 1_000)):
        values = [queue_ms(jobs, workers) for _ in range(arguments.repeats)]
        print(
            f"queue, {jobs:,} jobs, {workers:,} workers: {statistics.median(values):.3f} ms a job "
            f"({min(values):.3f} to {max(values):.3f}, n = {len(values)}; goal 2)"
        )
    with connect():
        share = busy_share(2, 40, 2.0)
        print(f"busy: 2 workers with jobs of 2 s spend {share:.3f} of the ideal (goal 0.95)")
        for workers in (arguments.workers // 4, arguments.workers):
            rate = throughput(workers, arguments.jobs, 0.01)
            ideal = workers / 0.01
            print(
                f"throughput: {rate:,.0f} jobs/s by {workers} workers with jobs of 10 ms, "
                f"{rate / ideal:.2f} of the ideal; {1000 * workers / rate - 10:.1f} ms a job "
                "besides the job itself"
            )


if __name__ == "__main__":
    # By the name that other processes know it by: `nap` must not belong to the script.
    from benchmarks.fleet import main as imported_main

    imported_main()
