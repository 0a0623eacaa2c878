"""Presets of space `paper`: every number is the published one; they want a GPU.

Functions that return whole configs, by the verb that they are for.
"""

from __future__ import annotations

from dass.data.task_config import TaskConfig
from dass.training.recipe import Recipe, published_teacher
from jobs.configs.adopt import AdoptConfig
from jobs.configs.build import BuildConfig, SplitPlan
from jobs.configs.compact import CompactConfig
from jobs.configs.distill import DistillConfig
from jobs.configs.latency import LatencyConfig
from jobs.configs.search import SearchJobConfig
from jobs.configs.train import TrainConfig
from jobs.configs.tune import TuneConfig

STORE = "runs/paper"


def student() -> Recipe:
    """The published recipe."""
    return Recipe()


def build() -> BuildConfig:
    """Published space and recipes; 50 students of each of ten class splits: a GPU."""
    task = TaskConfig(source="cifar100", classes=10)
    return BuildConfig(
        store=STORE,
        space="paper",
        splits=(
            SplitPlan(role="train", tasks=8, task=task),
            SplitPlan(role="validation", tasks=2, task=task),
        ),
        per_task=26,
        teacher=published_teacher(),
        student=student(),
        device="cuda",
        workers=1,
    )


def train() -> TrainConfig:
    """The published predictor and meta-training: one member, percent, squared error."""
    return TrainConfig(store=STORE, space="paper", members=1)


def tune() -> TuneConfig:
    """The published predictor, its settings searched."""
    return TuneConfig(train=train(), trials=64)


def search() -> SearchJobConfig:
    """Two thousand candidates within half of the teacher's FLOPs."""
    return SearchJobConfig(store=STORE)


def latency() -> LatencyConfig:
    """48 members of this space on this machine, in under two minutes."""
    return LatencyConfig(space="paper")


def distill() -> DistillConfig:
    """One student of 64 px images."""
    return DistillConfig(store=STORE, recipe=student(), device="cuda")


def adopt() -> AdoptConfig:
    """A teacher of 64 px images."""
    return AdoptConfig(store=STORE, space="paper")


def compact() -> CompactConfig:
    """The records of runs/paper."""
    return CompactConfig(store=STORE)
