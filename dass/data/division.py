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
from dass.data.parts import PARTS
from dass.data.seen import SHOWN, Seen, seen_rows
from dass.data.task_config import Rules
from dass.errors import InvalidData, UnknownName

Rows = tuple[Int64[Tensor, " _"], Int64[Tensor, " _"], Int64[Tensor, " _"]]
"""Rows of one class in train, validation and test.

They count through the train part of the source, on through its test part and its validation part.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Counts:
    """Images of one class in the parts of a source, and which parts the source has.

    What a teacher saw is counted apart.
    """

    train: int
    test: int
    validation: int
    has_test: bool
    has_validation: bool
    seen: int = 0


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
    seen = seen_rows(images, rules.seen, source=rules.source) if rules.seen else None
    counts = _count(images, seen)
    if short := [label for label in chosen if _lack(counts[label], rules)]:
        if seen is not None:
            raise InvalidData(_seen_shortage(images, rules, short=short, counts=counts))
        raise InvalidData(_shortage(images, rules, short=short[0], among=(candidates, chosen)))
    return chosen, [_divide(images, rules, label=label, seen=seen) for label in chosen]


def divide_unlabelled(images: Images, rules: Rules) -> Rows:
    """Return the rows of images that are read as one class, since they have none.

    Raises:
        InvalidData: There are too few.
    """
    seen = seen_rows(images, rules.seen, source=rules.source) if rules.seen else None
    counts = _count(images, seen)
    if lack := _lack(counts[0], rules):
        known = f" that the teacher was not trained on (and {counts[0].seen} that it was)"
        raise InvalidData(
            f"{rules.source} must have {lack}{known if seen is not None else ''}: add images, or "
            f"name a part of others (`--test folder:PATH`, `--val folder:PATH`)"
        )
    return _divide(images, rules, label=0, seen=seen)


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


def _divide(images: Images, rules: Rules, *, label: int, seen: Seen | None) -> Rows:
    """Divide one class, which has enough images.

    What a cap leaves out is in no part, so that raising it never moves an image from one part to
    another.
    """
    inside, outside, own, known = _rows(images, label, seen)
    if rules.pooled or len(images.test_labels) == 0:
        pool = torch.cat((inside, outside))
        pool = pool[shuffle(len(pool), "pool", rules.split_seed, label)]
        held = _share(rules.test_fraction, len(pool))
        test, inside = pool[:held], pool[held:]
    else:
        test = outside[shuffle(len(outside), "test", rules.split_seed, label)]
        inside = inside[shuffle(len(inside), "train", rules.split_seed, label)]
    if len(images.validation_labels):
        own = own[shuffle(len(own), "validation", rules.split_seed, label)]
        train, validation = inside, own[: rules.validation_per_class]
    else:
        held = rules.validation_per_class or _share(rules.validation_fraction, len(inside))
        train, validation = inside[held:], inside[:held]
    train = torch.cat((train, known))
    return train[: rules.train_per_class], validation, test[: rules.test_per_class]


def _rows(images: Images, label: int, seen: Seen | None) -> tuple[Int64[Tensor, " _"], ...]:
    """Return rows of a class in train, test and validation, and those that a teacher saw."""
    parts, known, start = [], [], 0
    for part in ("train", "test", "validation"):
        labels = getattr(images, f"{part}_labels")
        rows = (labels == label).nonzero().flatten()
        of_teacher = torch.zeros_like(rows, dtype=torch.bool) if seen is None else seen[part][rows]
        parts.append(rows[~of_teacher] + start)
        known.append(rows[of_teacher] + start)
        start += len(labels)
    return *parts, torch.cat(known)


def _share(fraction: float, number: int) -> int:
    return max(1, round(fraction * number))


# --- too few -------------------------------------------------------------------------------


def _count(images: Images, seen: Seen | None) -> list[_Counts]:
    kinds = len(images.class_names)
    counted = {}
    known = torch.zeros(kinds, dtype=torch.int64)
    for part in PARTS:
        labels = getattr(images, f"{part}_labels")
        if seen is not None:
            known += torch.bincount(labels[seen[part]], minlength=kinds)
            labels = labels[~seen[part]]
        counted[part] = torch.bincount(labels, minlength=kinds).tolist()
    return [
        _Counts(
            **{part: counted[part][label] for part in PARTS},
            has_test=len(images.test_labels) > 0,
            has_validation=len(images.validation_labels) > 0,
            seen=int(known[label]),
        )
        for label in range(kinds)
    ]


def _fits(number: int, rules: Rules, counts: _Counts) -> bool:
    """Return whether so many images, of the train part or of the pool, can be divided.

    What a teacher saw is trained on, so that no other image need be.
    """
    trained = 0 if counts.seen else 1
    if rules.pooled or not counts.has_test:
        number -= _share(rules.test_fraction, number)
    if counts.has_validation:
        return number >= trained
    held = rules.validation_per_class or _share(rules.validation_fraction, number)
    return number >= held + trained


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
    counts = _count(images, None)
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


def _seen_shortage(
    images: Images, rules: Rules, *, short: Sequence[int], counts: Sequence[_Counts]
) -> str:
    """Return the error for classes of too few images that a teacher did not see."""
    told = [
        f"{images.class_names[label]!r} must have {_lack(counts[label], rules)} "
        f"(and {counts[label].seen} that it was)"
        for label in short[:SHOWN]
    ]
    more = f"; and {len(short) - SHOWN} more classes" if len(short) > SHOWN else ""
    return (
        f"Each class of {rules.source} must have images that the teacher was not trained on, to "
        f"validate and test on. Of these {'; '.join(told)}{more}. Add images of it that the "
        f"teacher never saw, name parts of such images (`--test folder:PATH`, `--val "
        f"folder:PATH`), or leave the class out"
    )
