"""`paper`: the published space, recipes and predictor; every number is the published one.

Knows nothing of command lines.
"""

from __future__ import annotations

from dass.training.recipe import Recipe, published_teacher
from jobs.planning.plan import BuildConfig, SplitPlan
from jobs.train import TrainConfig


def paper_student() -> Recipe:
    """The published recipe."""
    return Recipe()


def paper_build() -> BuildConfig:
    """Published space and recipes; 50 students of each of eight class splits; wants a GPU."""
    return BuildConfig(
        store="runs/paper",
        space="paper",
        source="cifar100",
        splits=(
            SplitPlan(role="train", tasks=8, classes=10),
            SplitPlan(role="validation", tasks=2, classes=10),
        ),
        own=26,
        teacher=published_teacher(),
        student=paper_student(),
        device="cuda",
        workers=1,
    )


def paper_train() -> TrainConfig:
    """The published predictor and meta-training: one member, percent, squared error."""
    return TrainConfig(store="runs/paper", space="paper", members=1)
