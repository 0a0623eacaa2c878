"""What every space has: members to draw, to check, to describe and to price.

A space is integer arithmetic on widths. This file knows nothing of how its members are built, of
weights, images or training.

Dimension letters: n architectures, s stages, b block slots per stage, d = code length.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from dass.errors import InfeasibleBudget, InvalidArchitecture, InvalidConfig
from dass.space.architecture import Architecture
from dass.space.cost import Budget


class Stem(NamedTuple):
    """What an image meets first: a convolution and, where `pool`, a 3×3 max-pool of stride 2."""

    kernel: int
    stride: int
    pool: bool = False


class Shapes(NamedTuple):
    """Channels of students' blocks, 0 where there is none."""

    inner: Float[Tensor, "*n s b"]
    """Put out by a block's first convolution."""
    outer: Float[Tensor, "*n s b"]
    """Put out by the block."""


@dataclass(frozen=True, kw_only=True)
class Space(ABC):
    """A family of slimmed, shortened ResNets below one largest member, the teacher's shape."""

    name: str
    """Goes into every record and predictor: a label holds in one space only."""
    stage_widths: tuple[int, ...]
    """Channels of the largest member, per stage."""
    strides: tuple[int, ...]
    """Stride of each stage's first block."""
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

    @property
    def num_stages(self) -> int:
        """Number of stages s."""
        return len(self.stage_widths)

    @property
    @abstractmethod
    def stem(self) -> Stem:
        """What an image meets first."""

    @property
    @abstractmethod
    def depths(self) -> tuple[int, ...]:
        """Most blocks of each stage."""

    @property
    @abstractmethod
    def options(self) -> Int64[np.ndarray, "s options"]:
        """Widths that a block of each stage may have, ascending."""

    @property
    @abstractmethod
    def largest(self) -> Architecture:
        """The teacher's architecture: every block there, every block full."""

    @property
    @abstractmethod
    def smallest(self) -> Architecture:
        """One block per stage, each as narrow as allowed: the cheapest member by any cost."""

    @property
    @abstractmethod
    def shallowest(self) -> list[Architecture]:
        """Members of one block per stage, the smallest first: the fastest is sought in them."""

    @property
    @abstractmethod
    def encoding_length(self) -> int:
        """Length d of an encoding: one-hot slots and the relative FLOPs."""

    def sides(self, size: int) -> list[int]:
        """Return the height of an image after the stem's convolution and after each stage."""
        side = -(-size // self.stem.stride)
        sides = [side]
        side = -(-side // 2) if self.stem.pool else side
        for stride in self.strides:
            side = -(-side // stride)
            sides.append(side)
        return sides

    @property
    def feature_map_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of a network's embedding."""
        side = self.sides(self.noise_size)[-1]
        return self.stage_widths[-1], side, side

    # --- members ---------------------------------------------------------------------------

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

    @abstractmethod
    def _violation(self, architecture: Architecture) -> str | None:
        """Return the rule that an architecture breaks, if it breaks one."""

    @abstractmethod
    def sample(self, number: int, *, generator: torch.Generator) -> list[Architecture]:
        """Draw members: uniform depth per stage, then uniform widths (may repeat)."""

    @abstractmethod
    def spread(self, number: int, *, generator: torch.Generator) -> list[Architecture]:
        """Draw members whose stages lean, each member to its own degree, to small or large."""

    @abstractmethod
    def mutate(
        self, parent: Architecture, *, rate: float = 0.1, generator: torch.Generator
    ) -> Architecture:
        """Change each depth and each width with probability `rate`, and at least one of them.

        A stage that grows gets blocks of random width; one that shrinks loses its last blocks.
        """

    @abstractmethod
    def crossover(
        self, first: Architecture, second: Architecture, *, generator: torch.Generator
    ) -> Architecture:
        """Take each stage whole from one of two parents, at random."""

    @abstractmethod
    def neighbours(self, member: Architecture) -> list[Architecture]:
        """Return the members one step away: one width changed, a last block more or fewer.

        By such steps, each to a member of no lower cost, all are reached from the smallest.
        """

    # --- what members look like and cost ---------------------------------------------------

    @abstractmethod
    def encode(self, architectures: Sequence[Architecture]) -> Float[Tensor, "n d"]:
        """Describe architectures: one-hot widths per slot, then FLOPs over the teacher's."""

    @abstractmethod
    def shapes(self, encodings: Float[Tensor, "*n d"]) -> Shapes:
        """Read channels back from encodings."""

    @abstractmethod
    def flops(
        self, architectures: Sequence[Architecture], *, num_classes: int = 0
    ) -> Int64[np.ndarray, " n"]:
        """Count multiply-adds of one forward pass at the space's image size.

        Convolutions and the classifier count; batch norms, poolings and additions do not.
        Without `num_classes` the classifier is left out, and the cost is the architecture's alone.
        """

    @abstractmethod
    def parameters(
        self, architectures: Sequence[Architecture], *, num_classes: int
    ) -> Int64[np.ndarray, " n"]:
        """Count trainable parameters: convolutions, batch norms and the classifier."""

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
        if budget.max_latency_ms is not None:
            found = self._milliseconds(architectures, budget, num_classes=num_classes)
            kept &= found <= budget.max_latency_ms
        return [a for a, keep in zip(architectures, kept.tolist(), strict=True) if keep]

    def _milliseconds(
        self, architectures: Sequence[Architecture], budget: Budget, *, num_classes: int
    ) -> Float[np.ndarray, " n"]:
        assert budget.latency is not None, "a limit has a table"
        if budget.latency.space != self.name:
            raise InvalidConfig(
                f"a latency table must be of the space that is searched, {self.name!r}, but that "
                f"of {budget.latency.device!r} is of {budget.latency.space!r}; measure this space "
                "with `dass latency`"
            )
        return budget.latency.milliseconds(architectures, num_classes=num_classes)

    def check_budget(self, budget: Budget, *, num_classes: int) -> None:
        """Raise unless the cheapest member fits.

        Raises:
            InfeasibleBudget: states what the cheapest student costs.
            InvalidConfig: the budget's latency table is of another space.
        """
        few = self.shallowest if budget.max_latency_ms is not None else [self.smallest]
        if self.within(few, budget, num_classes=num_classes):
            return
        flops = int(self.flops([self.smallest], num_classes=num_classes)[0])
        parameters = int(self.parameters([self.smallest], num_classes=num_classes)[0])
        raise InfeasibleBudget(
            f"the budget must allow the cheapest student of space {self.name!r}, "
            f"{self.smallest} with {flops:,} FLOPs and {parameters:,} parameters, "
            f"but got max_flops={budget.max_flops} and max_parameters={budget.max_parameters}"
            + self._fastest(few, budget, num_classes=num_classes)
        )

    def _fastest(self, few: Sequence[Architecture], budget: Budget, *, num_classes: int) -> str:
        """Say how fast the fastest member is, where time is limited."""
        if budget.max_latency_ms is None:
            return ""
        assert budget.latency is not None, "a limit has a table"
        found = self._milliseconds(few, budget, num_classes=num_classes)
        best = int(found.argmin())
        return (
            f" and max_latency_ms={budget.max_latency_ms:g}: the fastest student, {few[best]}, "
            f"takes {found[best]:.3g} ms on {budget.latency.device!r}"
        )
