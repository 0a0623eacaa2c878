"""The published kind of space: each block has a width of its own, shortcuts have no parameters.

Knows nothing of weights, images or training.

Dimension letters: n architectures, s stages, b block slots per stage, d = code length.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from dass.errors import InvalidConfig
from dass.space.architecture import Architecture
from dass.space.space import Shapes, Space, Stem


@dataclass(frozen=True, kw_only=True)
class PublishedSpace(Space):
    """Slimmed, shortened ResNets with shortcuts that pool, then crop or pad channels.

    A member has 1 to `depth` BasicBlocks per stage; each block has one of `options` times its
    stage's width; the last block of all keeps the full width, so that the teacher's classifier
    fits. The stem is a 3×3 convolution as wide as the first block; shortcuts have no parameters.
    """

    depth: int
    """Most blocks per stage; at least 1."""
    multipliers: tuple[float, ...]
    """Width multipliers in ascending order, the last one 1."""
    stem_stride: int
    """Stride of the stem."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.multipliers[-1] != 1 or list(self.multipliers) != sorted(set(self.multipliers)):
            raise InvalidConfig(f"multipliers must ascend to 1, but got {self.multipliers}")
        for width in self.stage_widths:
            if any(width * multiplier % 1 for multiplier in self.multipliers):
                raise InvalidConfig(f"every multiplier of {width} channels must be a whole number")

    @property
    def stem(self) -> Stem:
        """A 3×3 convolution."""
        return Stem(3, self.stem_stride)

    @property
    def depths(self) -> tuple[int, ...]:
        """Most blocks of each stage."""
        return (self.depth,) * self.num_stages

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

    @cached_property
    def shallowest(self) -> list[Architecture]:
        """All members of one block per stage: a wider block may spare the shortcut its widening.

        Ascending in widths, the smallest first.
        """
        *free, _ = self.options.tolist()
        return [
            Architecture((*((width,) for width in widths), (self.stage_widths[-1],)))
            for widths in itertools.product(*free)
        ]

    @property
    def encoding_length(self) -> int:
        """Length d of an encoding: one-hot slots and the relative FLOPs."""
        return self.num_stages * self.depth * len(self.multipliers) + 1

    def _violation(self, architecture: Architecture) -> str | None:
        stages = architecture.widths
        if architecture.streams:
            return "there must be block widths alone, no streams,"
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

    def spread(self, number: int, *, generator: torch.Generator) -> list[Architecture]:
        """Draw members whose stages lean, each member to its own degree, to small or large."""
        lean = torch.linspace(0, 1, number)[:, None, None]
        shape = (number, self.num_stages, self.depth + 1)
        draws = torch.rand(shape, generator=generator) + 2 * lean - 0.5
        draws = draws.clamp(0, 0.999)
        depths = 1 + (draws[..., -1] * self.depth).long()
        picks = (draws[..., :-1] * len(self.multipliers)).long()
        options = self.options.tolist()
        return [
            self.with_full_end(
                [tuple(options[i][k] for k in row[:d]) for i, (row, d) in enumerate(stages)]
            )
            for stages in (
                list(zip(rows, ds, strict=True))
                for rows, ds in zip(picks.tolist(), depths.tolist(), strict=True)
            )
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

    def neighbours(self, member: Architecture) -> list[Architecture]:
        """Return the members one step away: one width changed, a last block more or fewer."""
        found: dict[Architecture, None] = {}
        for index, stage in enumerate(member.widths):
            options = self.options[index].tolist()
            changed = [
                (*stage[:slot], width, *stage[slot + 1 :])
                for slot in range(len(stage))
                for width in options
            ]
            if len(stage) < self.depth:
                changed += [(*stage, width) for width in options]
                changed += [(*stage[:-1], width, stage[-1]) for width in options]
            if len(stage) > 1:
                changed.append(stage[:-1])
            for new in changed:
                stages = [*member.widths[:index], new, *member.widths[index + 1 :]]
                found[self.with_full_end(stages)] = None
        found.pop(member, None)
        return list(found)

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

    def shapes(self, encodings: Float[Tensor, "*n d"]) -> Shapes:
        """Read channels back from encodings: a block puts out what it has inside."""
        full, multipliers = (
            torch.tensor(values, device=encodings.device, dtype=encodings.dtype)
            for values in (self.stage_widths, self.multipliers)
        )
        slots = encodings[..., :-1].reshape(
            *encodings.shape[:-1], self.num_stages, self.depth, len(self.multipliers)
        )
        widths = slots @ multipliers * full[:, None]
        return Shapes(widths, widths)

    def flops(
        self, architectures: Sequence[Architecture], *, num_classes: int = 0
    ) -> Int64[np.ndarray, " n"]:
        """Count multiply-adds of one forward pass at the space's image size.

        Convolutions and the classifier count; batch norms, poolings and additions do not.
        Without `num_classes` the classifier is left out, and the cost is the architecture's alone.
        """
        widths = self.table(architectures)
        first, *sides = self.sides(self.image_size)
        before = widths[:, 0, 0]
        total = 9 * 3 * before * first**2
        for stage, side in enumerate(sides):
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
