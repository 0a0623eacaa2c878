"""Jobs that wait, by group: longest first within one, and who is at home in which group.

The part of a queue that chooses; `queue.py` keeps the books. Knows nothing of leases, retries,
processes or Ray.
"""

import heapq
from collections import Counter

from cluster.fleet.job import Job


class Waiting:
    """Jobs without a worker, and the group that each worker stays with."""

    def __init__(self) -> None:
        """Begin with no job and no worker."""
        self._jobs: dict[str, Job] = {}
        self._heaps: dict[str, list[tuple[int, float, int, str]]] = {}
        self._counts: Counter[str] = Counter()
        self._costs: dict[str, float] = {}
        self._homes: dict[str, str] = {}
        self._at_home: Counter[str] = Counter()

    def __contains__(self, key: str) -> bool:
        """Return whether a job waits."""
        return key in self._jobs

    def __len__(self) -> int:
        """Return how many jobs wait."""
        return len(self._jobs)

    def push(self, job: Job, *, attempts: int, order: int) -> None:
        """Add a job: behind those tried less often, and by its order among jobs of one cost."""
        self._jobs[job.key] = job
        rank = (attempts, -job.cost, order, job.key)
        heapq.heappush(self._heaps.setdefault(job.group, []), rank)
        self._counts[job.group] += 1
        self._costs[job.group] = self._costs.get(job.group, 0.0) + job.cost

    def pop(self, worker: str) -> Job | None:
        """Take out a worker's next job: of its own group if that has any, else of the neediest.

        The worker then stays with that group. `None` where no job waits.
        """
        group = self._homes.get(worker)
        if group is None or not self._counts[group]:
            group = self._neediest(worker)
        if group is None:
            return None
        self.stay(worker, group)
        while True:
            key = heapq.heappop(self._heaps[group])[-1]
            if key in self._jobs:
                return self.withdraw(key)

    def withdraw(self, key: str) -> Job:
        """Take out a job that waits, whoever's turn it is."""
        job = self._jobs.pop(key)
        self._counts[job.group] -= 1
        # Exactly zero once empty: sums and differences of floats drift.
        cost = self._costs[job.group] - job.cost
        self._costs[job.group] = cost if self._counts[job.group] else 0.0
        return job

    def stay(self, worker: str, group: str) -> None:
        """Make a group the home of a worker."""
        if self._homes.get(worker) != group:
            self.leave(worker)
            self._homes[worker] = group
            self._at_home[group] += 1

    def leave(self, worker: str) -> None:
        """Forget where a worker is at home: it is gone."""
        group = self._homes.pop(worker, None)
        if group is not None:
            self._at_home[group] -= 1

    def _neediest(self, worker: str) -> str | None:
        """Return the group with the most waiting cost per worker it would then have."""
        groups = [group for group, count in self._counts.items() if count > 0]

        def need(group: str) -> tuple[float, float, str]:
            workers = 1 + self._at_home[group] - (self._homes.get(worker) == group)
            return self._costs[group] / workers, self._counts[group] / workers, group

        return max(groups, key=need, default=None)
