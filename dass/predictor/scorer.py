"""The one signature of all that orders a teacher's students: predictors and baselines alike.

Knows nothing of who implements it.

Dimension letter: n architectures.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from dass.networks.teacher import Teacher
from dass.space.architecture import Architecture


@runtime_checkable
class Scorer(Protocol):
    """Anything that orders a teacher's students: the higher, the better after distillation."""

    def score(
        self, teacher: Teacher, architectures: Sequence[Architecture]
    ) -> Float[Tensor, " n"]:
        """Score each architecture, whatever else is in the list."""
        ...
