"""How one would choose a student without a predictor: the largest that fits, or any.

What a search competes with. Knows nothing of training.
"""

from __future__ import annotations

import torch

from dass.baselines.size import ByFlops
from dass.networks.teacher import Teacher
from dass.searching.evolution import run
from dass.searching.evolution_config import SearchConfig
from dass.space.architecture import Architecture
from dass.space.cost import Budget

DRAWS = 500
"""Members drawn until one fits; where none does, the smallest member is taken."""


def largest_in_budget(teacher: Teacher, budget: Budget, *, config: SearchConfig) -> Architecture:
    """Return the member with the most multiply-adds that a search finds in the budget.

    Args:
        teacher: whose students are sought.
        budget: what a student may cost.
        config: how to search; the same as for the predictor, so that both see as many.

    Raises:
        InfeasibleBudget: not even the cheapest student fits; says what that one costs.
    """
    return run(ByFlops(), teacher, budget, config=config).top[0].architecture


def random_in_budget(teacher: Teacher, budget: Budget, *, seed: int) -> Architecture:
    """Return the first member that a seed draws and the budget allows."""
    space = teacher.network.space
    drawn = space.sample(DRAWS, generator=torch.Generator().manual_seed(seed))
    fitting = space.within(drawn, budget, num_classes=teacher.network.num_classes)
    return fitting[0] if fitting else space.smallest
