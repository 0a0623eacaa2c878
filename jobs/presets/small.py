"""`small`: 32 px images, whose students a CPU core labels in seconds.

Knows nothing of command lines.
"""

from __future__ import annotations

from dass.training.recipe import Recipe
from jobs.planning.plan import BuildConfig, SplitPlan
from jobs.train import TrainConfig


def small_teacher() -> Recipe:
    """Teachers of 32 px images: about a minute a thousand images."""
    return Recipe(epochs=30, warmup_epochs=2, padding=4, label_smoothing=0.1, hard_weight=1.0)


def small_student() -> Recipe:
    """Students of 32 px images: 3 to 15 core-seconds a thousand images, 8 in the mean."""
    return Recipe(epochs=8, learning_rate=0.02, padding=4, teacher_logits="views")


def small_build() -> BuildConfig:
    """One task of all classes of a source of 32 px images, 100 training images a class."""
    return BuildConfig(
        store="runs/small",
        space="small",
        source="digits",
        splits=(SplitPlan(train_per_class=100),),
        teacher=small_teacher(),
        student=small_student(),
    )


def small_train() -> TrainConfig:
    """The published predictor and meta-training on `small` records."""
    return TrainConfig(store="runs/small", space="small")
