"""How a predictor is meta-trained, as a value. Knows nothing of who trains it."""

from __future__ import annotations

from dataclasses import dataclass

from dass.errors import InvalidConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class MetaConfig:
    """How a predictor is meta-trained. The defaults are the published ones."""

    episodes: int = 1000
    """Outer steps; >= 1."""
    tasks: int = 8
    """Teachers per step; >= 1 (fewer where there are fewer)."""
    queries: int = 50
    """Students per teacher and step; >= 2 (fewer where a teacher has fewer)."""
    learning_rate: float = 5e-4
    """Adam's outer step size; > 0."""
    listwise_weight: float = 0.0
    """Weight of a listwise ranking loss beside the squared error; >= 0. Published: none."""
    weight_decay: float = 0.0
    """Decoupled L2 penalty; >= 0."""
    extra_support: int = 0
    """Most measured students that join the teacher in the support; >= 0. Each step draws how many,
    so that one predictor serves with any number up to this."""
    validate_every: int = 20
    """Episodes between two looks at the validation teachers; >= 1."""
    seed: int = 0
    """Seed of initial weights and sampling."""

    def __post_init__(self) -> None:
        rules = {
            "episodes >= 1": self.episodes >= 1,
            "tasks >= 1": self.tasks >= 1,
            "queries >= 2": self.queries >= 2,
            "learning_rate > 0": self.learning_rate > 0,
            "listwise_weight >= 0": self.listwise_weight >= 0,
            "weight_decay >= 0": self.weight_decay >= 0,
            "extra_support >= 0": self.extra_support >= 0,
            "validate_every >= 1": self.validate_every >= 1,
        }
        for rule, holds in rules.items():
            if not holds:
                raise InvalidConfig(f"`{rule}` must hold for meta-training, but got {self}")
