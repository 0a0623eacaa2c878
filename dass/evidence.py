"""Statistics of a comparison: what docs/protocol.md names, as pure functions of arrays.

Knows nothing of records, scorers or stores.

Dimension letters: n students of one task, d datasets.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np
from jaxtyping import Float

from dass.errors import InvalidData
from dass.metrics import kendall, regret, size_residual, spearman

Values = Float[np.ndarray, " n"]

BUDGETS = (0.3, 0.5, 0.7)
"""Shares of the teacher's FLOPs within which a student is sought."""

METRICS: dict[str, Callable[[Values, Values, Values, float], float]] = {
    "spearman": lambda s, m, f, w: spearman(s, m),
    "kendall": lambda s, m, f, w: kendall(s, m),
    "tau_equal_flops": lambda s, m, f, w: tau_of_equals(s, m, f),
    "residual_spearman": lambda s, m, f, w: spearman(s, size_residual(m, f)),
    "regret1": lambda s, m, f, w: budget_regret(s, m, f, whole=w, k=1),
    "regret5": lambda s, m, f, w: budget_regret(s, m, f, whole=w, k=5),
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
        within: largest difference of a pair's FLOPs, as share of the larger.
    """
    upper = np.triu(np.ones((len(flops), len(flops)), dtype=bool), 1)
    near = np.abs(flops[:, None] - flops) <= within * np.maximum(flops[:, None], flops)
    order = np.sign(measured[:, None] - measured)
    pairs = upper & near & (order != 0)
    if not pairs.any():
        return 0.0
    return float((np.sign(scores[:, None] - scores) * order)[pairs].mean())


def budget_regret(
    scores: Values, measured: Values, flops: Values, *, whole: float, k: int
) -> float:
    """Return the mean regret@k within the three budgets; a budget that admits none is left out.

    Args:
        scores: of n students.
        measured: their accuracies.
        flops: their costs.
        whole: FLOPs of the teacher, of which budgets are shares.
        k: students measured.
    """
    losses = []
    for share in BUDGETS:
        inside = flops <= share * whole
        if inside.any():
            losses.append(regret(scores[inside], measured[inside], k=k))
    if not losses:
        raise InvalidData(
            f"at least one student must cost {BUDGETS[-1]:.0%} of the teacher or less, but the "
            f"cheapest costs {flops.min() / whole:.0%}; label smaller ones"
        )
    return float(np.mean(losses))


def second_half(whole: Values, first: Values, images: Float[np.ndarray, " n"]) -> Values:
    """Return accuracies on the odd images, of those on all and on the even ones."""
    even, odd = (images + 1) // 2, images // 2
    return np.asarray((whole * images - first * even) / odd)


def ceiling(even: tuple[Values, Values], odd: tuple[Values, Values]) -> float:
    """Return the highest Spearman that noise leaves to a perfect scorer.

    Two seeds are compared on different halves of the test images, both ways; Spearman–Brown
    raises the mean to the label used, the mean of both seeds on all images; the square root is
    what the truth itself would reach against that label.

    Args:
        even: accuracies on the even test images, of seed 0 and seed 1.
        odd: the same on the odd ones.
    """
    r = (spearman(even[0], odd[1]) + spearman(odd[0], even[1])) / 2
    return math.sqrt(2 * r / (1 + r)) if r > 0 else 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Interval:
    """A mean over datasets, and where 95 % of resampled means lie."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]"


def bootstrap(values: Float[np.ndarray, " d"], *, draws: int = 10_000, seed: int = 0) -> Interval:
    """Return the mean over datasets with its percentile bootstrap interval."""
    if len(values) == 0:
        raise InvalidData("a mean over datasets must have at least one, but got none")
    rows = np.random.default_rng(seed).integers(len(values), size=(draws, len(values)))
    low, high = np.quantile(values[rows].mean(1), (0.025, 0.975))
    return Interval(mean=float(values.mean()), low=float(low), high=float(high))


def sign_flip(differences: Float[np.ndarray, " d"]) -> float:
    """Return the exact two-sided p of a mean difference of 0, over all 2^d patterns of signs.

    Raises:
        InvalidData: there are no datasets, or too many to enumerate (over 20).
    """
    d = len(differences)
    if not 1 <= d <= 20:
        raise InvalidData(f"1 to 20 datasets must be compared, but got {d}")
    signs = np.array(list(product((-1.0, 1.0), repeat=d)))
    sums = np.abs(signs @ differences)
    return float((sums >= abs(differences.sum()) - 1e-12).mean())
