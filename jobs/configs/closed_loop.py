"""What `jobs.closed_loop` is told: whose students to search, and how often to train them."""

from __future__ import annotations

from dataclasses import dataclass, field

from jobs.configs.build import BuildConfig
from jobs.configs.contest import ContestConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class ClosedLoopConfig:
    """Whose students to search, and how often to train them."""

    build: BuildConfig
    """Store, space, student recipe and workers."""
    predictor: str = "predictor"
    """Predictor in the store."""
    contest: ContestConfig = field(default_factory=ContestConfig)
    """Budgets, search and seeds."""
