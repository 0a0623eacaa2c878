"""Simulated time: what is due next happens next. Knows nothing of what happens."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable


class Clock:
    """Seconds that pass only when something is due."""

    def __init__(self) -> None:
        """Begin at zero, with nothing due."""
        self.now = 0.0
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Let an action happen so many seconds from now; of one moment the earlier asked first."""
        heapq.heappush(self._due, (self.now + seconds, next(self._order), action))

    def step(self) -> None:
        """Let the next action happen.

        Raises:
            IndexError: nothing is due.
        """
        self.now, _, action = heapq.heappop(self._due)
        action()
