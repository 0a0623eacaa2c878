"""What architectures cost, in multiply-adds and parameters, and what a student may cost at most.

Integer arithmetic on tables of widths. Knows nothing of which architectures are allowed.

Letters in shapes: n architectures, s stages, b block slots per stage.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from dass.errors import InvalidConfig

BUDGETS = (0.3, 0.5, 0.7)
"""Fractions of the teacher's FLOPs within which a student is sought."""


@runtime_checkable
class Costed(Protocol):
    """What has costs of its own, such as a teacher."""

    @property
    def flops(self) -> int:
        """Multiply-adds of one forward pass at the space's image size."""
        ...

    @property
    def parameters(self) -> int:
        """Trainable parameters, the classifier included."""
        ...


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

    @classmethod
    def of(
        cls, teacher: Costed, *, flops: float | None = None, parameters: float | None = None
    ) -> Budget:
        """Return the budget of a student that may cost these fractions of its teacher.

        Args:
            teacher: whose costs are the whole.
            flops: fraction of its multiply-adds in (0, 1]; `None` leaves them free.
            parameters: fraction of its parameters in (0, 1]; `None` leaves them free.

        Raises:
            InvalidConfig: a fraction is not one.
        """
        return cls(
            max_flops=_part(teacher.flops, flops, "flops"),
            max_parameters=_part(teacher.parameters, parameters, "parameters"),
        )


def check_fraction(value: float | None, name: str) -> None:
    """Raise unless a fraction of a teacher's cost, if there is one, lies in (0, 1].

    Raises:
        InvalidConfig: says what it was given as.
    """
    if value is not None and not 0 < value <= 1:
        raise InvalidConfig(
            f"`0 < {name} <= 1` must hold for a fraction of the teacher's, but got {value}; "
            "give 0.5 for half"
        )


def _part(whole: int, fraction: float | None, name: str) -> int | None:
    check_fraction(fraction, name)
    # A tiny fraction is not a free one: what fits in nothing is refused with what fits at least.
    return None if fraction is None else max(1, int(fraction * whole))
