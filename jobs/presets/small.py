"""Presets of space `small`: 32 px images, seconds a student on a core of a CPU.

Functions that return whole configs, by the verb that they are for.
"""

from __future__ import annotations

from dass.data.task_config import TaskConfig
from dass.training.recipe import Recipe
from jobs.configs.adopt import AdoptConfig
from jobs.configs.build import BuildConfig, SplitPlan
from jobs.configs.compact import CompactConfig
from jobs.configs.distill import DistillConfig
from jobs.configs.latency import LatencyConfig
from jobs.configs.search import SearchJobConfig
from jobs.configs.train import TrainConfig
from jobs.configs.tune import TuneConfig

STORE = "runs/small"


def teacher() -> Recipe:
    """Teachers of 32 px images: about a minute a thousand images."""
    return Recipe(epochs=30, warmup_epochs=2, padding=4, label_smoothing=0.1, hard_weight=1.0)


def student() -> Recipe:
    """Students of 32 px images: 3 to 15 core-seconds a thousand images, 8 in the mean."""
    return Recipe(epochs=8, learning_rate=0.02, padding=4, teacher_logits="views")


def build() -> BuildConfig:
    """One task of all classes of a source, 100 training images a class: seconds a student."""
    return BuildConfig(
        store=STORE,
        space="small",
        splits=(SplitPlan(task=TaskConfig(source="digits", train_per_class=100)),),
        teacher=teacher(),
        student=student(),
    )


def train() -> TrainConfig:
    """The published predictor and meta-training on `small` records."""
    return TrainConfig(store=STORE, space="small")


def tune() -> TuneConfig:
    """The published predictor on `small` records, its settings searched."""
    return TuneConfig(train=train())


def search() -> SearchJobConfig:
    """Two thousand candidates within half of the teacher's FLOPs."""
    return SearchJobConfig(store=STORE)


def latency() -> LatencyConfig:
    """48 members of this space on this machine, in under two minutes."""
    return LatencyConfig(space="small")


def distill() -> DistillConfig:
    """One student of 32 px images."""
    return DistillConfig(store=STORE, recipe=student())


def adopt() -> AdoptConfig:
    """A teacher of 32 px images."""
    return AdoptConfig(store=STORE, space="small")


def compact() -> CompactConfig:
    """The records of runs/small."""
    return CompactConfig(store=STORE)
