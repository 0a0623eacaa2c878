"""What a compression will take: one step of each kind is timed, and the minutes are shared out.

Decides how many students are verified and how long the last training is. Knows nothing of how
the steps are done.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch

from dass.data.task import Split, Task
from dass.networks.oracles.oracle import Classifier
from dass.networks.resnet import ResNet
from dass.pipeline.compression.asked import Asked
from dass.pipeline.compression.material import LEARNING_RATE, Plan
from dass.searching.verification import rungs
from dass.space.space import Space
from dass.training.batches import Online
from dass.training.distillation import train
from dass.training.recipe import Recipe

TRIED = 7
"""Times that up to `CHECKED` training pictures are asked when a teacher is checked."""

CHECKED = 1000
FIXED = {"search": 30.0, "export": 20.0, "report": 10.0}
"""Seconds of what hardly depends on the images."""

SHIPPED_SEARCH = 12.0
"""Of a search by the shipped predictor, which nothing is fitted for: 1 to 12 were seen."""

SHARE = 0.25
"""Of the minutes that the proxy, and the teacher's logits, may take each."""

FEWEST_EPOCHS, MOST_EPOCHS, MOST_VIEWS = 4, 60, 4

MOST_OF_PROXY = 30
"""Epochs of a proxy at most: what students inherit is only where they start from."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Costs:
    """Seconds that a picture takes, and what there is to do."""

    oracle: float
    """To ask the teacher."""
    largest: float
    """To train the largest student with, forwards and backwards."""
    student: float
    """To train a student with that costs as much as the budget allows."""
    train: int
    """Training pictures."""
    rest: int
    """Validation and test pictures."""


def measured_costs(
    oracle: Classifier, task: Task, source: Task, *, space: Space, batch_size: int, flops: int
) -> Costs:
    """Time the teacher on a few pictures, and one step of the largest and smallest student.

    Args:
        oracle: the teacher.
        task: images at the student's size.
        source: images at the oracle's size.
        space: of the students.
        batch_size: of training.
        flops: most that a student may have.
    """
    few = source.train.images[:4]
    asked = _seconds(lambda: oracle.logits(few)) / len(few)
    ends = [space.smallest, space.largest]
    small, large = (
        _step(ResNet(space, each, num_classes=task.num_classes), task, batch_size=batch_size)
        for each in ends
    )
    least, most = (float(n) for n in space.flops(ends, num_classes=task.num_classes))
    share = min(1.0, max(0.0, (flops - least) / max(1.0, most - least)))
    return Costs(
        oracle=asked,
        largest=large,
        student=small + share * (large - small),
        train=len(task.train),
        rest=len(task.validation) + len(task.test),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Sized:
    """One size of students' pictures, and what it costs to work on."""

    costs: Costs
    way: str
    """`family` or `proxy`."""
    space: str
    """Name of the space that is searched."""
    extrapolated: bool
    """Whether something must be verified."""
    latency: float = 0.0
    """Seconds that a table of milliseconds takes to be measured; 0 without one."""


def planned(asked: Asked, sizes: Mapping[str, Sized], *, batch_size: int) -> dict[str, Plan]:
    """Share the minutes out.

    What each size does for itself takes an equal share; the teacher is asked once for all,
    students of all sizes are verified together, and the last training is planned as if it were of
    the most expensive size.

    Args:
        asked: what was asked; numbers that are given are taken as they are.
        sizes: one or several, by what is written behind the names of their own steps.
        batch_size: of training.

    Returns:
        A plan of each; the steps' seconds are of all of them.
    """
    total, among = 60 * asked.minutes, len(sizes)
    views = _views(asked, next(iter(sizes.values())).costs, total)  # that all sizes share
    proxies = {name: _proxy(one, total / among) for name, one in sizes.items()}
    seconds = _beforehand(sizes, views=views, proxies=proxies)
    each = [max(1e-9, one.costs.student * one.costs.train) for one in sizes.values()]
    epoch, last = sum(each) / among, max(each)
    left = max(0.0, total - sum(seconds.values()))
    verify, longest = _verification(
        asked, left / epoch, among=among, extrapolated=any(s.extrapolated for s in sizes.values())
    )
    checks = sum(count for count, _ in _trained(verify, longest, among=among))
    trainings = 4 if asked.rivals else 1
    most = int((left - checks * epoch) / last / trainings)
    epochs = asked.epochs or min(MOST_EPOCHS, max(FEWEST_EPOCHS, most))
    seconds |= {"verify": checks * epoch, "distil": trainings * epochs * last}
    told = {step: round(value, 1) for step, value in seconds.items()}
    return {
        name: Plan(
            way=one.way, space=one.space, extrapolated=one.extrapolated, batch_size=batch_size,
            views=views, proxy_epochs=proxies[name], verify=verify, longest=longest,
            epochs=epochs, seconds=told, proxy_rate=LEARNING_RATE,
        )
        for name, one in sizes.items()
    }  # fmt: skip


def _beforehand(
    sizes: Mapping[str, Sized], *, views: int, proxies: Mapping[str, int]
) -> dict[str, float]:
    """Return seconds of the steps that depend on no choice."""
    asked_in, first = next((name, one.costs) for name, one in sizes.items())
    seconds = {"check": first.oracle * (TRIED * min(CHECKED, first.train) + first.rest)}
    for name, one in sizes.items():
        if one.latency:
            seconds[f"latency{name}"] = one.latency
        seconds[f"searchable{name}"] = proxies[name] * one.costs.largest * one.costs.train
        if name == asked_in:
            seconds[f"logits{name}"] = views * first.oracle * first.train
        seconds[f"search{name}"] = FIXED["search"] if one.extrapolated else SHIPPED_SEARCH
    return seconds | {name: value for name, value in FIXED.items() if name != "search"}


def _views(asked: Asked, costs: Costs, total: float) -> int:
    ask = costs.oracle * costs.train
    return asked.views or min(MOST_VIEWS, max(1, int(SHARE * total / max(ask, 1e-9))))


def _proxy(one: Sized, total: float) -> int:
    """Return the epochs of a proxy; 0 in the family."""
    if one.way != "proxy":
        return 0
    each = one.costs.largest * one.costs.train
    return min(MOST_OF_PROXY, max(FEWEST_EPOCHS, int(SHARE * total / max(each, 1e-9))))


def _verification(asked: Asked, left: float, *, among: int, extrapolated: bool) -> tuple[int, int]:
    """Return how many students are verified, and for how many epochs the best of them.

    Args:
        asked: what was asked.
        left: epochs of a student that there is time for.
        among: sizes of pictures, of each of which a student must be verified where they are
            several.
        extrapolated: whether something must be verified.
    """
    if asked.verify is not None:
        return asked.verify, 0 if asked.verify == 0 else _longest(asked.verify)
    least = 2 * among if among > 1 else 2
    for students in (16, 12, 8, 6, 4, 2):
        longest = _longest(students)
        cost = sum(n for n, _ in _trained(students, longest, among=among))
        if students >= least and cost <= left / 3:
            return students, longest
    return (least, _longest(least)) if extrapolated or among > 1 else (0, 0)


def _longest(students: int) -> int:
    return 4 if students > 2 else 2


def _trained(students: int, longest: int, *, among: int) -> Iterator[tuple[int, int]]:
    """Yield epochs trained in each round, and by how many students."""
    before, least = 0, max(2, among)
    for epochs, left in rungs(students, longest=longest, least=least) if students else ():
        yield (epochs - before) * left, left
        before = epochs


def _step(network: ResNet, task: Task, *, batch_size: int) -> float:
    """Return the seconds a picture of one training step, after one that is not counted."""
    rows = torch.arange(min(batch_size, len(task.train)))
    part = Split(task.train.images[rows], task.train.labels[rows])
    recipe = Recipe(epochs=2, batch_size=max(2, len(rows)), hard_weight=1.0)
    _, second = train(network, Online(part, padding=0, flip=False), recipe=recipe, seed=0)
    return second.seconds / len(rows)


def _seconds(work: Callable[[], object]) -> float:
    """Return the seconds that something takes the second time."""
    work()
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
