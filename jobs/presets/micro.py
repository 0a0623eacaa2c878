"""Presets of space `micro`: 8 px digits and trainings of a second, for tests and a first run.

Plumbing, not evidence. Functions that return whole configs, by the verb that they are for.
"""

from __future__ import annotations

from dataclasses import replace

from dass.data.task_config import Role, TaskConfig
from dass.predictor.meta_config import MetaConfig
from dass.predictor.network_config import PredictorShape
from dass.searching.evolution_config import SearchConfig
from dass.training.recipe import Recipe
from jobs.configs.adopt import AdoptConfig
from jobs.configs.build import BuildConfig, SplitPlan
from jobs.configs.compact import CompactConfig
from jobs.configs.contest import ContestConfig
from jobs.configs.distill import DistillConfig
from jobs.configs.latency import LatencyConfig
from jobs.configs.prepare import PrepareConfig
from jobs.configs.quickstart import QuickstartConfig
from jobs.configs.search import SearchJobConfig
from jobs.configs.train import TrainConfig
from jobs.configs.tune import TuneConfig
from jobs.presets import small

STORE = "runs/micro"


def teacher() -> Recipe:
    """Teachers of 8 px digits: some hundred images, two seconds."""
    return Recipe(
        epochs=25, batch_size=16, warmup_epochs=1, padding=1, label_smoothing=0.1, hard_weight=1.0
    )


def student() -> Recipe:
    """Students of 8 px digits: about a second each; too short to saturate."""
    return Recipe(epochs=8, batch_size=16, padding=1, teacher_logits="views")


def _few(role: Role, classes: str, images: int) -> SplitPlan:
    return SplitPlan(
        role=role,
        task=TaskConfig(
            source="digits",
            only=tuple(classes),
            train_per_class=images,
            validation_per_class=60,
            flip=False,
        ),
    )


def build() -> BuildConfig:
    """8 px digits, few images of few classes: minutes on a laptop.

    Digits 0 to 3 are for meta-training, 4 to 6 for validation, 7 to 9 for the test task.
    """
    return BuildConfig(
        store=STORE,
        space="micro",
        splits=(
            _few("train", "012", 16),
            _few("train", "013", 16),
            _few("train", "023", 16),
            _few("train", "123", 16),
            _few("train", "0123", 12),
            _few("train", "0123", 24),
            _few("validation", "456", 16),
            _few("validation", "456", 24),
            _few("unseen", "789", 16),
        ),
        per_task=4,
        teacher=teacher(),
        student=student(),
    )


def train() -> TrainConfig:
    """A predictor of a tenth of the published size, in half a minute."""
    return TrainConfig(
        store=STORE,
        space="micro",
        shape=PredictorShape(scale="relative", hidden=32, features=64, describe=True),
        meta=MetaConfig(episodes=200, queries=24, listwise_weight=1.0),
    )


def tune() -> TuneConfig:
    """A few trials of a small predictor."""
    return TuneConfig(train=train(), trials=8)


def search() -> SearchJobConfig:
    """Two thousand candidates within half of the teacher's FLOPs."""
    return SearchJobConfig(store=STORE)


def latency() -> LatencyConfig:
    """48 members of this space on this machine, in under two minutes."""
    return LatencyConfig(space="micro")


def distill() -> DistillConfig:
    """One student of 8 px images."""
    return DistillConfig(store=STORE, recipe=student())


def adopt() -> AdoptConfig:
    """A teacher of 8 px images."""
    return AdoptConfig(store=STORE, space="micro")


def compact() -> CompactConfig:
    """The records of runs/micro."""
    return CompactConfig(store=STORE)


def quickstart() -> QuickstartConfig:
    """The whole story on embedded digits, in a store of its own."""
    store = "runs/quickstart-micro"
    return QuickstartConfig(
        build=replace(build(), store=store, engine="ray"),
        train=replace(train(), store=store),
        contest=ContestConfig(fractions=(0.5,), search=SearchConfig(candidates=1000)),
        report=f"{store}/report.html",
        note=(
            "Plumbing, not evidence: 8-pixel digits, a handful of tasks, one short training per "
            "student. It shows that every part runs."
        ),
        next_line="dass evaluate evidence --store zoo    (what the shipped predictor is worth)",
    )


def prepare() -> PrepareConfig:
    """The shipped predictor, else one of few and quick labels; and a digits teacher."""
    return PrepareConfig(
        store="runs/serve",
        build=replace(build(), pool=10, per_task=0),
        small_build=small.build(),
        train=replace(train(), members=3),
        digits=SplitPlan(
            role="unseen",
            task=TaskConfig(
                source="digits", train_per_class=40, validation_per_class=60, flip=False
            ),
        ),
    )
