"""Spaces derived from torchvision's BasicBlock ResNets: slimmed, shortened members of one.

A member is a plain network of that kind: a stage is a stream of one width, to which each of its
blocks adds what it computes inside with a width of its own. Knows nothing of weights or images.

Dimension letters: n architectures, s stages, b block slots per stage, d = code length, m steps.
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

from dass.space.architecture import Architecture
from dass.space.names import KERNELS, Derived
from dass.space.space import Shapes, Space, Stem

EIGHTHS = tuple(range(2, 9))
"""Widths are these eighths of the teacher's: a quarter to all of it."""

STEMS = dict(zip(KERNELS, (Stem(7, 2, pool=True), Stem(3, 1)), strict=True))
"""torchvision's own, and the one for small images."""


def steps_of(width: int) -> list[int]:
    """Return the widths below and including a teacher's: eighths, rounded up to multiples.

    Of 8 channels where the width is a multiple of 8 and at least 64, else of the largest power of
    two that leaves them distinct and divides the width: runtimes compute whole vectors.
    """
    unit = next(u for u in (8, 4, 2, 1) if width % u == 0 and width >= 8 * u)
    return [-(-width * eighths // (8 * unit)) * unit for eighths in EIGHTHS]


@dataclass(frozen=True, kw_only=True)
class ResidualSpace(Space):
    """Slimmed, shortened members of a torchvision ResNet of BasicBlocks.

    Free are the width of each stage's stream, the number of its blocks and the width inside each.
    The stem is as wide as the first stage; a first block that halves the image has a 1×1
    projection, all other shortcuts are identities. `dass.space.spaces.residual` makes one.
    """

    max_depths: tuple[int, ...]
    """Most blocks of each stage; the first one always stays."""
    stem_kernel: int
    """7: stride 2 and max-pool, as torchvision's. 3: stride 1 and no pool, for small images."""

    def __post_init__(self) -> None:
        super().__post_init__()
        Derived(self.stage_widths, self.max_depths, self.stem_kernel, self.image_size).check()

    @property
    def stem(self) -> Stem:
        """What an image meets first."""
        return STEMS[str(self.stem_kernel)]

    @property
    def depths(self) -> tuple[int, ...]:
        """Most blocks of each stage."""
        return self.max_depths

    @property
    def depth(self) -> int:
        """Most blocks of any stage: slots b."""
        return max(self.max_depths)

    @cached_property
    def options(self) -> Int64[np.ndarray, "s m"]:
        """Widths that a stage's stream may have, and each of its blocks inside; ascending."""
        return np.array([steps_of(width) for width in self.stage_widths])

    @cached_property
    def largest(self) -> Architecture:
        """The teacher's architecture: every block there, every width full."""
        pairs = zip(self.stage_widths, self.max_depths, strict=True)
        return Architecture(tuple((w,) * depth for w, depth in pairs), self.stage_widths)

    @cached_property
    def smallest(self) -> Architecture:
        """One block per stage, each width as narrow as allowed: the cheapest by any cost."""
        narrow = tuple(self.options[:, 0].tolist())
        return Architecture(tuple((width,) for width in narrow), narrow)

    @cached_property
    def shallowest(self) -> list[Architecture]:
        """Members of one block per stage, each stage of one of its three narrowest widths.

        The smallest is not always the fastest, as runtimes compute whole vectors of channels.
        """
        return [
            Architecture(tuple((width,) for width in widths), widths)
            for widths in itertools.product(*self.options[:, :3].tolist())
        ]

    def _violation(self, architecture: Architecture) -> str | None:
        stages, streams = architecture.widths, architecture.streams
        if len(stages) != self.num_stages or len(streams) != self.num_stages:
            return f"there must be {self.num_stages} stages, each headed by its stream's width,"
        rows = zip(stages, streams, self.options.tolist(), self.max_depths, strict=True)
        for number, (stage, stream, options, depth) in enumerate(rows, 1):
            if not 1 <= len(stage) <= depth:
                return f"stage {number} must have 1 to {depth} blocks"
            if not {stream, *stage} <= set(options):
                return f"widths of stage {number} must be among {options}"
        return None

    # --- drawing members -------------------------------------------------------------------

    def sample(self, number: int, *, generator: torch.Generator) -> list[Architecture]:
        """Draw members: uniform depth per stage, then uniform widths (may repeat)."""
        shape = (number, self.num_stages, self.depth + 2)
        return self._members(torch.rand(shape, generator=generator))

    def spread(self, number: int, *, generator: torch.Generator) -> list[Architecture]:
        """Draw members whose stages lean, each member to its own degree, to small or large."""
        lean = torch.linspace(0, 1, number)[:, None, None]
        shape = (number, self.num_stages, self.depth + 2)
        return self._members(torch.rand(shape, generator=generator) + 2 * lean - 0.5)

    def _members(self, draws: Float[Tensor, "n s draws"]) -> list[Architecture]:
        return [
            Architecture(
                tuple(tuple(row[1 : depth + 1]) for row, depth in zip(rows, ds, strict=True)),
                tuple(row[0] for row in rows),
            )
            for rows, ds in zip(*self._read(draws), strict=True)
        ]

    def _read(
        self, draws: Float[Tensor, "n s draws"]
    ) -> tuple[list[list[list[int]]], list[list[int]]]:
        """Read numbers of 0 to 1: per stage the stream and all blocks' widths; and the depths."""
        draws = draws.double().clamp(0, 1 - 1e-9)
        depths = 1 + (draws[..., 0] * torch.tensor(self.max_depths)).long()
        picks = (draws[..., 1:] * len(EIGHTHS)).long()
        widths = torch.from_numpy(self.options).expand(len(draws), -1, -1).gather(2, picks)
        return widths.tolist(), depths.tolist()

    def mutate(
        self, parent: Architecture, *, rate: float = 0.1, generator: torch.Generator
    ) -> Architecture:
        """Change each depth and each width with probability `rate`, and at least one of them.

        A stage that grows gets blocks of random width; one that shrinks loses its last blocks.
        """
        shape = (2, self.num_stages, self.depth + 2)
        while True:
            draws, coins = torch.rand(shape, generator=generator)
            (widths,), (depths,) = self._read(draws[None])
            stages, streams = [], []
            for i, (deep, wide, *slots) in enumerate((coins < rate).tolist()):
                (stream, *blocks), old = widths[i], parent.widths[i]
                kept = [b if new else o for b, o, new in zip(blocks, old, slots, strict=False)]
                depth = depths[i] if deep else len(old)
                stages.append((*kept, *blocks[len(old) :])[:depth])
                streams.append(stream if wide else parent.streams[i])
            child = Architecture(tuple(stages), tuple(streams))
            if child != parent:
                return child

    def crossover(
        self, first: Architecture, second: Architecture, *, generator: torch.Generator
    ) -> Architecture:
        """Take each stage whole, its stream's width too, from one of two parents, at random."""
        coins = torch.randint(2, (self.num_stages,), generator=generator).tolist()
        chosen = [(first, second)[coin] for coin in coins]
        return Architecture(
            tuple(parent.widths[i] for i, parent in enumerate(chosen)),
            tuple(parent.streams[i] for i, parent in enumerate(chosen)),
        )

    def neighbours(self, member: Architecture) -> list[Architecture]:
        """Return the members one step away: one width changed, a last block more or fewer."""
        stages, streams = member.widths, member.streams
        found: dict[Architecture, None] = {}
        for i, (stage, depth) in enumerate(zip(stages, self.max_depths, strict=True)):
            options = tuple(self.options[i].tolist())
            changed = [
                (*stage[:slot], width, *stage[slot + 1 :])
                for slot in range(min(len(stage) + 1, depth))
                for width in options
            ]
            if len(stage) > 1:
                changed.append(stage[:-1])
            for new in changed:
                found[Architecture((*stages[:i], new, *stages[i + 1 :]), streams)] = None
            for width in options:
                wide = (*streams[:i], width, *streams[i + 1 :])
                found[Architecture(stages, wide)] = None
        found.pop(member, None)
        return list(found)

    # --- what members look like and cost ---------------------------------------------------

    def _tables(
        self, architectures: Sequence[Architecture]
    ) -> tuple[Int64[np.ndarray, "n s"], Int64[np.ndarray, "n s b"]]:
        """Lay streams and inner widths out as arrays, 0 where there is no block."""
        blank = (0,) * self.depth
        inner = [[(*stage, *blank)[: self.depth] for stage in a.widths] for a in architectures]
        streams = [a.streams for a in architectures]
        s = self.num_stages
        return (
            np.array(streams, dtype=np.int64).reshape(-1, s),
            np.array(inner, dtype=np.int64).reshape(-1, s, self.depth),
        )

    @cached_property
    def _there(self) -> Tensor:
        """Return which of the slots s × b the teacher has a block in."""
        return torch.arange(self.depth) < torch.tensor(self.max_depths)[:, None]

    @property
    def encoding_length(self) -> int:
        """Length d of an encoding: one-hot widths of streams and blocks, the relative FLOPs."""
        return (self.num_stages + sum(self.max_depths)) * len(EIGHTHS) + 1

    def encode(self, architectures: Sequence[Architecture]) -> Float[Tensor, "n d"]:
        """Describe architectures: one-hot widths of streams, then of blocks, then relative FLOPs.

        Zeros stand where there is no block; slots that the teacher has none in are left out.
        """
        streams, inner = (torch.from_numpy(table) for table in self._tables(architectures))
        options = torch.from_numpy(self.options)
        wide = streams[..., None] == options
        slots = inner[..., None] == options[:, None]
        relative = torch.from_numpy(self.flops(architectures) / self.flops([self.largest]))
        parts = [wide.flatten(1), slots[:, self._there].flatten(1), relative[:, None]]
        return torch.cat([part.float() for part in parts], dim=1)

    def shapes(self, encodings: Float[Tensor, "*n d"]) -> Shapes:
        """Read channels back from encodings."""
        options = torch.from_numpy(self.options).to(encodings)
        one_hot = encodings[..., :-1].reshape(*encodings.shape[:-1], -1, len(EIGHTHS))
        wide, slots = one_hot[..., : self.num_stages, :], one_hot[..., self.num_stages :, :]
        streams = (wide * options).sum(-1)
        rows = options.repeat_interleave(torch.tensor(self.max_depths, device=options.device), 0)
        there = self._there.to(encodings.device)
        inner = encodings.new_zeros(*encodings.shape[:-1], *there.shape)
        inner[..., there] = (slots * rows).sum(-1)
        return Shapes(inner, torch.where(inner > 0, streams[..., None], 0.0))

    def flops(
        self, architectures: Sequence[Architecture], *, num_classes: int = 0
    ) -> Int64[np.ndarray, " n"]:
        """Count multiply-adds of one forward pass at the space's image size.

        Convolutions and the classifier count; batch norms, poolings and additions do not.
        Without `num_classes` the classifier is left out, and the cost is the architecture's alone.
        """
        first, *sides = self.sides(self.image_size)
        stem, stages, last = self._weights(architectures)
        pixels = np.array(sides, dtype=np.int64) ** 2
        return np.asarray(stem * first**2 + stages @ pixels + last * num_classes)

    def parameters(
        self, architectures: Sequence[Architecture], *, num_classes: int
    ) -> Int64[np.ndarray, " n"]:
        """Count trainable parameters: convolutions, batch norms and the classifier."""
        streams, inner = self._tables(architectures)
        stem, stages, last = self._weights(architectures)
        blocks = (inner > 0).sum(2) + (np.array(self.strides) != 1)  # norms as wide as the stream
        norms = 2 * (streams[:, 0] + inner.sum((1, 2)) + (blocks * streams).sum(1))
        return np.asarray(stem + stages.sum(1) + norms + (last + 1) * num_classes)

    def _weights(
        self, architectures: Sequence[Architecture]
    ) -> tuple[Int64[np.ndarray, " n"], Int64[np.ndarray, "n s"], Int64[np.ndarray, " n"]]:
        """Count the weights of the stem's and each stage's convolutions; and the last channels."""
        streams, inner = self._tables(architectures)
        before = np.concatenate([streams[:, :1], streams[:, :-1]], axis=1)
        projected = before * streams * (np.array(self.strides) != 1)
        blocks = 9 * (2 * streams * inner.sum(2) + (before - streams) * inner[..., 0])
        return 3 * self.stem.kernel**2 * streams[:, 0], blocks + projected, streams[:, -1]
