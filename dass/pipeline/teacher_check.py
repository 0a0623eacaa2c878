"""Check a teacher against the images it is to teach: its classes, its pixels, its accuracy.

What else might be wrong with it is tried on training images; validation images measure it alone.
Nothing is changed silently: what would help is told, with the option to give. Knows nothing of
where teachers come from.

Dimension letters: n images, k classes, o outputs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import sqrt

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from scipy.optimize import linear_sum_assignment
from scipy.stats import binomtest
from torch import Tensor

from dass.data.task import Split, Task
from dass.errors import InvalidConfig, UnfitTeacher
from dass.networks.oracles.oracle import Classifier, Oracle
from dass.networks.oracles.preprocessing import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Preprocessing,
)

GAIN = 0.05
"""Accuracy that another order or normalisation must gain for the run to stop."""

TRIED = 1_000
"""Training images that are tried with each, at most."""

SHOWN = 5
"""Names that an error lists."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TeacherCheck:
    """How good a teacher is on the validation part."""

    accuracy: float
    """Share of the validation images that it classifies correctly."""
    low: float
    """Lower end of the 95 % interval (Wilson)."""
    high: float
    """Upper end."""
    images: int
    """Validation images."""
    chance: float
    """Share of the largest class among them: what a constant answer reaches."""

    def __str__(self) -> str:
        return (
            f"{100 * self.accuracy:.1f} % ({100 * self.low:.1f} to {100 * self.high:.1f}) of "
            f"{self.images} validation images; chance {100 * self.chance:.1f} %"
        )


def order_outputs(oracle: Classifier, class_names: Sequence[str]) -> Classifier:
    """Return a teacher whose outputs are the classes of the images, in their order.

    Where both have names these decide, compared without case, spaces and dashes; outputs that
    the images have no class for are left out. Without names it must have as many outputs.

    Args:
        oracle: The teacher, perhaps with names of its outputs.
        class_names: Names of the images' classes, in the order of the labels.

    Raises:
        InvalidConfig: There is no output for a class, or several.
    """
    count = len(class_names)
    if oracle.class_names is None:
        if oracle.num_classes != count:
            raise InvalidConfig(
                f"a teacher without class names must have one output for each of the {count} "
                f"classes, but {oracle.name} has {oracle.num_classes}: give weights fine-tuned on "
                f"these classes, or the names of its outputs, one a line, `--classes FILE`"
            )
        return oracle.with_outputs(range(count), class_names=class_names)
    plain = [_plain(name) for name in oracle.class_names]
    wanted = [_plain(name) for name in class_names]
    lacking = [n for n, each in zip(class_names, wanted, strict=True) if plain.count(each) != 1]
    if lacking or len(set(wanted)) < count:
        raise InvalidConfig(
            f"a teacher must have one output for each class of the images by its name, but "
            f"{len(lacking)} of {count} have none or several, {_listed(lacking)} say; the "
            f"outputs of {oracle.name} are called {_listed(oracle.class_names)}: rename the "
            f"classes, or name the outputs as the images do, `--classes FILE`"
        )
    return oracle.with_outputs([plain.index(each) for each in wanted], class_names=class_names)


def check_teacher(oracle: Oracle, task: Task, *, balanced: bool = False) -> TeacherCheck:
    """Measure a teacher; stop where its classes or pixels look mixed up.

    Args:
        oracle: Outputs in the order of the task's classes; see `order_outputs`.
        task: Read at the oracle's size, `oracle.preprocessing.resize`.
        balanced: Let every class count the same, so that a teacher of rare classes is not refused
            where always answering the most frequent one would be more often right.

    Raises:
        UnfitTeacher: It is near chance, or another order of its outputs or another
            normalisation gains more than 5 points on training images.
    """
    if oracle.num_classes != task.num_classes:
        raise InvalidConfig(
            f"a teacher must have one output for each of the {task.num_classes} classes, but "
            f"{oracle.name} has {oracle.num_classes}: order them first, `order_outputs`"
        )
    _check_remedies(oracle, task, balanced=balanced)
    hits = _hits(oracle, task.validation)
    right = int(hits.sum())
    images = len(task.validation)
    ends = binomtest(right, images).proportion_ci(0.95, method="wilson")
    chance = int(task.validation.labels.bincount().max()) / images
    found = TeacherCheck(
        accuracy=right / images,
        low=float(ends.low),
        high=float(ends.high),
        images=images,
        chance=chance,
    )
    known = balanced and _tells_classes_apart(hits, task.validation)
    if found.low <= chance and not known:
        raise UnfitTeacher(_near_chance(oracle, found))
    return found


def _check_remedies(oracle: Oracle, task: Task, *, balanced: bool) -> None:
    """Raise `UnfitTeacher` where another order or normalisation is much better in training."""
    tried = _some(task.train)
    hits = _hits(oracle, tried)
    remedies = _other_pixels(oracle, tried) if isinstance(oracle, Classifier) else []
    remedies.append(_other_order(oracle, tried, task.class_names))
    weights = _weights(tried.labels) if balanced else torch.ones(len(tried), dtype=torch.float64)
    best = max(remedies, key=lambda remedy: float((remedy.hits * weights).sum()))
    if _gains(hits, best.hits, weights):
        raise UnfitTeacher(
            f"{best.cause}: as it is {oracle.name} classifies {_percent(hits)} of {len(tried)} "
            f"training images correctly, otherwise {_percent(best.hits)}. If that is so, "
            f"{best.advice}"
        )


def normalisations(given: Preprocessing) -> dict[str, Preprocessing]:
    """Return the usual ways to normalise by what they are called, but for the given one."""
    grey, zero, one = (0.5, 0.5, 0.5), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    level = (1 / 255, 1 / 255, 1 / 255)
    usual = {
        "ImageNet's mean and std": replace(given, mean=IMAGENET_MEAN, std=IMAGENET_STD),
        "mean and std of 0.5": replace(given, mean=grey, std=grey),
        "pixels of 0 to 1": replace(given, mean=zero, std=one),
        "levels of 0 to 255": replace(given, mean=zero, std=level),
        "the other order of channels": replace(
            given, channels="RGB" if given.channels == "BGR" else "BGR"
        ),
    }
    return {name: each for name, each in usual.items() if each != given}


def best_order(
    predicted: Int64[np.ndarray, " n"], labels: Int64[np.ndarray, " n"], *, classes: int
) -> Int64[np.ndarray, " k"]:
    """Return the output of each class for which most predictions are right, one to one."""
    confusion = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(confusion, (labels, predicted), 1)
    _, columns = linear_sum_assignment(confusion, maximize=True)
    return np.asarray(columns, dtype=np.int64)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Remedy:
    """What would have made a teacher better on training images."""

    hits: Bool[Tensor, " n"]
    """Which images it then classifies correctly."""
    cause: str
    """What would be wrong with it as it is."""
    advice: str
    """What to give then."""


def _other_order(oracle: Oracle, tried: Split, class_names: Sequence[str]) -> _Remedy:
    """Fit an order on one half of the images and see what it does on the other, both ways.

    On the same images the best of so many orders gains by luck alone.
    """
    labels, classes = tried.labels.cpu().numpy(), len(class_names)
    predicted = oracle.logits(tried.images).argmax(1).cpu().numpy()
    halves = np.arange(len(labels)) % 2 == 0
    after = np.zeros(len(labels), dtype=bool)
    for half in (halves, ~halves):
        order = best_order(predicted[half], labels[half], classes=classes)
        after[~half] = order[labels[~half]] == predicted[~half]
    order = best_order(predicted, labels, classes=classes)
    names = [class_names[label] for label in np.argsort(order)]
    numbered = names == sorted(class_names, key=_by_number)
    cause = "Its classes are in another order than the images'"
    if numbered:
        cause = (
            "Its classes are in the order of their numbers, and folders sort `class10` before "
            "`class2`"
        )
    return _Remedy(
        hits=torch.from_numpy(after),
        cause=cause,
        advice="write these lines to a file and give `--classes FILE`:\n" + "\n".join(names),
    )


def _other_pixels(oracle: Classifier, tried: Split) -> list[_Remedy]:
    return [
        _Remedy(
            hits=_hits(oracle.with_preprocessing(each), tried),
            cause=f"Its pixels are normalised otherwise than it was trained with ({name})",
            advice=f"give `{oracle.preprocessing.flags(each)}`",
        )
        for name, each in normalisations(oracle.preprocessing).items()
    ]


def _near_chance(oracle: Oracle, found: TeacherCheck) -> str:
    before = oracle.preprocessing
    return (
        f"Its classes may be in another order than the images', or its pixels normalised "
        f"otherwise, or its head not trained, or the images be others: a teacher must be better "
        f"than chance, but {oracle.name} classifies {found} correctly. Give the names of its "
        f"outputs (`--classes FILE`), what it was trained with in place of size {before.size}, "
        f"mean {before.mean}, std {before.std}, {before.channels} (`--size`, `--mean`, `--std`, "
        f"`--channels`), weights with the head that was trained, or more validation images"
    )


def _some(part: Split) -> Split:
    """Return images of a part, each class by its share, the same every time."""
    rows = torch.randperm(len(part), generator=torch.Generator().manual_seed(0))[:TRIED]
    rows = rows.to(part.labels.device)
    return Split(part.images[rows], part.labels[rows])


def _hits(oracle: Oracle, part: Split) -> Bool[Tensor, " n"]:
    logits: Float[Tensor, "n k"] = oracle.logits(part.images)
    return (logits.argmax(1) == part.labels).cpu()


def _weights(labels: Int64[Tensor, " n"]) -> Float[Tensor, " n"]:
    """Return what each image counts where all classes among them count the same; 1 on average."""
    counts = labels.cpu().bincount()
    return len(labels) / (int((counts > 0).sum()) * counts[labels.cpu()].double())


def _tells_classes_apart(hits: Bool[Tensor, " n"], part: Split) -> bool:
    """Return whether the mean recall is above a constant answer's by more than luck."""
    labels = part.labels.cpu()
    counts = labels.bincount()
    counts, right = counts[counts > 0].double(), labels[hits].bincount(minlength=len(counts))
    right = right[labels.bincount() > 0].double()
    odds = (right + 1) / (counts + 2)  # all right is not certain
    error = float((odds * (1 - odds) / counts).sum().sqrt()) / len(counts)
    return float((right / counts).mean()) - 1.96 * error > 1 / len(counts)


def _gains(
    before: Bool[Tensor, " n"], after: Bool[Tensor, " n"], weights: Float[Tensor, " n"]
) -> bool:
    """Return whether accuracy gains more than `GAIN`, and more than images few would by luck."""
    changes = (after.double() - before.double()) * weights
    error = float(changes.std()) / sqrt(len(changes)) if len(changes) > 1 else 1.0
    return float(changes.mean()) > max(GAIN, 2 * error)


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name).casefold()


def _by_number(name: str) -> list[tuple[int, str]]:
    """Return a key by which `class2` sorts before `class10`."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def _percent(hits: Bool[Tensor, " n"]) -> str:
    return f"{100 * float(hits.double().mean()):.1f} %"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(map(repr, names[:SHOWN])) + more
