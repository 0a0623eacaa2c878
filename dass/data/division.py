"""Division: which classes of a source a task has, and which images train, validate and test.

Each class is shuffled by its own seed, whatever the other classes and the caps are. Knows nothing
of where images come from, of pixels, or of what a part is used for.

Letters in shapes: n images.
"""

import difflib
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count

import torch
from jaxtyping import Int64
from torch import Tensor

from dass.data.images import Images
from dass.errors import InvalidData, UnknownName

Rows = tuple[Int64[Tensor, " _"], Int64[Tensor, " _"], Int64[Tensor, " _"]]
"""Rows of one class in train, validation and test.

They count through the train part of the source, on through its test part and its validation part.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """Which classes and images of a source are taken, and how they are divided."""

    source: str
    """`digits`, `fashion`, a dataset of torchvision, `folder:PATH` or `npz:PATH`."""
    classes: int | None = None
    """Classes drawn from the candidates, ≥ 2; None takes all of them."""
    class_seed: int = 0
    """Seed of the draw of classes, ≥ 0."""
    only: tuple[str, ...] = ()
    """Names of the candidate classes; empty for all classes of the source."""
    exclude: tuple[str, ...] = ()
    """Names of classes that are no candidates."""
    train_per_class: int | None = None
    """Training images kept of each class at most, ≥ 1; None keeps all. Moves no other image."""
    validation_per_class: int | None = None
    """Validation images of each class, ≥ 1, exactly; None takes `validation_fraction`, or all of
    the source's own validation part where there is one."""
    test_per_class: int | None = None
    """Test images kept of each class at most, ≥ 1; None keeps all."""
    validation_fraction: float = 0.2
    """Share of the train part held out for validation, in (0, 1). Unread where the source has a
    validation part of its own."""
    pooled: bool = False
    """Pool the train and test parts and divide them anew. Always so where no test part is. The
    source's own validation part stays what it is."""
    test_fraction: float = 0.3
    """Share of a pooled source held out for testing, in (0, 1)."""
    split_seed: int = 0
    """Seed of the division into train, validation and test, ≥ 0."""
    validation: str = ""
    """A validation part of your own, of the same classes: `folder:PATH` or `npz:PATH`; empty for
    that of the source, or a share of its train part."""
    test: str = ""
    """A test part of your own, of the same classes: `folder:PATH` or `npz:PATH`; empty for that of
    the source, or a share of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Counts:
    """Images of one class in the parts of a source, and which parts the source has."""

    train: int
    test: int
    validation: int
    has_test: bool
    has_validation: bool


def shuffle(count: int, *seeds: str | int) -> Int64[Tensor, " n"]:
    """Return the numbers below `count` in an order drawn by words and numbers as seed."""
    digest = hashlib.sha256(json.dumps(seeds).encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
    return torch.randperm(count, generator=generator)


def divide(images: Images, rules: Rules) -> tuple[list[int], list[Rows]]:
    """Return the original labels of the task's classes, in ascending order, and their rows.

    Raises:
        UnknownName: A class in `only` or `exclude` does not exist.
        InvalidData: Too few classes are there, or a class has too few images.
    """
    candidates = _candidates(images.class_names, rules)
    order = shuffle(len(candidates), "classes", rules.class_seed)
    wanted = rules.classes or len(candidates)
    chosen = sorted(candidates[place] for place in order[:wanted].tolist())
    counts = _count(images)
    if short := [label for label in chosen if _lack(counts[label], rules)]:
        raise InvalidData(_shortage(images, rules, short=short[0], among=(candidates, chosen)))
    return chosen, [_divide(images, rules, label=label) for label in chosen]


def _candidates(class_names: tuple[str, ...], rules: Rules) -> list[int]:
    for class_name in (*rules.only, *rules.exclude):
        if class_name not in class_names:
            close = difflib.get_close_matches(class_name, class_names, n=3) or class_names[:10]
            raise UnknownName(
                f"`only` and `exclude` must name classes of {rules.source}, but {class_name!r} "
                f"is none: try {', '.join(map(repr, close))}"
            )
    if len(class_names) < 2:
        inner = f"{rules.source.rstrip('/')}/{class_names[0]}"
        nested = f", or write `{inner}` if the classes are folders in that one"
        raise InvalidData(
            f"A source must have 2 classes to tell apart, but {rules.source} has one, "
            f"{class_names[0]!r}: add another{nested if inner.startswith('folder:') else ''}"
        )
    candidates = [
        label
        for label, class_name in enumerate(class_names)
        if class_name not in rules.exclude and (not rules.only or class_name in rules.only)
    ]
    wanted = rules.classes or len(candidates)
    if not 2 <= wanted <= len(candidates):
        fewer = f"set `classes={len(candidates)}`" if len(candidates) > 1 else "allow more"
        raise InvalidData(
            f"{max(2, wanted)} classes must be left to choose from, but {rules.source} has "
            f"{len(candidates)} after `only` and `exclude`: {fewer}"
        )
    return candidates


def _divide(images: Images, rules: Rules, *, label: int) -> Rows:
    """Divide one class, which has enough images.

    What a cap leaves out is in no part, so that raising it never moves an image from one part to
    another.
    """
    inside = (images.train_labels == label).nonzero().flatten()
    outside = (images.test_labels == label).nonzero().flatten() + len(images.train_labels)
    if rules.pooled or len(images.test_labels) == 0:
        pool = torch.cat((inside, outside))
        pool = pool[shuffle(len(pool), "pool", rules.split_seed, label)]
        held = _share(rules.test_fraction, len(pool))
        test, inside = pool[:held], pool[held:]
    else:
        test = outside[shuffle(len(outside), "test", rules.split_seed, label)]
        inside = inside[shuffle(len(inside), "train", rules.split_seed, label)]
    if len(images.validation_labels):
        own = (images.validation_labels == label).nonzero().flatten()
        own = own[shuffle(len(own), "validation", rules.split_seed, label)]
        own = own + len(images.train_labels) + len(images.test_labels)
        train, validation = inside, own[: rules.validation_per_class]
    else:
        held = rules.validation_per_class or _share(rules.validation_fraction, len(inside))
        train, validation = inside[held:], inside[:held]
    return train[: rules.train_per_class], validation, test[: rules.test_per_class]


def _share(fraction: float, number: int) -> int:
    return max(1, round(fraction * number))


# --- too few -------------------------------------------------------------------------------


def _count(images: Images) -> list[_Counts]:
    kinds = len(images.class_names)
    each = (
        torch.bincount(labels, minlength=kinds).tolist()
        for labels in (images.train_labels, images.test_labels, images.validation_labels)
    )
    return [
        _Counts(
            train=train,
            test=test,
            validation=validation,
            has_test=len(images.test_labels) > 0,
            has_validation=len(images.validation_labels) > 0,
        )
        for train, test, validation in zip(*each, strict=True)
    ]


def _fits(number: int, rules: Rules, counts: _Counts) -> bool:
    """Return whether so many images, of the train part or of the pool, can be divided."""
    if rules.pooled or not counts.has_test:
        number -= _share(rules.test_fraction, number)
    if counts.has_validation:
        return number >= 1
    return number > (rules.validation_per_class or _share(rules.validation_fraction, number))


def _lack(counts: _Counts, rules: Rules) -> str:
    """Return what a class must have and has; nothing if that is enough."""
    pooled = rules.pooled or not counts.has_test
    if not pooled and counts.test == 0:
        return "1 images for test, but has 0 there"
    wanted = rules.validation_per_class or 1
    if counts.has_validation and counts.validation < wanted:
        return f"{wanted} images for validation, but has {counts.validation} there"
    number = counts.train + counts.test if pooled else counts.train
    if _fits(number, rules, counts):
        return ""
    needed = next(more for more in count(number + 1) if _fits(more, rules, counts))
    divided = ["train"]
    divided += [] if counts.has_validation else ["validation"]
    divided += ["test"] if pooled else []
    parts = ", ".join(divided[:-1]) + f" and {divided[-1]}" if divided[1:] else divided[0]
    return f"{needed} images for {parts}, but has {number}"


def _shortage(
    images: Images, rules: Rules, *, short: int, among: tuple[Sequence[int], Sequence[int]]
) -> str:
    """Return the error for a class of too few images, with advice that works if followed."""
    candidates, chosen = among
    counts = _count(images)
    names = images.class_names
    lacking = [label for label in candidates if _lack(counts[label], rules)]
    left = [label for label in candidates if label not in lacking]
    advice = ["add images"]
    if len(left) >= max(2, rules.classes or 2):
        if rules.only:
            advice.append(f"set `only={tuple(names[label] for label in left)}`")
        else:
            out = (*rules.exclude, *(names[label] for label in lacking))
            advice.append(f"set `exclude={out}`")
    if not rules.pooled:
        anew = replace(rules, pooled=True)
        if not any(_lack(counts[label], anew) for label in chosen):
            advice.append("set `pooled=True`")
    for fewer in range((rules.validation_per_class or 1) - 1, 0, -1):
        held = replace(rules, validation_per_class=fewer)
        if not any(_lack(counts[label], held) for label in chosen):
            advice.append(f"set `validation_per_class={fewer}`")
            break
    others = f" ({len(lacking) - 1} other classes lack some too)" if lacking[1:] else ""
    return (
        f"Class {names[short]!r} of {rules.source} must have {_lack(counts[short], rules)}"
        f"{others}: {', or '.join(advice)}"
    )
