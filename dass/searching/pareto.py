"""The Pareto front: students that no cheaper one matches. A pure function of predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dass.searching.prediction import Prediction
from dass.space.architecture import Architecture


def pareto_front(
    predictions: Sequence[Prediction], *, costs: Mapping[Architecture, float] | None = None
) -> list[Prediction]:
    """Keep those that no cheaper or equally cheap one matches, cheapest first.

    Args:
        predictions: of students.
        costs: what each costs; None for FLOPs.
    """
    cost = {
        p.architecture: p.flops if costs is None else costs[p.architecture] for p in predictions
    }
    front: list[Prediction] = []
    for p in sorted(predictions, key=lambda p: (cost[p.architecture], -p.accuracy,
                                                p.architecture.path)):  # fmt: skip
        if not front or p.accuracy > front[-1].accuracy:
            front.append(p)
    return front
