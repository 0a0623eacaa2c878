"""How wide an interval of a stated level is: the one home of that number.

Labels are taken as normal around the prediction; calibration makes the standard deviation such
that intervals of this level hold. Knows nothing of predictors.
"""

from __future__ import annotations

from statistics import NormalDist

from dass.errors import InvalidConfig

LEVEL = 0.9
"""Fraction of labels that an interval is to hold, wherever one is shown, fitted or checked."""


def half_width(level: float = LEVEL) -> float:
    """Return half the width of an interval, in standard deviations: 1.645 at 90 %.

    Raises:
        InvalidConfig: the level is not between 0 and 1.
    """
    if not 0 < level < 1:
        raise InvalidConfig(f"`0 < level < 1` must hold for an interval, but got {level}")
    return NormalDist().inv_cdf((1 + level) / 2)
