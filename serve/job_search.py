"""What a job and the service's searches have in common: who is sought, and in which order.

A job of a search begins with the students that the search returned. Knows nothing of training.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dass.networks.teacher import Teacher
from dass.pipeline.compression.order import Order, order_by
from dass.predictor.ensemble import Ensemble
from dass.predictor.records import Measured
from dass.predictor.scorer import Scores
from dass.registry.registry import Registry
from dass.space.architecture import Architecture
from serve.job_store import Asked


def sought(kept: Asked) -> dict[str, Any]:
    """Return which students are sought and within what: those of the search that a job is of."""
    search, request = kept.search, kept.request
    if search is None:
        return {"max_flops_fraction": request.max_flops_share,
                "max_parameters": request.max_parameters,
                "max_latency_ms": request.max_latency_ms}  # fmt: skip
    limits = {
        "max_flops": search.max_flops,
        "max_flops_fraction": search.max_flops_share,
        "max_parameters": search.max_parameters,
        "max_latency_ms": search.max_latency_ms,
    }
    if all(limit is None for limit in limits.values()):
        limits["max_flops_fraction"] = 1.0  # where nothing is said it would be a half
    return {**limits, "candidates": search.candidates, "algorithm": search.algorithm}


class AsSearched:
    """A predictor as the service's searches have it: of a teacher as it was registered, and given
    its measured students before those that a job measures."""

    def __init__(self, ensemble: Ensemble, teacher: Teacher, known: Sequence[Measured]) -> None:
        self._ensemble, self._teacher, self._known = ensemble, teacher, tuple(known)

    def predict(
        self,
        teacher: Teacher,
        architectures: Sequence[Architecture],
        *,
        support: Sequence[Measured] = (),
    ) -> Scores:
        """Return predicted accuracies and their standard deviations."""
        assert teacher.network.space == self._teacher.network.space, "it is the same teacher"
        return self._ensemble.predict(
            self._teacher, architectures, support=(*self._known, *support)
        )


def order_as_searched(kept: Asked, registry: Registry, teacher: Teacher) -> Order | None:
    """Return the order of the search that a job is of; None where it is of none."""
    if kept.search is None or kept.predictor is None:
        return None
    ensemble, _ = registry.predictor(kept.predictor)
    return order_by(
        AsSearched(ensemble, teacher, kept.search.plain().support),
        said=f"the service's predictor {kept.predictor!r}",
        conditions=ensemble.surrogate is not None,
    )
