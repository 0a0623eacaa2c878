"""What virtual workers do with a build's jobs: recorded seconds, and the real registry's calls.

The order of calls is that of `jobs.planning.worker.Worker`: is there a record, is there a
checkpoint, epochs with checkpoints between, publish, drop the checkpoint.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch

from cluster.fleet.job import Job
from cluster.rehearsal.clock import Clock
from cluster.rehearsal.faults import Luck
from cluster.rehearsal.fleet import Attempt
from dass.errors import DassError
from dass.registry import artifacts
from dass.registry.registry import Registry
from dass.store.store import Store
from jobs.planning.worker import CHECKPOINT_EVERY_S
from jobs.rehearsal.bucket import Bucket


class RecordedTrainings:
    """Trainings that take the seconds of recorded ones, and publish a stand-in of equal bytes."""

    def __init__(
        self,
        bucket: Bucket,
        clock: Clock,
        *,
        seconds: Sequence[float],
        epochs: int,
        teacher_s: float,
    ) -> None:
        """Train so many seconds.

        Args:
            bucket: where results go.
            clock: whose time passes.
            seconds: recorded ones of students; which a student gets depends on its key alone.
            epochs: of a student; checkpoints are between two of them.
            teacher_s: seconds of a teacher.
        """
        # Tries of one call follow each other at once: the bucket keeps the pauses' time.
        self._store = Store(bucket.root, pause_s=0.0)
        self._registry = Registry(self._store)
        self._bucket, self._clock = bucket, clock
        self._seconds, self._epochs, self._teacher_s = seconds, epochs, teacher_s
        self._since: dict[str, float] = {}
        self.wasted_s = 0.0
        """Of trainings that were cut off or raised, since their last checkpoint."""
        self.found = 0
        """Jobs whose record was there when their worker looked."""

    def cut_off(self, job: Job) -> None:
        """Count what was trained in vain."""
        since = self._since.pop(job.key, None)
        if since is not None:
            self.wasted_s += self._clock.now - since

    def attempt(self, job: Job, luck: Luck) -> Attempt:
        """Train a teacher or a student as far as its luck goes."""
        try:
            yield from self._train(job, luck)
        except DassError:
            yield self._bucket.spent()
            raise

    def _train(self, job: Job, luck: Luck) -> Attempt:
        if job.kind == "student" and self._registry.has_record(job.key):
            self.found += 1
            yield self._bucket.spent()
            return
        state = self._registry.checkpoint(job.key)
        yield self._bucket.spent()
        begin = int(state["epoch"]) if state else 0
        slowness, raises_at = luck.slowness(), luck.raises_at()
        each_s = self.seconds(job) * slowness / self._epochs
        self._since[job.key] = saved_at = self._clock.now
        for epoch in range(begin + 1, self._epochs + 1):
            yield each_s
            if epoch > raises_at * self._epochs:
                raise RuntimeError("a training raised")
            if self._clock.now - saved_at > CHECKPOINT_EVERY_S:
                self._registry.put_checkpoint(job.key, {"epoch": torch.tensor(epoch)})
                self._since[job.key] = saved_at = self._clock.now
                yield self._bucket.spent()
        self._publish(job)
        self._since.pop(job.key, None)
        self._registry.drop_checkpoint(job.key)
        yield self._bucket.spent()

    def seconds(self, job: Job) -> float:
        """Return how long a job takes by itself."""
        if job.kind != "student":
            return self._teacher_s
        draw = int.from_bytes(hashlib.blake2b(job.key.encode(), digest_size=8).digest(), "big")
        return self._seconds[draw % len(self._seconds)]

    def _publish(self, job: Job) -> None:
        if job.kind == "student":
            self._store.write(f"records/{job.key}.parquet", b"record")
        else:
            self._store.write(f"teachers/{job.key}/{artifacts.MANIFEST}", b"{}")
