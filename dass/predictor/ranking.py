"""How well predicted scores order measured accuracies. Pure functions of two arrays.

Dimension letter: n students of one task.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy import stats

Values = Float[np.ndarray, " n"]


def spearman(predicted: Values, measured: Values) -> float:
    """Return Spearman's rank correlation; 0 where one side is constant and so orders nothing."""
    if np.ptp(predicted) == 0 or np.ptp(measured) == 0:
        return 0.0
    return float(stats.spearmanr(predicted, measured).statistic)


def kendall(predicted: Values, measured: Values) -> float:
    """Return Kendall's τ-b; 0 where one side is constant and so orders nothing."""
    if np.ptp(predicted) == 0 or np.ptp(measured) == 0:
        return 0.0
    return float(stats.kendalltau(predicted, measured).statistic)


def regret(predicted: Values, measured: Values, *, k: int = 1) -> float:
    """Return how much accuracy is lost by measuring only the k best predicted, a fraction."""
    best = np.argsort(-predicted, kind="stable")[:k]
    return float(measured.max() - measured[best].max())


def size_residual(measured: Values, flops: Float[np.ndarray, " n"]) -> Values:
    """Return what a straight line in log FLOPs leaves unexplained of the accuracies."""
    x = np.log(flops)
    x = x - x.mean()
    centred = measured - measured.mean()
    return np.asarray(centred - x * float(x @ centred) / float(x @ x))
