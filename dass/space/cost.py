"""What architectures cost, in multiply-adds and parameters, and what a student may cost at most.

Integer arithmetic on tables of widths. Knows nothing of which architectures are allowed.

Letters in shapes: n architectures, s stages, b block slots per stage.
"""

from __future__ import annotations

from dataclasses import dataclass

from dass.errors import InvalidConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """What a student may cost at most; `None` leaves that cost free."""

    max_flops: int | None = None
    """Multiply-adds of one forward pass at the space's image size; > 0."""
    max_parameters: int | None = None
    """Trainable parameters, the classifier included; > 0."""

    def __post_init__(self) -> None:
        for name in ("max_flops", "max_parameters"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise InvalidConfig(f"`{name} > 0` must hold, but got {value}")
