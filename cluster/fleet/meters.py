"""What is measured of jobs: how attempts end, how long they take, how many wait and run.

Also of each group of jobs and each node: what is left, what it cost, how slow the node is. The one
home of the names and labels of these metrics. Knows nothing of what a job does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cluster.fleet.job import Lease, Verdict

SECONDS = (0.5, 1, 2, 5, 10, 20, 60, 120, 300, 600, 1800, 3600, 7200)
"""Borders of the histogram's buckets: from a `micro` student to a teacher."""

ENDED = {
    Verdict.DONE: ("dass_jobs_done", "Jobs done."),
    Verdict.FAILED: ("dass_jobs_failed", "Jobs given up after their last attempt."),
    Verdict.RETRY: ("dass_jobs_retried", "Attempts that failed by the job's own fault."),
    Verdict.LOST: ("dass_jobs_lost", "Attempts ended by node, group, neighbour or store."),
}
MOST_VALUES = 500
"""Groups, and nodes, that get a label of their own; those met later share `other`."""


class Meters:
    """Meters that measure nothing: for a run that no one watches."""

    def ended(
        self, lease: Lease, verdict: Verdict, *, seconds: float, counts: Mapping[str, float]
    ) -> None:
        """Count an attempt that ended, its seconds, and the amounts it reports."""

    def queue(self, *, waiting: int, running: int, left: Mapping[str, int]) -> None:
        """Note how many jobs wait, how many run, and how many of each group are not over."""


class Labels:
    """Values of one label, of which there may be only so many."""

    def __init__(self, most: int = MOST_VALUES) -> None:
        self._most = most
        self._seen: set[str] = set()

    def __call__(self, value: str) -> str:
        """Return the value, or `other` where there are too many."""
        if value in self._seen or len(self._seen) < self._most:
            self._seen.add(value)
            return value
        return "other"


class RayMeters(Meters):
    """Meters of the Ray process that makes them."""

    def __init__(self) -> None:
        from ray.util.metrics import Counter, Gauge, Histogram

        label = ("kind",)
        self._ended: dict[Verdict, Any] = {
            verdict: Counter(name, description=text, tag_keys=label)
            for verdict, (name, text) in ENDED.items()
        }
        self._seconds = Histogram(
            "dass_job_seconds",
            description="Wall seconds of an attempt, by how it ended.",
            boundaries=list(SECONDS),
            tag_keys=("kind", "verdict"),
        )
        self._amounts: dict[str, Any] = {
            "images": Counter("dass_images", description="Images trained on.", tag_keys=label)
        }
        self._waiting = Gauge("dass_queue_length", description="Jobs that wait for a worker.")
        self._running = Gauge("dass_jobs_running", description="Jobs that a worker holds.")
        self._groups, self._nodes = Labels(), Labels()
        text = "Jobs of a group neither done nor given up."
        self._left = Gauge("dass_group_left", description=text, tag_keys=("group",))
        self._per_group, self._per_node = _spent("group"), _spent("node")
        labels = ("node", "kind")
        self._done_cost = Counter(
            "dass_node_cost",
            description="Cost of the jobs a node has done, in the unit of their plan.",
            tag_keys=labels,
        )
        self._done_seconds = Counter(
            "dass_node_done_seconds",
            description="Worker-seconds of the jobs a node has done.",
            tag_keys=labels,
        )

    def ended(
        self, lease: Lease, verdict: Verdict, *, seconds: float, counts: Mapping[str, float]
    ) -> None:
        """Count an attempt that ended, its seconds, and the amounts it reports."""
        if verdict not in self._ended:
            return
        job, how = lease.job, {"verdict": verdict.value}
        kind = {"kind": job.kind}
        self._ended[verdict].inc(tags=kind)
        self._seconds.observe(seconds, tags=kind | how)
        for name, amount in counts.items():
            if name in self._amounts and amount > 0:
                self._amounts[name].inc(amount, tags=kind)
        group = {"group": self._groups(job.group)}
        node = {"node": self._nodes(node_of(lease))}
        for (attempts, spent), whose in ((self._per_group, group), (self._per_node, node)):
            attempts.inc(tags=whose | how)
            if seconds > 0:
                spent.inc(seconds, tags=whose | how)
        if verdict is Verdict.DONE and job.cost > 0 and seconds > 0:
            self._done_cost.inc(job.cost, tags=node | kind)
            self._done_seconds.inc(seconds, tags=node | kind)

    def queue(self, *, waiting: int, running: int, left: Mapping[str, int]) -> None:
        """Note how many jobs wait, how many run, and how many of each group are not over."""
        self._waiting.set(waiting)
        self._running.set(running)
        sums: dict[str, int] = {}
        for group, number in left.items():
            label = self._groups(group)
            sums[label] = sums.get(label, 0) + number
        for label, number in sums.items():
            self._left.set(number, tags={"group": label})


def node_of(lease: Lease) -> str:
    """Return the first letters of the node that a lease is on, as people tell nodes apart."""
    return lease.worker.partition("/")[0][:12]


def _spent(whose: str) -> tuple[Any, Any]:
    """Return counters of the attempts of a group or a node, and of their seconds."""
    from ray.util.metrics import Counter

    tags = (whose, "verdict")
    attempts = Counter(
        f"dass_{whose}_attempts",
        description=f"Attempts of a {whose}, by how they ended.",
        tag_keys=tags,
    )
    seconds = Counter(
        f"dass_{whose}_seconds", description=f"Worker-seconds of a {whose}.", tag_keys=tags
    )
    return attempts, seconds
