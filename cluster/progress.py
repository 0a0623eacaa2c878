"""How far a run of jobs is, as a value, as one line for people, and as a bar.

Knows nothing of what is being counted, nor of who does the work.
"""

import sys
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Any, TextIO


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """Counts and times of one run, at one moment."""

    total: int
    """Jobs in the run."""
    done: int
    failed: int
    """Jobs given up."""
    retried: int = 0
    """Attempts that failed and were followed by another."""
    lost: int = 0
    """Attempts ended by another's fault: a node, a group restart, a silent worker."""
    running: tuple[str, ...] = ()
    """Names of the jobs being worked on, oldest first."""
    seconds: float = 0.0
    """Since the run began."""
    busy_s: float = 0.0
    """Worker-seconds spent in jobs, lost ones and failed ones too."""
    fraction: float = 0.0
    """Fraction of the total cost that is done or failed, in [0, 1]."""
    kinds: tuple[tuple[str, int, int], ...] = ()
    """Of each kind of job: its name, how many are done, how many there are."""

    @property
    def per_hour(self) -> float:
        """Jobs done per hour since the run began."""
        return 3600 * self.done / self.seconds if self.seconds > 0 else 0.0

    @property
    def left_s(self) -> float | None:
        """Seconds left if cost goes on falling as it did; `None` before the first job ended."""
        if self.fraction <= 0:
            return None
        return self.seconds * (1 - min(1.0, self.fraction)) / self.fraction

    def line(self, unit: str = "items") -> str:
        """Return one line: `12/100 students, 2 running, 480 students/h, 0:11:00 left`.

        Where there are several kinds of jobs each has its count, and the most frequent the rate.
        """
        left = "?" if self.left_s is None else _clock(self.left_s)
        failed = f", {self.failed} failed" if self.failed else ""
        counts, rate = f"{self.done}/{self.total} {unit}", f"{self.per_hour:,.0f} {unit}/h"
        if len(self.kinds) > 1:
            counts = ", ".join(f"{done}/{total} {kind}s" for kind, done, total in self.kinds)
            kind, done, _ = max(self.kinds, key=lambda kind: kind[2])
            rate = f"{3600 * done / self.seconds if self.seconds else 0:,.0f} {kind}s/h"
        return f"{counts}{failed}, {len(self.running)} running, {rate}, {left} left"


class ProgressBar:
    """Shows progress on a terminal as a bar, elsewhere as a line every few seconds.

    Use it as the `progress` of a run, inside a `with`.
    """

    def __init__(
        self, unit: str = "items", *, stream: TextIO | None = None, every_s: float = 10.0
    ) -> None:
        """Show on a stream (standard error by default); `every_s` spaces the plain lines."""
        self._unit, self._every_s = unit, every_s
        self._stream = sys.stderr if stream is None else stream
        self._bar: Any = None
        self._printed_at = time.monotonic()
        self._latest: Progress | None = None
        self._printed: Progress | None = None

    def __call__(self, progress: Progress) -> None:
        """Show where the run is now."""
        self._latest = progress
        if self._stream.isatty():
            self._draw(progress)
        elif time.monotonic() - self._printed_at >= self._every_s:
            self._print(progress)

    def __enter__(self) -> "ProgressBar":
        """Show nothing yet."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the last state on the screen."""
        if self._bar is not None:
            self._bar.close()
        elif self._latest is not None and self._latest != self._printed:
            self._print(self._latest)

    def _print(self, progress: Progress) -> None:
        print(progress.line(self._unit), file=self._stream, flush=True)
        self._printed_at, self._printed = time.monotonic(), progress

    def _draw(self, progress: Progress) -> None:
        if self._bar is None:
            from tqdm import tqdm

            self._bar = tqdm(
                total=progress.total, file=self._stream, bar_format="{bar:20} {desc}", leave=True
            )
        self._bar.n = progress.done + progress.failed
        self._bar.total = progress.total
        self._bar.set_description_str(progress.line(self._unit))


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"
