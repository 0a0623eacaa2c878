"""The tasks of the public meta-dataset: which classes of which images, in which role.

Docs/protocol.md gives the reasons. Image files are read from `data/` beside the project, through
`npz:` as any user's own. Knows nothing of how students are trained.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from dass.data.task_config import Role, TaskConfig
from dass.training.recipe import Recipe
from jobs.configs.build import LabelPlan, SplitPlan

CLOTHES = (
    "n02669723 academic gown",
    "n02730930 apron",
    "n02769748 backpack",
    "n02837789 bikini",
    "n02883205 bow tie",
    "n02963159 cardigan",
    "n03026506 Christmas stocking",
    "n03404251 fur coat",
    "n03617480 kimono",
    "n03763968 military uniform",
    "n03770439 miniskirt",
    "n03980874 poncho",
    "n04133789 sandal",
    "n04254777 sock",
    "n04371430 swimming trunks",
    "n04532106 vestment",
)
"""Clothes of every kind, and bags: what the test set `fashion` shows."""

SHARED_WITH_TEST = (
    *CLOTHES,
    # fruitshapes
    "n07747607 orange",
    "n07749582 lemon",
    "n07753592 banana",
    "n07768694 pomegranate",
    # trashnet: bottles and vessels of glass, metal and plastic
    "n02815834 beaker",
    "n02823428 beer bottle",
    "n03937543 pill bottle",
    "n03983396 pop bottle",
    "n04560804 water jug",
    # dtd10: cobwebbed
    "n04275548 spider web",
)
"""Classes of Tiny ImageNet that a test set has too, or comes near to: in no task at all."""

SHARED_WITH_CIFAR10 = (
    # bird
    "n01855672 goose",
    "n02002724 black stork",
    "n02056570 king penguin",
    "n02058221 albatross",
    # frog
    "n01641577 bullfrog",
    "n01644900 tailed frog",
    # dog
    "n02085620 Chihuahua",
    "n02094433 Yorkshire terrier",
    "n02099601 golden retriever",
    "n02099712 Labrador retriever",
    "n02106662 German shepherd",
    "n02113799 standard poodle",
    # cat
    "n02123045 tabby",
    "n02123394 Persian cat",
    "n02124075 Egyptian cat",
    "n02125311 cougar",
    "n02129165 lion",
    # deer
    "n02423022 gazelle",
    # automobile
    "n02814533 beach wagon",
    "n03100240 convertible",
    "n03444034 go-kart",
    "n03670208 limousine",
    "n04285008 sports car",
    # truck
    "n03796401 moving van",
    "n03977966 police van",
    "n04146614 school bus",
    "n04465501 tractor",
    "n04487081 trolleybus",
    # ship
    "n03447447 gondola",
    "n03662601 lifeboat",
)
"""Classes of Tiny ImageNet that CIFAR-10 has too: on the validation side, as CIFAR-10 is."""

HELD_OUT = (
    "n01443537 goldfish",
    "n01770393 scorpion",
    "n01910747 jellyfish",
    "n01983481 American lobster",
    "n02190166 fly",
    "n02236044 mantis",
    "n02364673 guinea pig",
    "n02437312 Arabian camel",
    "n02509815 lesser panda",
    "n02793495 barn",
    "n02841315 binoculars",
    "n02917067 bullet train",
    "n02988304 CD player",
    "n03089624 confectionery",
    "n03250847 drumstick",
    "n03400231 frying pan",
    "n03637318 lampshade",
    "n03814639 neck brace",
    "n03902125 pay-phone",
    "n04008634 projectile",
    "n04099969 rocking chair",
    "n04259630 sombrero",
    "n04366367 suspension bridge",
    "n04456115 torch",
    "n04540053 volleyball",
    "n07579787 plate",
    "n07711569 mashed potato",
    "n07873807 pizza",
    "n09256479 coral reef",
)
"""Every fifth of the other classes of Tiny ImageNet: on the validation side too."""

TINY = "npz:data/tinyimagenet.npz"


def natural(
    role: Role, classes: int, images: int, *, tasks: int, labels: LabelPlan | None = None
) -> SplitPlan:
    """Return tasks out of Tiny ImageNet, of so many training images a class.

    Half of a class's 500 and more images may be trained on; 200 to 2,000 images a task validate.
    """
    select = (*SHARED_WITH_CIFAR10, *HELD_OUT)
    return SplitPlan(
        role=role,
        tasks=tasks,
        task=TaskConfig(
            source=TINY,
            only=() if role == "train" else select,
            exclude=(*SHARED_WITH_TEST, *select) if role == "train" else (),
            classes=classes,
            train_per_class=images,
            validation_per_class=min(200, 2000 // classes),
        ),
        labels=labels or LabelPlan(),
    )


def train_splits(weak: Recipe) -> tuple[SplitPlan, ...]:
    """Return 26 meta-training tasks, of 26 different draws of 4 to 40 classes.

    Args:
        weak: how a second, weaker teacher is trained, for the last eight of them.
    """
    second = LabelPlan(weak_teacher=weak)
    return (
        natural("train", 10, 130, tasks=6),
        natural("train", 20, 65, tasks=4),
        natural("train", 5, 260, tasks=4),
        natural("train", 40, 32, tasks=2),
        natural("train", 8, 100, tasks=2),
        natural("train", 12, 100, tasks=4, labels=second),
        natural("train", 4, 200, tasks=2, labels=second),
        natural("train", 16, 80, tasks=2, labels=second),
    )


def validation_splits(weak: Recipe) -> tuple[SplitPlan, ...]:
    """Return eight validation tasks, of classes that no meta-training task has."""
    cifar = TaskConfig(
        source="npz:data/cifar10.npz",
        train_per_class=130,
        validation_per_class=200,
        test_per_class=200,
    )
    four = replace(cifar, classes=4, train_per_class=300)
    return (
        SplitPlan(role="validation", task=cifar, labels=LabelPlan(weak_teacher=weak, seeds=2)),
        SplitPlan(role="validation", task=four),
        natural("validation", 10, 130, tasks=2, labels=LabelPlan(seeds=2)),
        natural("validation", 20, 65, tasks=2),
        natural("validation", 6, 150, tasks=2),
    )


def test_splits(weak: Recipe) -> tuple[SplitPlan, ...]:
    """Return ten unseen tasks from other domains, pooled unless a part of their own is better."""
    labels = LabelPlan(per_task=16, seeds=2)
    both = replace(labels, weak_teacher=weak, ce_only=24)

    def few(
        name: str, train: int, validation: int, *, labels: LabelPlan = labels, **settings: Any
    ) -> SplitPlan:
        task = TaskConfig(
            source=f"npz:data/{name}.npz",
            train_per_class=train,
            validation_per_class=validation,
            **{"pooled": True, "test_fraction": 0.5} | settings,
        )
        return SplitPlan(role="unseen", task=task, labels=labels)

    alphabets = ("Greek", "Latin")
    characters = tuple(f"{a}/character{i:02d}" for a in alphabets for i in range(1, 25))
    return (
        few("gtsrb", 30, 20, pooled=False, flip=False, labels=both),
        few("trashnet", 160, 25, labels=both),
        few("flowers5", 200, 80, labels=both),
        few("neusteel", 100, 50),
        few("dtd10", 48, 12),
        few("fashion", 130, 100, test_per_class=250, labels=both),
        few("kannada", 60, 100, test_per_class=250, flip=False),
        few("omniglot", 8, 2, only=characters, flip=False),
        few("fruitshapes", 25, 20, test_per_class=40),
        few("spokendigits", 100, 50, flip=False),
    )
