"""What is predicted of a student: accuracy, how sure that is, and its costs.

Knows nothing of searching.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dass.networks.teacher import Teacher
from dass.predictor.ensemble import Forecaster
from dass.predictor.records import Measured
from dass.predictor.scorer import Scorer
from dass.space.architecture import Architecture


@dataclass(frozen=True, kw_only=True, slots=True)
class Prediction:
    """What is foretold of one student."""

    architecture: Architecture
    accuracy: float
    """Predicted accuracy after distillation, a fraction; a baseline's bare score otherwise."""
    uncertainty: float | None
    """Standard deviation over an ensemble, a fraction; `None` where the scorer has no opinion."""
    flops: int
    """Multiply-adds of one forward pass at the space's image size."""
    parameters: int
    """Trainable parameters."""


def predict(
    scorer: Scorer,
    teacher: Teacher,
    architectures: Sequence[Architecture],
    *,
    support: Sequence[Measured] = (),
) -> list[Prediction]:
    """Score architectures in the given order."""
    spread = None
    if isinstance(scorer, Forecaster):
        scores, spread = scorer.forecast(teacher, architectures, support=support)
    else:
        scores = scorer.score(teacher, architectures)
    space, classes = teacher.network.space, teacher.network.num_classes
    spreads = [None] * len(architectures) if spread is None else spread.tolist()
    columns = zip(
        architectures,
        scores.tolist(),
        spreads,
        space.flops(architectures, num_classes=classes).tolist(),
        space.parameters(architectures, num_classes=classes).tolist(),
        strict=True,
    )
    return [
        Prediction(architecture=a, accuracy=s, uncertainty=u, flops=f, parameters=p)
        for a, s, u, f, p in columns
    ]
