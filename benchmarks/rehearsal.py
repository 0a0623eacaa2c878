"""How far a rehearsal is from Ray: one small run on six real nodes of this machine, and simulated.

    python -m benchmarks.rehearsal

Needs Ray. The simulation is made twice: with the rates it has by itself, and with the two that the
real run measured (a group's start, a round trip between two jobs). Prints seconds and ratios.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

from cluster.fleet.groups import run_on_ray
from cluster.fleet.job import Job, Placement
from cluster.rehearsal.clock import Clock
from cluster.rehearsal.faults import Faults, Luck
from cluster.rehearsal.fleet import Attempt, Rehearsal
from cluster.rehearsal.ledger import Shape
from cluster.session import connect
from tests.chaos.grounds import head

CALM = Faults(
    life_min_h=1e3,
    life_max_h=1e3,
    raising=0.0,
    device_h=1e9,
    queue_lost_h=(),
    head_lost_h=(),
    straggle=0.0,
)
"""Nothing fails, and a job takes the seconds it says."""


def nap(job: Job) -> None:
    """Sleep for as long as the job says, and note when, in a file of this process."""
    folder, seconds = job.payload
    began = time.monotonic()
    time.sleep(seconds)
    with Path(folder, str(os.getpid())).open("a") as file:
        file.write(json.dumps([began, time.monotonic()]) + "\n")


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """What one real run took."""

    makespan_s: float
    starts_s: list[float]
    """Of each worker, from the run's start to its first job's."""
    between_s: list[float]
    """From the end of a job to the start of the worker's next one."""
    naps_s: list[float]


def real(nodes: int, jobs: int, seconds: float) -> Measured:
    """Run on so many nodes of one core beside a head."""
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args=head(num_cpus=0))
    try:
        for _ in range(nodes):
            cluster.add_node(num_cpus=1, object_store_memory=80_000_000)
        os.environ["RAY_ADDRESS"] = cluster.address
        with tempfile.TemporaryDirectory() as folder, connect():
            began = time.monotonic()
            work = planned(jobs, (folder, seconds))
            outcome = run_on_ray(work, nap, placement=Placement(cpus=1.0))
            makespan = time.monotonic() - began
            assert outcome.done == jobs
            spans = [
                [json.loads(line) for line in path.read_text().splitlines()]
                for path in Path(folder).iterdir()
            ]
    finally:
        ray.shutdown()
        cluster.shutdown()
    return Measured(
        makespan_s=makespan,
        starts_s=sorted(own[0][0] - began for own in spans),
        between_s=[b[0] - a[1] for own in spans for a, b in itertools.pairwise(own)],
        naps_s=[end - start for own in spans for start, end in own],
    )


def planned(jobs: int, payload: object) -> list[Job]:
    """Return jobs of five groups."""
    return [Job(key=f"k{i}", group=f"g{i % 5}", cost=1.0, payload=payload) for i in range(jobs)]


class Naps:
    """Jobs that take so many seconds, simulated."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def attempt(self, job: Job, luck: Luck) -> Attempt:
        """Nap."""
        yield self._seconds * luck.slowness()

    def cut_off(self, job: Job) -> None:
        """Do nothing: no attempt is cut off where nothing fails."""


def simulated(nodes: int, jobs: int, seconds: float, faults: Faults) -> float:
    """Return the makespan of a rehearsal of the same run."""
    clock = Clock()
    shape = Shape(nodes=nodes, workers=1, devices=0)
    work = planned(jobs, None)
    Rehearsal(lambda: work, Naps(seconds), clock=clock, shape=shape, luck=Luck(faults, 0)).run()
    return clock.now


def main() -> None:
    """Run both and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--nodes", type=int, default=6)
    parser.add_argument("--jobs", type=int, default=600)
    parser.add_argument("--seconds", type=float, default=0.2)
    arguments = parser.parse_args()
    shape = (arguments.nodes, arguments.jobs)
    found = real(*shape, arguments.seconds)
    between, start = statistics.fmean(found.between_s), statistics.fmean(found.starts_s)
    nap_s = statistics.fmean(found.naps_s)
    rows = {
        "real": found.makespan_s,
        "rates as they are": simulated(*shape, arguments.seconds, CALM),
        "rates measured": simulated(
            *shape, nap_s, replace(CALM, group_s=start, exchange_s=max(0.0, between))
        ),
    }
    for name, seconds in rows.items():
        print(f"{name:20} {seconds:8.1f} s   real / this {found.makespan_s / seconds:5.2f}")
    first, last = found.starts_s[0], found.starts_s[-1]
    quantiles = statistics.quantiles(found.between_s, n=20)
    print(
        f"a group's start: mean {start:.1f} s ({first:.1f} to {last:.1f}); n = {arguments.nodes}"
    )
    print(
        f"between two jobs: mean {1000 * between:.1f} ms, median "
        f"{1000 * statistics.median(found.between_s):.1f}, 95 % {1000 * quantiles[-1]:.1f}; "
        f"n = {len(found.between_s)}"
    )
    print(f"a nap of {arguments.seconds} s took {nap_s:.3f} s; n = {len(found.naps_s)}")


if __name__ == "__main__":
    from benchmarks.rehearsal import main as imported_main

    imported_main()
