"""The one signature of all that orders a teacher's students: predictors and baselines alike.

Knows nothing of who implements it.

Dimension letter: n architectures.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from dass.networks.teacher import Teacher
from dass.predictor.records import Measured
from dass.space.architecture import Architecture


class Scores(NamedTuple):
    """What a scorer says of some students, in the order in which they were given."""

    mean: Float[Tensor, " n"]
    """The higher, the better after distillation; predicted accuracies, where a scorer predicts
    accuracies, are fractions."""
    std: Float[Tensor, " n"] | None = None
    """Standard deviation of one label around it, a fraction; `None` without an opinion."""


@runtime_checkable
class Scorer(Protocol):
    """Anything that orders a teacher's students, wherever it computes."""

    def predict(
        self,
        teacher: Teacher,
        architectures: Sequence[Architecture],
        *,
        support: Sequence[Measured] = (),
    ) -> Scores:
        """Score each architecture, whatever else is in the list.

        Args:
            teacher: whose students they are.
            architectures: members of the teacher's space.
            support: measured students of this teacher; a scorer that cannot adapt ignores them.
        """
        ...
