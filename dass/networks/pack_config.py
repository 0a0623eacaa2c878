"""Which members of a space are measured for a latency table, and how: values, checked.

Imports nothing that takes long to load.
"""

from __future__ import annotations

from dataclasses import dataclass

from dass.errors import InvalidConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class PackConfig:
    """Which members are measured, and how."""

    members: int = 48
    """Distinct members; >= 12."""
    batches: tuple[int, ...] = (1, 16)
    """Images of a pass; each >= 1."""
    int8: bool = False
    """Measure each member quantised, too: 8 bits of weights and activations, as `dass compress`
    exports them."""
    num_classes: int = 10
    """Of the classifiers that are measured; others are predicted. >= 1."""
    seed: int = 0
    """Which members."""

    def __post_init__(self) -> None:
        rules = {
            "members >= 12": self.members >= 12,
            "batches >= 1, distinct": (
                min(self.batches, default=0) >= 1 and len(set(self.batches)) == len(self.batches)
            ),
            "num_classes >= 1": self.num_classes >= 1,
        }
        for rule, holds in rules.items():
            if not holds:
                raise InvalidConfig(f"`{rule}` must hold for a latency table, but got {self}")
