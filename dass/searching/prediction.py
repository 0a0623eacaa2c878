"""What is predicted of a student: accuracy, how sure that is, and its costs.

Knows nothing of searching.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dass.networks.teacher import Teacher
from dass.predictor.interval import LEVEL, half_width
from dass.predictor.records import Measured
from dass.predictor.scorer import Scorer
from dass.space.architecture import Architecture


@dataclass(frozen=True, kw_only=True, slots=True)
class Prediction:
    """What is predicted of one student."""

    architecture: Architecture
    accuracy: float
    """Predicted accuracy after distillation, a fraction; a baseline's bare score otherwise."""
    std: float | None
    """Standard deviation of one label around it, a fraction; `None` where the scorer has no
    opinion. On disk and on the wire it is named `uncertainty`."""
    flops: int
    """Multiply-adds of one forward pass at the space's image size."""
    parameters: int
    """Trainable parameters."""

    def interval(self, level: float = LEVEL) -> tuple[float, float] | None:
        """Return where one label lies with probability `level`, within [0, 1].

        `None` where the scorer has no opinion.
        """
        if self.std is None:
            return None
        reach = half_width(level) * self.std
        low, high = self.accuracy - reach, self.accuracy + reach
        return min(max(low, 0.0), 1.0), min(max(high, 0.0), 1.0)


def predictions(
    scorer: Scorer,
    teacher: Teacher,
    architectures: Sequence[Architecture],
    *,
    support: Sequence[Measured] = (),
) -> list[Prediction]:
    """Score architectures in the given order."""
    mean, std = scorer.predict(teacher, architectures, support=support)
    space, classes = teacher.network.space, teacher.network.num_classes
    columns = zip(
        architectures,
        mean.tolist(),
        [None] * len(architectures) if std is None else std.tolist(),
        space.flops(architectures, num_classes=classes).tolist(),
        space.parameters(architectures, num_classes=classes).tolist(),
        strict=True,
    )
    return [
        Prediction(architecture=a, accuracy=m, std=s, flops=f, parameters=p)
        for a, m, s, f, p in columns
    ]
