"""Describe: how large a student is and how deep and wide its stages are, in a few numbers.

A one-hot encoding says all and teaches little: from a few hundred labels a predictor does not
learn how deep and how wide a stage is; it must be told. A pure function of the encoding, and our
addition to what the published predictor reads (docs/log.md has what it brought).

Dimension letters: n students, d code length, f numbers, s stages, b blocks.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

from dass.space.space import Shapes, Space

REFERENCE_MEMBERS = 1000
"""Uniform draws by whose mean and std features are standardised."""


def num_features(space: Space) -> int:
    """Return how many features there are for a student."""
    return 4 * space.num_stages + 3


@torch.no_grad()
def student_features(space: Space, encodings: Float[Tensor, "*n d"]) -> Float[Tensor, "*n f"]:
    """Return size and shape of students, standardised over the space.

    Logarithms of FLOPs, parameters and the stem's width; of every stage the depth and the
    logarithms of its mean, smallest and last width. Where blocks add to a stream, mean and
    smallest are of what they have inside, and the last is the stream.

    Args:
        space: whose members they are.
        encodings: what `Space.encode` returned for them.
    """
    mean, std = (value.to(encodings.device) for value in _reference(space))
    return (_raw(space, encodings) - mean) / std


@lru_cache(maxsize=8)
def _reference(space: Space) -> tuple[Float[Tensor, " f"], Float[Tensor, " f"]]:
    generator = torch.Generator().manual_seed(0)
    members = space.sample(REFERENCE_MEMBERS, generator=generator)
    raw = _raw(space, space.encode(members))
    std = raw.std(0)
    # What all members share (the last stage's last width) is zero, not a division by it.
    return raw.mean(0), torch.where(std > 1e-6, std, 1.0)


def _raw(space: Space, encodings: Float[Tensor, "*n d"]) -> Float[Tensor, "*n f"]:
    shapes = space.shapes(encodings)  # *n s b, 0 where there is no block
    widths, there = shapes.inner, shapes.inner > 0
    depth = there.sum(-1)
    last = shapes.outer.gather(-1, (depth - 1).unsqueeze(-1)).squeeze(-1)
    least = widths.masked_fill(~there, float("inf")).amin(-1)
    stages = torch.stack(
        [depth.to(encodings.dtype), (widths.sum(-1) / depth).log(), least.log(), last.log()],
        dim=-1,
    )
    size = torch.stack(
        [encodings[..., -1].log(), _weights(shapes).log(), shapes.outer[..., 0, 0].log()], -1
    )
    return torch.cat([size, stages.flatten(-2)], dim=-1)


def _weights(shapes: Shapes) -> Float[Tensor, "*n"]:
    """Count the weights of all blocks' 3×3 convolutions."""
    total = torch.zeros_like(shapes.inner[..., 0, 0])
    before = shapes.outer[..., 0, 0]
    blocks = (channels.flatten(-2).unbind(-1) for channels in shapes)
    for inner, outer in zip(*blocks, strict=True):
        total = total + 9 * (before + outer) * inner
        before = torch.where(outer > 0, outer, before)
    return total
