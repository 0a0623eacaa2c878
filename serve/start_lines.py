"""What a start says: a line for each step, with the seconds it took. Knows nothing of them."""

from __future__ import annotations

import time
from collections.abc import Callable


class Steps:
    """Says each step as it ends; called with its name."""

    def __init__(
        self,
        say: Callable[[str], object] = lambda line: print(line, flush=True),
        *,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._say, self._clock = say, clock
        self._since = clock()

    def __call__(self, step: str) -> None:
        """Say a step that ends now; the next one begins."""
        now = self._clock()
        self._say(f"  {step} ({now - self._since:.1f} s)")
        self._since = now
