"""How one would choose a student without a predictor: the largest, one slimmed alike, or any.

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
from dass.space.space import Space

PLAIN = ("largest in budget", "slimmed alike", "random")
"""What the choices are called."""

DRAWS = 500
"""Members drawn until one fits; where none does, a cheapest one is taken."""


def chosen_plainly(
    kind: str, teacher: Teacher, budget: Budget, *, config: SearchConfig
) -> Architecture:
    """Return a choice by its name, one of `PLAIN`; `config` is that of the search beside it.

    Raises:
        InfeasibleBudget: not even the cheapest student fits; says what that one costs.
    """
    if kind == "largest in budget":
        return largest_in_budget(teacher, budget, config=config)
    if kind == "slimmed alike":
        return uniform_in_budget(teacher, budget)
    assert kind == "random", f"a plain choice is one of {PLAIN}, not {kind!r}"
    return random_in_budget(teacher, budget, seed=config.seed)


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
    return fitting[0] if fitting else _cheap(teacher, budget)


def uniform_in_budget(teacher: Teacher, budget: Budget) -> Architecture:
    """Return the largest member in the budget whose stages are all slimmed alike.

    At the teacher's depth where one fits, else as many blocks less in each stage as are needed.

    Raises:
        InfeasibleBudget: not even the cheapest student fits; says what that one costs.
    """
    space, classes = teacher.network.space, teacher.network.num_classes
    space.check_budget(budget, num_classes=classes)
    for less in range(max(space.depths)):
        slimmed = [_uniform(space, step, less=less) for step in range(space.options.shape[1])]
        fitting = space.within(slimmed, budget, num_classes=classes)
        if fitting:
            return fitting[-1]
    return _cheap(teacher, budget)


def _cheap(teacher: Teacher, budget: Budget) -> Architecture:
    """Return the member of least FLOPs or, where it is too slow, a fast one."""
    space, classes = teacher.network.space, teacher.network.num_classes
    cheap = [space.smallest, *space.shallowest]
    return (space.within(cheap, budget, num_classes=classes) or cheap)[0]


def _uniform(space: Space, step: int, *, less: int) -> Architecture:
    """Return the member whose widths are all the same step of the options of their stage."""
    widths = [int(width) for width in space.options[:, step]]
    depths = [max(1, depth - less) for depth in space.depths]
    stages = [[width] * depth for width, depth in zip(widths, depths, strict=True)]
    if not space.largest.streams:
        stages[-1][-1] = space.stage_widths[-1]  # the classifier is inherited whole
    streams = tuple(widths) if space.largest.streams else ()
    return Architecture(tuple(map(tuple, stages)), streams)
