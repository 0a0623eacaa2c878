"""What is measured of jobs: how attempts end, how long they take, how many wait and run.

The one home of the names and labels of these metrics. Knows nothing of what a job does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cluster.fleet.job import Verdict

SECONDS = (0.5, 1, 2, 5, 10, 20, 60, 120, 300, 600, 1800, 3600, 7200)
"""Borders of the histogram's buckets: from a `micro` student to a teacher."""

ENDED = {
    Verdict.DONE: ("dass_jobs_done", "Jobs done."),
    Verdict.FAILED: ("dass_jobs_failed", "Jobs given up after their last attempt."),
    Verdict.RETRY: ("dass_jobs_retried", "Attempts that failed by the job's own fault."),
    Verdict.LOST: ("dass_jobs_lost", "Attempts ended by a node, a group or the store."),
}


class Meters:
    """Meters that measure nothing: for a run that no one watches."""

    def ended(
        self, kind: str, verdict: Verdict, *, seconds: float, counts: Mapping[str, float]
    ) -> None:
        """Count an attempt that ended, its seconds, and the amounts it reports."""

    def queue(self, *, waiting: int, running: int) -> None:
        """Note how many jobs wait and how many run."""


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

    def ended(
        self, kind: str, verdict: Verdict, *, seconds: float, counts: Mapping[str, float]
    ) -> None:
        """Count an attempt that ended, its seconds, and the amounts it reports."""
        if verdict not in self._ended:
            return
        self._ended[verdict].inc(tags={"kind": kind})
        self._seconds.observe(seconds, tags={"kind": kind, "verdict": verdict.value})
        for name, amount in counts.items():
            if name in self._amounts and amount > 0:
                self._amounts[name].inc(amount, tags={"kind": kind})

    def queue(self, *, waiting: int, running: int) -> None:
        """Note how many jobs wait and how many run."""
        self._waiting.set(waiting)
        self._running.set(running)
