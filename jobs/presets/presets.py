"""Whole configs as functions: `micro` for tests and the quickstart, `small` for a CPU, `paper`.

Every number of `paper` is the published one; the others say what they were chosen for.
"""

from __future__ import annotations

from dataclasses import replace

from dass.data.task import Role
from dass.evaluation.comparison import EvaluateConfig
from dass.predictor.meta import MetaConfig
from dass.searching.evolution import SearchConfig
from dass.training.recipe import Recipe, published_teacher
from jobs.adopt import AdoptConfig
from jobs.closed_loop import ClosedLoopConfig
from jobs.compact import CompactConfig
from jobs.distill import DistillConfig
from jobs.planning.plan import BuildConfig, SplitPlan
from jobs.prepare import PrepareConfig
from jobs.presets import benchmark_tasks
from jobs.publish import PublishConfig
from jobs.quickstart import QuickstartConfig
from jobs.search import SearchJobConfig
from jobs.train import TrainConfig
from jobs.tune import TuneConfig


def micro_teacher() -> Recipe:
    """Teachers of 8 px digits: some hundred images, two seconds."""
    return Recipe(
        epochs=25, batch_size=16, warmup_epochs=1, padding=1, label_smoothing=0.1, hard_weight=1.0
    )


def micro_student() -> Recipe:
    """Students of 8 px digits: about a second each; too short to saturate."""
    return Recipe(epochs=8, batch_size=16, padding=1, teacher_logits="views")


def small_teacher() -> Recipe:
    """Teachers of 32 px images: about a minute a thousand images."""
    return Recipe(epochs=30, warmup_epochs=2, padding=4, label_smoothing=0.1, hard_weight=1.0)


def small_student() -> Recipe:
    """Students of 32 px images: 3 to 15 core-seconds a thousand images, 8 in the mean."""
    return Recipe(epochs=8, learning_rate=0.02, padding=4, teacher_logits="views")


def evidence_teacher() -> Recipe:
    """Teachers of the meta-dataset: small batches, since many tasks have few images."""
    return replace(small_teacher(), epochs=16, batch_size=32)


def evidence_weak_teacher() -> Recipe:
    """Second teachers of the meta-dataset, stopped long before they are good."""
    return replace(evidence_teacher(), epochs=5)


def evidence_student() -> Recipe:
    """Students of the meta-dataset: stopped while architectures still differ.

    After 8 epochs on 800 images all were as good as their teacher: the spread of 14 architectures
    was 1.0 to 1.2 points and two seeds agreed at 0.53 to 0.69 (docs/log.md).
    """
    return replace(small_student(), epochs=4)


def paper_student() -> Recipe:
    """The published recipe."""
    return Recipe()


# --- build ---------------------------------------------------------------------------------


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


def evidence_build() -> BuildConfig:
    """The public meta-dataset, as docs/protocol.md has it."""
    weak = evidence_weak_teacher()
    return BuildConfig(
        store="runs/evidence",
        space="small",
        source=benchmark_tasks.TINY,
        splits=(
            *benchmark_tasks.test_splits(weak),
            *benchmark_tasks.validation_splits(weak),
            *benchmark_tasks.train_splits(weak),
        ),
        teacher=evidence_teacher(),
        student=evidence_student(),
    )


def evidence_core() -> BuildConfig:
    """The half of the meta-dataset that a first evaluation needs: its records are the same."""
    whole = evidence_build()

    def plain(split: SplitPlan) -> SplitPlan:
        seeds = 2 if split.role == "unseen" else 1
        return replace(split, labels=replace(split.labels, second=None, alone=0, seeds=seeds))

    return replace(whole, pool=12, splits=tuple(plain(split) for split in whole.splits))


# --- the other jobs ------------------------------------------------------------------------


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


def small_train() -> TrainConfig:
    """The published predictor and meta-training on `small` records."""
    return TrainConfig(store="runs/small", space="small")


def paper_train() -> TrainConfig:
    """The published predictor and meta-training: one member, percent, squared error."""
    return TrainConfig(store="runs/paper", space="paper", members=1)


def evidence_train() -> TrainConfig:
    """The shipped predictor: a tenth of the published size, since there are few dozen tasks."""
    return TrainConfig(
        store="runs/evidence",
        space="small",
        recipe=evidence_student().name,
        members=5,
        scale="relative",
        hidden=32,
        features=64,
        describe=True,
        meta=MetaConfig(episodes=300, queries=24, listwise_weight=1.0),
    )


def reconstructed_train() -> TrainConfig:
    """DaSS as published: its size, squared error, one member; on our records.

    Targets are relative to the teacher: in percent, the other reading, it ordered the validation
    tasks at -0.27 (docs/log.md).
    """
    return TrainConfig(
        store="runs/evidence",
        space="small",
        recipe=evidence_student().name,
        name="reconstructed",
        members=1,
        scale="relative",
        fallback=False,
        meta=MetaConfig(episodes=500),
    )


def ablated(name: str, **changes: bool) -> TrainConfig:
    """The shipped predictor without a part of it."""
    return replace(evidence_train(), name=name, **changes)  # type: ignore[arg-type]


ABLATIONS = {
    "no-teacher": ablated("no-teacher", use_teacher=False),
    "no-student": ablated("no-student", use_student=False),
    "no-adaptation": ablated("no-adaptation", adapt=False),
    "no-description": ablated("no-description", describe=False),
}


def evidence_evaluate() -> EvaluateConfig:
    """The comparison of docs/protocol.md."""
    return EvaluateConfig(
        store="runs/evidence",
        space="small",
        student=evidence_student(),
        others=("reconstructed", *ABLATIONS),
    )


def search(space: str) -> SearchJobConfig:
    """Two thousand candidates within half of the teacher's FLOPs."""
    return SearchJobConfig(store=f"runs/{space}", max_flops_share=0.5)


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


def stock() -> PrepareConfig:
    """A store for the service: few and quick labels where no predictor is shipped."""
    build = micro_build()
    return PrepareConfig(
        store="runs/serve",
        build=replace(build, pool=10, own=0),
        small_build=small_build(),
        train=replace(micro_train(), members=3),
        digits=SplitPlan(role="unseen", train_per_class=40, validation_per_class=60, flip=False),
    )


BUILD = {
    "micro": ("8 px digits: minutes on a laptop", micro_build()),
    "small": ("32 px images: seconds a student on a CPU core", small_build()),
    "paper": ("the published space and recipes: a GPU", paper_build()),
    "evidence-core": ("its first half, for a first evaluation", evidence_core()),
    "evidence": ("the public meta-dataset: hours", evidence_build()),
}
TRAIN = {
    "micro": ("a small predictor in half a minute", micro_train()),
    "small": ("the published predictor on small records", small_train()),
    "paper": ("the published predictor and meta-training", paper_train()),
    "evidence": ("the shipped predictor on the public meta-dataset", evidence_train()),
    "reconstructed": ("the published predictor on the public meta-dataset", reconstructed_train()),
    **{name: ("an ablation of `evidence`", config) for name, config in ABLATIONS.items()},
}
CLOSED_LOOP = {
    "evidence": (
        "search, distil and compare on the unseen tasks",
        ClosedLoopConfig(build=evidence_build()),
    )
}
PUBLISH = {
    "evidence": (
        "records, teachers and predictors into zoo/",
        PublishConfig(store="runs/evidence", space="small"),
    )
}
EVALUATE = {"evidence": ("the comparison on unseen datasets", evidence_evaluate())}
SEARCH = {
    space: (f"students of a teacher in space {space}", search(space))
    for space in ("micro", "small", "paper")
}
DISTILL = {
    "micro": ("8 px", DistillConfig(store="runs/micro", recipe=micro_student())),
    "small": ("32 px", DistillConfig(store="runs/small", recipe=small_student())),
    "paper": ("64 px", DistillConfig(store="runs/paper", recipe=paper_student(), device="cuda")),
}
ADOPT = {
    space: (f"a teacher for space {space}", AdoptConfig(store=f"runs/{space}", space=space))
    for space in ("micro", "small", "paper")
}
QUICKSTART = {"micro": ("the whole story on embedded digits", quickstart())}
STOCK = {"micro": ("the shipped predictor, else a micro one; and a digits teacher", stock())}
COMPACT = {
    space: (f"the store runs/{space}", CompactConfig(store=f"runs/{space}"))
    for space in ("micro", "small", "paper")
}
TUNE = {
    "micro": ("a few trials of a small predictor", TuneConfig(train=micro_train(), trials=8)),
    "small": ("the published predictor on small records", TuneConfig(train=small_train())),
    "paper": ("the published predictor", TuneConfig(train=paper_train(), trials=64)),
    "evidence": (
        "a predictor for the public meta-dataset",
        TuneConfig(train=replace(evidence_train(), name="tuned"), trials=24, keep=5),
    ),
}
