"""How a space is searched, as a value. Knows nothing of who searches it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dass.errors import InvalidConfig

Algorithm = Literal["evolution", "random"]


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchConfig:
    """How a space is searched."""

    algorithm: Algorithm = "evolution"
    """Regularised evolution (Real et al., AAAI 2019), or independent draws."""
    candidates: int = 2000
    """Distinct architectures scored; >= 1. A space with fewer in the budget is exhausted."""
    top: int = 5
    """Predictions returned; >= 1."""
    generation: int = 100
    """Architectures scored at once; >= 1."""
    population: int = 200
    """Members that evolution remembers, the oldest leaving first; >= 2."""
    sample: int = 20
    """Members that a parent is the best of; >= 1."""
    mutation_rate: float = 0.1
    """Probability of changing each depth and each width; in (0, 1]."""
    crossover_rate: float = 0.3
    """Probability that a child has two parents; in [0, 1]."""
    seed: int = 0
    """Equal seeds, equal answers."""

    def __post_init__(self) -> None:
        rules = {
            "candidates >= 1": self.candidates >= 1,
            "top >= 1": self.top >= 1,
            "generation >= 1": self.generation >= 1,
            "population >= 2": self.population >= 2,
            "sample >= 1": self.sample >= 1,
            "0 < mutation_rate <= 1": 0 < self.mutation_rate <= 1,
            "0 <= crossover_rate <= 1": 0 <= self.crossover_rate <= 1,
        }
        for rule, holds in rules.items():
            if not holds:
                raise InvalidConfig(f"`{rule}` must hold for a search, but got {self}")
