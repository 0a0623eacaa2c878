"""What `jobs.prepare` is told: what goes into the store."""

from __future__ import annotations

from dataclasses import dataclass

from dass.registry.zoo_root import ROOT
from jobs.configs.build import BuildConfig, SplitPlan
from jobs.configs.train import TrainConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class PrepareConfig:
    """What goes into the store."""

    store: str
    """A local folder."""
    zoo: str = str(ROOT)
    """Folder of shipped predictors and teachers, laid out as a store; it may be absent."""
    predictor: str = "predictor"
    """Name of the predictor that is served."""
    teacher: str = "digits"
    """Name of the digits teacher."""
    build: BuildConfig
    """What the predictor is meta-trained on where none is shipped."""
    small_build: BuildConfig
    """How a digits teacher of space small is trained."""
    train: TrainConfig
    """How it is meta-trained."""
    digits: SplitPlan
    """Images of the digits teacher."""
