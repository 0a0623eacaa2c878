"""Which networks exist: architectures, the spaces they are drawn from, and what they cost.

Everything here is integer arithmetic on widths. This file knows nothing of weights, images or
training; `network.py` builds what is described here.

Dimension letters: n architectures, s stages, b block slots per stage, d = code length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from dass.errors import InfeasibleBudget, InvalidArchitecture, InvalidConfig
from dass.space.architecture import Architecture
from dass.space.cost import Budget


@dataclass(frozen=True, kw_only=True)
class Space:
    """A family of slimmed, shortened ResNets below one largest member, the teacher's shape.

    A member has 1 to `depth` BasicBlocks per stage; each block has one of `options` times its
    stage's width; the last block of all keeps the full width, so that the teacher's classifier
    fits. The stem is a 3×3 convolution as wide as the first block; shortcuts have no parameters.
    """

    name: str
    """Goes into every record and predictor: a label holds in one space only."""
    stage_widths: tuple[int, ...]
    """Channels of the largest member, per stage."""
    depth: int
    """Most blocks per stage; at least 1."""
    multipliers: tuple[float, ...]
    """Width multipliers in ascending order, the last one 1."""
    strides: tuple[int, ...]
    """Stride of each stage's first block."""
    stem_stride: int
    """Stride of the stem."""
    image_size: int
    """Height and width of the task's images, in pixels."""
    noise_size: int
    """Height and width of the noise that networks are embedded with, in pixels."""

    def __post_init__(self) -> None:
        if len(self.strides) != len(self.stage_widths):
            raise InvalidConfig(
                f"`len(strides) == len(stage_widths)` must hold, but got {len(self.strides)} "
                f"and {len(self.stage_widths)}"
            )
        if self.multipliers[-1] != 1 or list(self.multipliers) != sorted(set(self.multipliers)):
            raise InvalidConfig(f"multipliers must ascend to 1, but got {self.multipliers}")
        for width in self.stage_widths:
            if any(width * multiplier % 1 for multiplier in self.multipliers):
                raise InvalidConfig(f"every multiplier of {width} channels must be a whole number")

    @property
    def num_stages(self) -> int:
        """Number of stages s."""
        return len(self.stage_widths)

    @cached_property
    def options(self) -> Int64[np.ndarray, "s options"]:
        """Widths that a block of each stage may have, ascending."""
        return np.array([[int(w * m) for m in self.multipliers] for w in self.stage_widths])

    @cached_property
    def largest(self) -> Architecture:
        """The teacher's architecture: every block there, every block full."""
        return Architecture(tuple((width,) * self.depth for width in self.stage_widths))

    @cached_property
    def smallest(self) -> Architecture:
        """One block per stage, each as narrow as allowed: the cheapest member by any cost."""
        narrow = [int(row[0]) for row in self.options]
        narrow[-1] = self.stage_widths[-1]
        return Architecture(tuple((width,) for width in narrow))

    @property
    def encoding_length(self) -> int:
        """Length d of an encoding: one-hot slots and the relative FLOPs."""
        return self.num_stages * self.depth * len(self.multipliers) + 1

    @property
    def feature_map_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of a network's embedding."""
        side = -(-self.noise_size // self.stem_stride)
        for stride in self.strides:
            side = -(-side // stride)
        return self.stage_widths[-1], side, side

    def contains(self, architecture: Architecture) -> bool:
        """Return whether the architecture is a member."""
        return self._violation(architecture) is None

    def check(self, architecture: Architecture) -> None:
        """Raise unless the architecture is a member.

        Raises:
            InvalidArchitecture: says which rule is broken and by which block.
        """
        violation = self._violation(architecture)
        if violation is not None:
            raise InvalidArchitecture(
                f"{violation} in a member of space {self.name!r}, "
                f"but got {str(architecture)[:200]}"
            )

    def _violation(self, architecture: Architecture) -> str | None:
        stages = architecture.widths
        if len(stages) != self.num_stages:
            return f"there must be {self.num_stages} stages"
        for number, (stage, options) in enumerate(zip(stages, self.options, strict=True), 1):
            if not 1 <= len(stage) <= self.depth:
                return f"stage {number} must have 1 to {self.depth} blocks"
            if not set(stage) <= set(options.tolist()):
                return f"widths of stage {number} must be among {options.tolist()}"
        if stages[-1][-1] != self.stage_widths[-1]:
            return f"the last block must have {self.stage_widths[-1]} channels"
        return None

    # --- drawing members -------------------------------------------------------------------

    def sample(self, number: int, *, generator: torch.Generator) -> list[Architecture]:
        """Draw members: uniform depth per stage, then uniform width per block (may repeat)."""
        s, choices = self.num_stages, len(self.multipliers)
        depths = torch.randint(1, self.depth + 1, (number, s), generator=generator)
        picks = torch.randint(choices, (number, s, self.depth), generator=generator)
        picks[torch.arange(number), s - 1, depths[:, -1] - 1] = choices - 1
        options = self.options
        widths = np.stack([options[i][picks[:, i].numpy()] for i in range(s)], axis=1).tolist()
        return [
            Architecture(tuple(tuple(row[:d]) for row, d in zip(stages, ds, strict=True)))
            for stages, ds in zip(widths, depths.tolist(), strict=True)
        ]

    def mutate(
        self, parent: Architecture, *, rate: float = 0.1, generator: torch.Generator
    ) -> Architecture:
        """Change each depth and each width with probability `rate`, and at least one of them.

        A stage that grows gets blocks of random width; one that shrinks loses its last blocks.
        """
        while True:
            stages = [
                self._mutate_stage(index, stage, rate=rate, generator=generator)
                for index, stage in enumerate(parent.widths)
            ]
            child = self.with_full_end(stages)
            if child != parent:
                return child

    def _mutate_stage(
        self, index: int, stage: tuple[int, ...], *, rate: float, generator: torch.Generator
    ) -> tuple[int, ...]:
        depth = len(stage)
        draws = torch.rand(self.depth + 1, generator=generator).tolist()
        picks = torch.randint(len(self.multipliers), (self.depth,), generator=generator).tolist()
        if draws[-1] < rate:
            depth = int(torch.randint(1, self.depth + 1, (), generator=generator))
        options = self.options[index]
        return tuple(
            stage[i] if i < len(stage) and draws[i] >= rate else int(options[picks[i]])
            for i in range(depth)
        )

    def crossover(
        self, first: Architecture, second: Architecture, *, generator: torch.Generator
    ) -> Architecture:
        """Take each stage whole from one of two parents, at random."""
        coins = torch.randint(2, (self.num_stages,), generator=generator).tolist()
        parents = (first, second)
        return self.with_full_end([parents[coin].widths[i] for i, coin in enumerate(coins)])

    def with_full_end(self, stages: Sequence[tuple[int, ...]]) -> Architecture:
        """Join stages, the last block of all widened to what the classifier needs."""
        end = (*stages[-1][:-1], self.stage_widths[-1])
        return Architecture((*stages[:-1], end))

    # --- what members look like and cost ---------------------------------------------------

    def table(self, architectures: Sequence[Architecture]) -> Int64[np.ndarray, "n s b"]:
        """Lay widths out as an array with a slot per possible block, 0 where there is none."""
        blank = (0,) * self.depth
        rows = [[(*stage, *blank)[: self.depth] for stage in a.widths] for a in architectures]
        return np.array(rows, dtype=np.int64).reshape(-1, self.num_stages, self.depth)

    def encode(self, architectures: Sequence[Architecture]) -> Float[Tensor, "n d"]:
        """Describe architectures: one-hot width per block slot, then FLOPs over the teacher's.

        Zeros stand where there is no block. The length is the published one (181 in `paper`);
        the layout is reconstructed, since the published code does not build it.
        """
        widths = torch.from_numpy(self.table(architectures))
        options = torch.from_numpy(self.options)
        one_hot = widths.unsqueeze(-1) == options[None, :, None, :]
        relative = self.flops(architectures) / self.flops([self.largest])
        return torch.cat(
            [one_hot.flatten(1).float(), torch.from_numpy(relative).float().unsqueeze(1)], dim=1
        )

    def flops(
        self, architectures: Sequence[Architecture], *, num_classes: int = 0
    ) -> Int64[np.ndarray, " n"]:
        """Count multiply-adds of one forward pass at the space's image size.

        Convolutions and the classifier count; batch norms, poolings and additions do not.
        Without `num_classes` the classifier is left out, and the cost is the architecture's alone.
        """
        widths = self.table(architectures)
        side = -(-self.image_size // self.stem_stride)
        before = widths[:, 0, 0]
        total = 9 * 3 * before * side**2
        for stage, stride in enumerate(self.strides):
            side = -(-side // stride)
            for slot in range(self.depth):
                width = widths[:, stage, slot]
                total = total + 9 * (before * width + width * width) * side**2
                before = np.where(width > 0, width, before)
        return np.asarray(total + before * num_classes)

    def parameters(
        self, architectures: Sequence[Architecture], *, num_classes: int
    ) -> Int64[np.ndarray, " n"]:
        """Count trainable parameters: convolutions, batch norms and the classifier."""
        widths = self.table(architectures)
        before = widths[:, 0, 0]
        total = 9 * 3 * before + 2 * before
        for stage in range(self.num_stages):
            for slot in range(self.depth):
                width = widths[:, stage, slot]
                total = total + 9 * (before * width + width * width) + 4 * width
                before = np.where(width > 0, width, before)
        return np.asarray(total + (before + 1) * num_classes)

    def within(
        self, architectures: Sequence[Architecture], budget: Budget, *, num_classes: int
    ) -> list[Architecture]:
        """Keep those that the budget allows, in the same order."""
        kept = np.ones(len(architectures), dtype=bool)
        if budget.max_flops is not None:
            kept &= self.flops(architectures, num_classes=num_classes) <= budget.max_flops
        if budget.max_parameters is not None:
            kept &= (
                self.parameters(architectures, num_classes=num_classes) <= budget.max_parameters
            )
        return [a for a, keep in zip(architectures, kept.tolist(), strict=True) if keep]

    def check_budget(self, budget: Budget, *, num_classes: int) -> None:
        """Raise unless the cheapest member fits.

        Raises:
            InfeasibleBudget: states what the cheapest student costs.
        """
        if not self.within([self.smallest], budget, num_classes=num_classes):
            flops = int(self.flops([self.smallest], num_classes=num_classes)[0])
            parameters = int(self.parameters([self.smallest], num_classes=num_classes)[0])
            raise InfeasibleBudget(
                f"the budget must allow the cheapest student of space {self.name!r}, "
                f"{self.smallest} with {flops:,} FLOPs and {parameters:,} parameters, "
                f"but got max_flops={budget.max_flops} and max_parameters={budget.max_parameters}"
            )
