"""Counters and gauges at Ray's metrics endpoint: what any Ray process can measure of itself.

The names of metrics stand here, those of jobs in `cluster.fleet.meters`. Every label has few
values: no job, no worker, no task. Ray adds the prefix `ray_`. Knows nothing of what a job is.
"""

from __future__ import annotations

from collections.abc import Callable

Meter = tuple[str, str]
"""Name and description."""
SCORED: Meter = ("dass_candidates", "Candidates scored by the service.")
EPISODES: Meter = ("dass_tune_episodes", "Episodes of meta-training done by trials.")
TUNED: Meter = ("dass_tune_seconds", "Worker-seconds that trials took.")
TUNE_FAILED: Meter = ("dass_tune_failed", "Trials that raised.")
BEST: Meter = ("dass_tune_best", "Best objective so far of a trial that runs.")


def counter(meter: Meter) -> Callable[[float], None]:
    """Return what adds an amount > 0 to a counter of this Ray process."""
    from ray.util.metrics import Counter

    name, text = meter
    made = Counter(name, description=text)
    return lambda amount: made.inc(amount)


def gauge(meter: Meter) -> Callable[[float], None]:
    """Return what sets a gauge of this Ray process."""
    from ray.util.metrics import Gauge

    name, text = meter
    made = Gauge(name, description=text)
    return lambda value: made.set(value)
