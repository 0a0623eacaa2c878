"""What a contest of chosen students is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from dass.errors import InvalidConfig
from dass.searching.evolution_config import SearchConfig
from dass.space.cost import BUDGETS

Plain = Literal["largest in budget", "slimmed alike", "random"]
"""A way to choose a student without a predictor."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ContestConfig:
    """Within which budgets, how they are searched, and how often each choice is trained."""

    fractions: tuple[float, ...] = BUDGETS
    """Budgets, as fractions of the teacher's FLOPs; in (0, 1]."""
    beside: tuple[Plain, ...] = ("largest in budget", "random")
    """Plain choices that compete with the searched student."""
    seeds: int = 3
    """Trainings of each choice; >= 1."""
    search: SearchConfig = field(default_factory=SearchConfig)
    """How to search; the random choice is the first member that its seed draws."""

    def __post_init__(self) -> None:
        if self.seeds < 1 or not self.fractions:
            raise InvalidConfig(
                "`seeds >= 1` and at least one of `fractions` must hold, but got "
                f"{self.seeds} and {self.fractions}"
            )
