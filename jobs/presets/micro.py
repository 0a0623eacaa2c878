"""`micro`: 8 px digits, for tests and for the cluster's whole story in minutes.

Says what each number was chosen for. Knows nothing of command lines.
"""

from __future__ import annotations

from dataclasses import replace

from dass.data.task import Role
from dass.predictor.meta import MetaConfig
from dass.searching.evolution import SearchConfig
from dass.training.recipe import Recipe
from jobs.distill import DistillConfig
from jobs.planning.plan import BuildConfig, SplitPlan
from jobs.prepare import PrepareConfig
from jobs.presets.small import small_build
from jobs.quickstart import QuickstartConfig
from jobs.search import SearchJobConfig
from jobs.train import TrainConfig


def micro_teacher() -> Recipe:
    """Teachers of 8 px digits: some hundred images, two seconds."""
    return Recipe(
        epochs=25, batch_size=16, warmup_epochs=1, padding=1, label_smoothing=0.1, hard_weight=1.0
    )


def micro_student() -> Recipe:
    """Students of 8 px digits: about a second each; too short to saturate."""
    return Recipe(epochs=8, batch_size=16, padding=1, teacher_logits="views")


def micro_build() -> BuildConfig:
    """Digits split by class: 0–3 to learn from, 4–6 to select on, 7–9 unseen; few images each."""

    def few(role: Role, classes: str, images: int) -> SplitPlan:
        return SplitPlan(
            role=role,
            only=tuple(classes),
            train_per_class=images,
            validation_per_class=60,
            flip=False,
        )

    return BuildConfig(
        store="runs/micro",
        space="micro",
        source="digits",
        splits=(
            few("train", "012", 16),
            few("train", "013", 16),
            few("train", "023", 16),
            few("train", "123", 16),
            few("train", "0123", 12),
            few("train", "0123", 24),
            few("validation", "456", 16),
            few("validation", "456", 24),
            few("unseen", "789", 16),
        ),
        own=4,
        teacher=micro_teacher(),
        student=micro_student(),
    )


def micro_train() -> TrainConfig:
    """A predictor of a tenth of the published size, in half a minute."""
    return TrainConfig(
        store="runs/micro",
        space="micro",
        scale="relative",
        hidden=32,
        features=64,
        describe=True,
        meta=MetaConfig(episodes=200, queries=24, listwise_weight=1.0),
    )


def quickstart() -> QuickstartConfig:
    """The `micro` jobs in one store of their own."""
    store = "runs/quickstart"
    return QuickstartConfig(
        build=replace(micro_build(), store=store, engine="ray"),
        train=replace(micro_train(), store=store),
        search=SearchJobConfig(
            store=store, max_flops_share=0.5, search=SearchConfig(candidates=1000)
        ),
        distill=DistillConfig(store=store, recipe=micro_student()),
    )


def prepare() -> PrepareConfig:
    """A store for the service: few and quick labels where no predictor is shipped."""
    build = micro_build()
    return PrepareConfig(
        store="runs/serve",
        build=replace(build, pool=10, own=0),
        small_build=small_build(),
        train=replace(micro_train(), members=3),
        digits=SplitPlan(role="unseen", train_per_class=40, validation_per_class=60, flip=False),
    )
