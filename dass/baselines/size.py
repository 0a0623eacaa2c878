"""Scorers that read a student's size and nothing else.

Knows nothing of records.

Dimension letter: n architectures.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from dass.networks.teacher import Teacher
from dass.predictor.records import Measured
from dass.predictor.scorer import Scores
from dass.space.architecture import Architecture


class ByParameters:
    """More parameters, better student."""

    def predict(
        self,
        teacher: Teacher,
        architectures: Sequence[Architecture],
        *,
        support: Sequence[Measured] = (),
    ) -> Scores:
        """Return the numbers of parameters."""
        classes = teacher.network.num_classes
        space = teacher.network.space
        return Scores(
            torch.from_numpy(space.parameters(architectures, num_classes=classes)).double()
        )


class ByFlops:
    """More multiply-adds, better student."""

    def predict(
        self,
        teacher: Teacher,
        architectures: Sequence[Architecture],
        *,
        support: Sequence[Measured] = (),
    ) -> Scores:
        """Return the multiply-adds."""
        return Scores(torch.from_numpy(teacher.network.space.flops(architectures)).double())


class ByDepth:
    """More blocks, better student."""

    def predict(
        self,
        teacher: Teacher,
        architectures: Sequence[Architecture],
        *,
        support: Sequence[Measured] = (),
    ) -> Scores:
        """Return the numbers of blocks."""
        return Scores(torch.tensor([float(a.depth) for a in architectures], dtype=torch.float64))
