"""The Pareto front: students that no cheaper one matches. A pure function of predictions."""

from __future__ import annotations

from collections.abc import Sequence

from dass.searching.prediction import Prediction


def pareto_front(predictions: Sequence[Prediction]) -> list[Prediction]:
    """Keep those that no cheaper or equally cheap one matches, cheapest first."""
    front: list[Prediction] = []
    for p in sorted(predictions, key=lambda p: (p.flops, -p.accuracy, p.architecture.path)):
        if not front or p.accuracy > front[-1].accuracy:
            front.append(p)
    return front
