"""How certain a mean over datasets is: bootstrap intervals and exact sign-flip tests.

Knows nothing of what was measured.

Dimension letter: d datasets.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import stats

from dass.errors import InvalidData


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
    if len(values) == 1:  # scipy asks for two
        return Interval(mean=float(values[0]), low=float(values[0]), high=float(values[0]))
    low, high = stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=draws,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Interval(mean=float(values.mean()), low=float(low), high=float(high))


def sign_flip(differences: Float[np.ndarray, " d"]) -> float:
    """Return the exact two-sided p of a mean difference of 0, over all 2^d patterns of signs.

    Raises:
        InvalidData: there are no datasets, or too many to enumerate (over 20).
    """
    d = len(differences)
    if not 1 <= d <= 20:
        raise InvalidData(f"1 to 20 datasets must be compared, but got {d}")
    if d == 1:  # either sign is as far from 0; scipy asks for two
        return 1.0
    found = stats.permutation_test(
        (differences,),
        np.mean,
        vectorized=True,
        permutation_type="samples",
        n_resamples=np.inf,
    )
    return float(found.pvalue)
