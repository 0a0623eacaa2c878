"""What a student may cost at most: multiply-adds, parameters, milliseconds on a device.

Knows nothing of which architectures are allowed, nor of how their costs are found.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from dass.errors import InvalidConfig
from dass.space.architecture import Architecture

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float

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


@runtime_checkable
class Latency(Protocol):
    """What predicts milliseconds on a device, such as `dass.networks.latency.LatencyModel`."""

    @property
    def device(self) -> str:
        """Name of the device."""
        ...

    @property
    def space(self) -> str:
        """Name of the space whose members it knows."""
        ...

    def milliseconds(
        self, architectures: Sequence[Architecture], *, num_classes: int
    ) -> Float[np.ndarray, " n"]:
        """Predict milliseconds of one pass through each member."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """What a student may cost at most; `None` leaves that cost free."""

    max_flops: int | None = None
    """Multiply-adds of one forward pass at the space's image size; > 0."""
    max_parameters: int | None = None
    """Trainable parameters, the classifier included; > 0."""
    max_latency_ms: float | None = None
    """Milliseconds of one pass, as `latency` predicts them; > 0."""
    latency: Latency | None = None
    """Predicts them: a table's `at(batch=1)`; there must be one where `max_latency_ms` is set."""

    def __post_init__(self) -> None:
        for name in ("max_flops", "max_parameters", "max_latency_ms"):
            value = getattr(self, name)
            if value is not None and not (value > 0 and math.isfinite(value)):
                raise InvalidConfig(f"`{name} > 0` must hold, but got {value}")
        if self.max_latency_ms is not None and self.latency is None:
            raise InvalidConfig(
                f"`max_latency_ms` of {self.max_latency_ms} must come with `latency`, which "
                "predicts milliseconds; make a table with `dass latency`, load it with "
                "`dass.load_latency` and give its `at(batch=1)`"
            )

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
