"""How good a classifier is, as a whole and class by class: accuracy, its interval, recall.

Knows nothing of networks: it is given predicted classes.

Letters in shapes: n images, k classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Int64
from scipy.stats import binomtest
from torch import Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassScores:
    """How good a classifier is on some images; fractions."""

    accuracy: float
    """Share of all images that are classified correctly."""
    low: float
    """Lower end of its 95 % interval (Wilson)."""
    high: float
    """Upper end."""
    recall: tuple[float | None, ...]
    """Of each class the share that is classified correctly; None of one without an image."""
    images: int
    """Images of all classes."""

    @property
    def balanced(self) -> float:
        """Balanced accuracy: the mean recall, in which every class counts the same."""
        return float(np.mean([share for share in self.recall if share is not None]))

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as values of JSON."""
        return asdict(self) | {"recall": list(self.recall)}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> ClassScores:
        """Read what `to_dict` wrote."""
        return cls(**{**fields, "recall": tuple(fields["recall"])})

    def __str__(self) -> str:
        return f"{100 * self.accuracy:.1f} % ({100 * self.low:.1f} to {100 * self.high:.1f})"


def class_scores(
    predicted: Int64[Tensor, " n"], labels: Int64[Tensor, " n"], *, classes: int
) -> ClassScores:
    """Compare predicted with true classes."""
    right = (predicted == labels).cpu()
    own = labels.cpu()
    ends = binomtest(int(right.sum()), len(right)).proportion_ci(0.95, method="wilson")
    counts = own.bincount(minlength=classes)
    recall = own[right].bincount(minlength=classes) / counts  # 0 / 0 is not a number
    return ClassScores(
        accuracy=int(right.sum()) / len(right),
        low=float(ends.low),
        high=float(ends.high),
        recall=tuple(None if share != share else share for share in recall.tolist()),
        images=len(right),
    )
