"""The pool: architectures that every task labels, spread evenly over the FLOPs axis.

Sharing them over tasks is what makes "mean rank over other tasks" a baseline. Knows nothing of
tasks or labels.
"""

from __future__ import annotations

import numpy as np
import torch

from dass.errors import InvalidConfig
from dass.space.architecture import Architecture
from dass.space.space import Space


def stratified(space: Space, number: int, *, seed: int, strata: int = 8) -> list[Architecture]:
    """Draw distinct members stratified by FLOPs, in a fixed shuffled order.

    The FLOPs axis from the smallest to the largest member is cut into `strata` bands of
    equal width, and the bands are filled in turn as far as they have members; a plain
    `sample` would leave both ends all but empty. Any prefix of the pool is stratified too,
    and the pool of a larger number starts with the pool of a smaller one.
    """
    generator = torch.Generator().manual_seed(seed)
    low, high = space.flops([space.smallest, space.largest])
    bands: list[list[Architecture]] = [[] for _ in range(strata)]
    candidates = dict.fromkeys(_spread(space, generator))
    costs = space.flops(list(candidates))
    positions = np.minimum((costs - low) * strata // (high - low), strata - 1)
    for architecture, position in zip(candidates, positions.tolist(), strict=True):
        bands[position].append(architecture)
    pool: list[Architecture] = []
    while len(pool) < number:
        drawn = [band.pop() for band in bands if band]
        if not drawn:
            raise InvalidConfig(
                f"a pool of space {space.name!r} can hold {len(pool)} architectures at most, "
                f"but {number} were asked for"
            )
        order = torch.randperm(len(drawn), generator=generator).tolist()
        pool += [drawn[i] for i in order]
    return pool[:number]


def _spread(space: Space, generator: torch.Generator) -> list[Architecture]:
    candidates = space.spread(4000, generator=generator)
    order = torch.randperm(len(candidates), generator=generator).tolist()
    return [candidates[i] for i in order]
