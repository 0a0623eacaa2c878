"""Statistics of a comparison: what docs/protocol.md names, as pure functions of arrays.

Knows nothing of records, scorers or stores.

Dimension letters: n students of one task, d datasets.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from dass.errors import InvalidData
from dass.predictor.ranking import kendall, regret, size_residual, spearman
from dass.space.cost import BUDGETS

Values = Float[np.ndarray, " n"]

METRICS: dict[str, Callable[[Values, Values, Values, float], float]] = {
    "spearman": lambda s, m, f, w: spearman(s, m),
    "kendall": lambda s, m, f, w: kendall(s, m),
    "tau_equal_flops": lambda s, m, f, w: tau_of_equals(s, m, f),
    "residual_spearman": lambda s, m, f, w: spearman(s, size_residual(m, f)),
    "regret1": lambda s, m, f, w: budget_regret(s, m, f, teacher_flops=w, k=1),
    "regret5": lambda s, m, f, w: budget_regret(s, m, f, teacher_flops=w, k=5),
}
"""Metrics of scores, measured accuracies, FLOPs, and the FLOPs of the teacher."""


def tau_of_equals(
    scores: Values, measured: Values, flops: Values, *, within: float = 0.05
) -> float:
    """Return Kendall's τ over pairs of nearly equal FLOPs; 0 where there is none.

    Concordant less discordant pairs, over all such pairs that are not tied in accuracy.

    Args:
        scores: of n students.
        measured: their accuracies.
        flops: their costs.
        within: largest difference of a pair's FLOPs, as a fraction of the larger.
    """
    upper = np.triu(np.ones((len(flops), len(flops)), dtype=bool), 1)
    near = np.abs(flops[:, None] - flops) <= within * np.maximum(flops[:, None], flops)
    order = np.sign(measured[:, None] - measured)
    pairs = upper & near & (order != 0)
    if not pairs.any():
        return 0.0
    return float((np.sign(scores[:, None] - scores) * order)[pairs].mean())


def budget_regret(
    scores: Values, measured: Values, flops: Values, *, teacher_flops: float, k: int
) -> float:
    """Return the mean regret@k within the three budgets; a budget that admits none is left out.

    Args:
        scores: of n students.
        measured: their accuracies.
        flops: their costs.
        teacher_flops: of one forward pass; budgets are fractions of it.
        k: students measured.
    """
    losses = []
    for fraction in BUDGETS:
        inside = flops <= fraction * teacher_flops
        if inside.any():
            losses.append(regret(scores[inside], measured[inside], k=k))
    if not losses:
        raise InvalidData(
            f"at least one student must cost {BUDGETS[-1]:.0%} of the teacher or less, but the "
            f"cheapest costs {flops.min() / teacher_flops:.0%}; label smaller ones"
        )
    return float(np.mean(losses))
