"""What goes wrong in a rehearsal, how often, and the luck that decides when.

Knows nothing of queues, and of stores no more than that trainings bring their own faults.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True, slots=True)
class Faults:
    """Rates and seconds; every one may be zero but the lives."""

    life_min_h: float = 1 / 3
    """Shortest life of a spot node, hours; > 0."""
    life_max_h: float = 6.0
    """Longest life of a spot node, hours."""
    law: Literal["uniform", "exponential"] = "uniform"
    """Of a node's life between the two; the exponential one has its mean at their mean."""
    birth_s: float = 180.0
    """Mean seconds from a node's end to its successor's start; half to one and a half of it."""
    group_s: float = 20.0
    """Mean seconds from a group's start to its workers' first question."""
    notice_s: float = 30.0
    """Seconds until the driver notices that a node is gone."""
    exchange_s: float = 0.005
    """Seconds of a worker's round trip to the queue."""
    straggle: float = 0.4
    """Standard deviation of the logarithm of an attempt's time: a log-normal tail, median 1."""
    raising: float = 0.0005
    """Probability that an attempt raises by its own fault."""
    device_h: float = 5000.0
    """Mean hours until an accelerator is lost; infinite for never."""
    queue_lost_h: tuple[float, ...] = (6.0,)
    """Hours at which the queue's process is lost; its driver rebuilds it."""
    queue_away_s: float = 15.0
    """Seconds until it is back."""
    head_lost_h: tuple[float, ...] = (12.0,)
    """Hours at which the head is lost, and queue and driver with it; the nodes stay."""
    head_away_s: float = 300.0
    """Seconds until it is back and the same line plans what the store lacks."""

    def __post_init__(self) -> None:
        if not 0 < self.life_min_h <= self.life_max_h or not self.device_h > 0:
            raise ValueError(
                "`0 < life_min_h <= life_max_h` and `device_h > 0` must hold, but got "
                f"{self.life_min_h}, {self.life_max_h} and {self.device_h}"
            )


class Luck:
    """Draws of one seed."""

    def __init__(self, faults: Faults, seed: int) -> None:
        """Draw by these laws."""
        self.faults = faults
        self._random = random.Random(seed)

    def life_s(self) -> float:
        """Return how long a node lives."""
        low, high = self.faults.life_min_h, self.faults.life_max_h
        if self.faults.law == "uniform":
            return 3600 * self._random.uniform(low, high)
        mean = (high - low) / 2
        return 3600 * min(high, low + (self._random.expovariate(1 / mean) if mean else 0.0))

    def about(self, seconds: float) -> float:
        """Return half to one and a half of a mean."""
        return seconds * self._random.uniform(0.5, 1.5)

    def device_s(self) -> float:
        """Return how long an accelerator lasts."""
        hours = self.faults.device_h
        return math.inf if math.isinf(hours) else 3600 * self._random.expovariate(1 / hours)

    def slowness(self) -> float:
        """Return by what an attempt's time is multiplied."""
        return math.exp(self._random.gauss(0.0, self.faults.straggle))

    def raises_at(self) -> float:
        """Return the fraction of an attempt at which it raises; above 1 if it does not."""
        if self._random.random() >= self.faults.raising:
            return math.inf
        return self._random.random()
