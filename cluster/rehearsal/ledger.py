"""What a rehearsal is given of nodes, and what it notes down. Plain values.

Knows nothing of how either comes about.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cluster.fleet.job import Entry, Failure


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """The nodes of a rehearsal."""

    nodes: int = 64
    """How many at once; >= 1."""
    workers: int = 4
    """Workers of a node; >= 1."""
    devices: int = 1
    """Accelerators of a node, which its workers share; 0 for none."""

    def __post_init__(self) -> None:
        if min(self.nodes, self.workers) < 1 or not 0 <= self.devices <= self.workers:
            raise ValueError(
                "`nodes >= 1`, `workers >= 1` and `0 <= devices <= workers` must hold, but got "
                f"{self}"
            )


@dataclass(slots=True)
class Ledger:
    """What happened, in seconds and counts."""

    lived_s: float = 0.0
    """Of all nodes, from birth to end."""
    working_s: float = 0.0
    """Of all workers, from taking a job to its end, however it ended."""
    deaths: int = 0
    retired: set[str] = field(default_factory=set)
    """Accelerators that were lost and noticed."""
    exchanges: int = 0
    renewals: int = 0
    questions: int = 0
    """Of the driver to the queue."""
    entries: list[Entry] = field(default_factory=list)
    """The journals of all drivers, one after the other."""
    failures: list[Failure] = field(default_factory=list)

    @property
    def operations(self) -> int:
        """Calls of the queue."""
        return self.exchanges + self.renewals + self.questions
