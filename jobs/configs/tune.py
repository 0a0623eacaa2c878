"""What `jobs.tune` is told: what is tried, how often, and what is kept."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from dass.errors import InvalidConfig
from jobs.configs.train import TrainConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class TuneConfig:
    """What is tried, how often, and what is kept."""

    train: TrainConfig
    """Where the records are, the name to publish under, and all that is not tuned."""
    trials: int = 16
    """Settings tried; >= 1."""
    keep: int = 3
    """Best trials that make the published ensemble; >= 1."""
    reduction: int = 3
    """Of n trials that reach a rung, n / reduction go on; >= 2."""
    cpus_per_trial: float = 1.0
    """Cores of a trial; > 0."""
    scales: tuple[str, ...] = ("percent", "fraction", "relative")
    """Units of the targets to try."""
    listwise_weights: tuple[float, ...] = (0.0, 0.3, 1.0)
    """Weights of the ranking loss to try."""
    learning_rates: tuple[float, float] = (1e-4, 2e-3)
    """Range of Adam's step size, drawn log-uniformly."""
    weight_decays: tuple[float, ...] = (0.0, 1e-3, 1e-1)
    """Decoupled L2 penalties to try."""
    seed: int = 0
    """Seed of the proposals."""

    def __post_init__(self) -> None:
        rules = {
            "trials >= 1": self.trials >= 1,
            "1 <= keep <= trials": 1 <= self.keep <= self.trials,
            "reduction >= 2": self.reduction >= 2,
            "cpus_per_trial > 0": self.cpus_per_trial > 0,
            "0 < learning_rates[0] < learning_rates[1]": 0
            < self.learning_rates[0]
            < self.learning_rates[1],
        }
        for rule, holds in rules.items():
            if not holds:
                raise InvalidConfig(f"`{rule}` must hold for tuning, but got {self}")

    @property
    def name(self) -> str:
        """Identity of the search: equal settings go on where they were."""
        text = json.dumps(asdict(self), sort_keys=True, default=str)
        return f"{self.train.name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
