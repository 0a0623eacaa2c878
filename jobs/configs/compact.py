"""What `jobs.compact` is told: which store, and how gently."""

from __future__ import annotations

from dataclasses import dataclass

from dass.errors import InvalidConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class CompactConfig:
    """Which store, and how gently."""

    store: str
    """Where the records are: a folder, or s3://bucket/prefix."""
    grace_s: float = 30.0
    """Seconds that readers have, once the merged file is there, to end what they began; >= 0."""

    def __post_init__(self) -> None:
        if self.grace_s < 0:
            raise InvalidConfig(f"`grace_s >= 0` must hold, but got {self.grace_s}")
