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
    """Jobs that a node does at once, each by a worker of the queue; >= 1."""
    devices: int = 1
    """Accelerators of a node, as many workers on each; 0 for none."""

    def __post_init__(self) -> None:
        if min(self.nodes, self.workers) < 1 or self.devices < 0:
            raise ValueError(
                f"`nodes >= 1`, `workers >= 1` and `devices >= 0` must hold, but got {self}"
            )
        if self.devices and self.workers % self.devices:
            raise ValueError(
                "`workers` must be a multiple of `devices`, since each has as many, but got "
                f"{self}"
            )

    @property
    def lanes(self) -> int:
        """Jobs that are in hand at once on an accelerator, or on a core."""
        return self.workers // self.devices if self.devices else 1


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
