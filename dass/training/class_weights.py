"""Weights of classes, so that rare ones count as much as frequent ones. Knows nothing of losses.

Letters in shapes: n images.
"""

from __future__ import annotations

import torch
from jaxtyping import Int64
from torch import Tensor

from dass.errors import InvalidConfig


def balancing_weights(labels: Int64[Tensor, " n"], *, classes: int) -> tuple[float, ...]:
    """Return weights inversely proportional to the frequency of a class; their mean over images
    is 1, and each class weighs the same in all.

    Raises:
        InvalidConfig: a class has no image.
    """
    counts = torch.bincount(labels.cpu(), minlength=classes)
    if int(counts.min()) == 0:
        raise InvalidConfig(
            f"every class must have an image to be weighed by their number, but class "
            f"{int(counts.argmin())} of {classes} has none: leave it out"
        )
    weights = len(labels) / (classes * counts.double())
    return tuple(float(weight) for weight in weights)
