"""Preset `paper-domains`: labels in the published space, of tasks of many origins at 64 px.

Six stored sets and nine rendered domains, a task of each: what orders students of space `paper` is
fitted to these (docs/protocol.md, "The published space"). Space and image size are the published
ones; recipes are those of the labels of `small`, so that a student takes seconds on a GPU. Knows
nothing of how images are drawn.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from dass.data.origins import SEALED
from dass.data.rendered.catalogue import CATALOGUE
from dass.data.task_config import TaskConfig
from dass.evaluation.comparison_config import EvaluateConfig
from dass.training.recipe import Recipe
from jobs.configs.build import BuildConfig, LabelPlan, SplitPlan
from jobs.configs.cross_validate import CrossValidateConfig
from jobs.configs.publish import PublishConfig
from jobs.configs.train import TrainConfig
from jobs.presets import benchmark, domains

STORE = "runs/paper-domains"

POOL, OWN, OWN_SEALED = 12, 48, 24
"""Students that every task labels; further ones of an open task's own, and of a sealed one's,
whose students are all trained twice."""

OPEN = ("land", "charts", "galaxies", "automata", "flags", "tartans")
"""Rendered domains that may teach: none of them needs fonts or a speaker."""

TESTED = ("fractals", "solids", "instruments")
"""A rendered domain of each sealed group that needs no fonts: read once, at the end."""

VALIDATION = ("trashnet", "galaxies")
"""Tasks to validate on, of origins that no other task has."""

ALPHABETS = ("Greek", "Latin")


def teacher() -> Recipe:
    """Teachers at 64 px: twice the epochs of those of the labels of `small`, wider padding.

    Seven epochs on 576 images of land left one at 15 % of 16 classes.
    """
    return replace(benchmark.teacher(), epochs=32, padding=8)


def student() -> Recipe:
    """Students at 64 px: as those of `small`, cropped from the wider padding."""
    return replace(benchmark.student(), padding=8)


def build() -> BuildConfig:
    """Fifteen domains in the published space, 936 students: a GPU."""
    return BuildConfig(
        store=STORE,
        space="paper",
        splits=tuple(_split(name, task) for name, task in tasks().items()),
        pool=POOL,
        per_task=OWN,
        seeds=1,
        teacher=teacher(),
        student=student(),
        device="cuda",
    )


def train() -> TrainConfig:
    """The predictor of the published space: a surrogate, from all groups that are not sealed.

    Its members are few and small, since it does not hear them: as of `small` they took 10 MB.
    """
    shipped = benchmark.train()
    return replace(
        shipped,
        folds=2,
        without=SEALED,
        shape=replace(shipped.shape, hidden=8, features=16),
        meta=replace(shipped.meta, episodes=20),
        **_labels(),
    )


def cross_validate() -> CrossValidateConfig:
    """Every group of origins of the published space left out in turn, beside labels of `small`."""
    surrogate = replace(benchmark.surrogate(), hear=False, **_labels())
    return CrossValidateConfig(train=surrogate, beside="zoo")


def evaluate() -> EvaluateConfig:
    """The comparison in the published space, from kept scores."""
    return EvaluateConfig(
        store=STORE, space="paper", student=student(), pool=POOL, first=False, name="left-out"
    )


def publish() -> PublishConfig:
    """Labels and predictor of the published space into zoo/paper; no weights of teachers."""
    return PublishConfig(
        store=STORE,
        space="paper",
        into="zoo/paper",
        predictors=("predictor",),
        weights=False,
        students=False,
        most_megabytes=10,
    )


def _labels() -> dict[str, Any]:
    return {"store": STORE, "space": "paper", "recipe": student().name, "name": "predictor"}


def _split(name: str, task: TaskConfig) -> SplitPlan:
    if name in TESTED:
        labels = LabelPlan(per_task=OWN_SEALED, seeds=2)
        return SplitPlan(role="unseen", task=task, labels=labels)
    return SplitPlan(role="validation" if name in VALIDATION else "train", task=task)


def tasks() -> dict[str, TaskConfig]:
    """Return the tasks by name: 480 to 960 images to train on, 190 and more to validate."""

    def pictures(name: str, train: int, validation: int, **settings: Any) -> TaskConfig:
        return TaskConfig(
            source=f"npz:data/images64/{name}.npz",
            train_per_class=train,
            validation_per_class=validation,
            **{"pooled": True, "test_fraction": 0.3} | settings,
        )

    characters = tuple(f"{a}/character{i:02d}" for a in ALPHABETS for i in range(1, 25))
    stored = {
        "flowers5": pictures("flowers5", 120, 48, test_fraction=0.25),
        "trashnet": pictures("trashnet", 80, 25, test_fraction=0.25),
        "dtd10": pictures("dtd10", 68, 22, test_fraction=0.25),
        "neusteel": pictures("neusteel", 150, 60),
        "omniglot": pictures("omniglot", 10, 4, only=characters, flip=False),
        "spokendigits": pictures("spokendigits", 80, 35, flip=False),
    }
    drawn = (*OPEN, *TESTED)
    return stored | {name: domains.task(name, CATALOGUE[name]) for name in drawn}
