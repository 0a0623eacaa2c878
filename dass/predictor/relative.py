"""Relative features: a student's size and shape as fractions of its teacher's.

Fractions mean the same in every space and at every resolution, so that what is learned of one
family's students may be said of another's. Knows nothing of weights or labels.

Dimension letters: n students, f features, s stages, b block slots.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from dass.predictor.ood import Statistics
from dass.space.architecture import Architecture
from dass.space.space import Space

STAGES = 4
"""Stages that features tell apart; a space with fewer repeats its last."""


def feature_names() -> tuple[str, ...]:
    """Return what each feature is, in order."""
    each = ("depth", "mean width", "least width", "last width")
    stages = [f"{what} of stage {i}" for i in range(1, STAGES + 1) for what in each]
    return ("FLOPs", "parameters", "stem width", *stages)


def student_inputs(
    space: Space, architectures: Sequence[Architecture], statistics: Statistics
) -> Float[Tensor, "n d"]:
    """Return relative features, and after them what `ood.statistics` tells of the teacher.

    The same for all of a teacher's students, the latter say which teachers are alike: how much
    size matters differs between them.
    """
    features = relative_features(space, architectures)
    told = torch.tensor(statistics, dtype=features.dtype)
    return torch.cat([features, told.expand(len(features), -1)], 1)


def relative_features(space: Space, architectures: Sequence[Architecture]) -> Float[Tensor, "n f"]:
    """Return logarithms of a student's size and shape over its teacher's.

    FLOPs, parameters, width of the stem; of every stage the number of blocks and their mean, least
    and last width. Where blocks add to a stream, mean and least are of what they have inside, and
    the last is the stream, as the stem's is the first stream.
    """
    own, (whole,) = _raw(space, architectures), _raw(space, [space.largest])
    return torch.from_numpy(np.log(own) - np.log(whole))


def _raw(space: Space, architectures: Sequence[Architecture]) -> Float[np.ndarray, "n f"]:
    shapes = space.shapes(space.encode(architectures).double())
    widths, outer = (channels.numpy() for channels in shapes)  # n s b, 0 where there is no block
    there = widths > 0
    depth = there.sum(2)
    last = np.take_along_axis(outer, depth[:, :, None] - 1, axis=2)[:, :, 0]
    least = np.where(there, widths, np.inf).min(2)
    stages = np.stack([depth, widths.sum(2) / depth, least, last], axis=2)
    padded = stages[:, np.minimum(np.arange(STAGES), space.num_stages - 1)]
    size = np.stack(
        [
            space.flops(architectures),
            space.parameters(architectures, num_classes=0),
            outer[:, 0, 0],
        ],
        axis=1,
    )
    return np.concatenate([size, padded.reshape(len(widths), STAGES * padded.shape[2])], axis=1)
