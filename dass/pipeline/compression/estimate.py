"""What a compression will take: one step of each kind is timed, and the minutes are shared out.

Decides how many students are verified and how long the last training is. Knows nothing of how
the steps are done.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch

from dass.data.task import Split, Task
from dass.networks.oracles.oracle import Classifier
from dass.networks.resnet import ResNet
from dass.pipeline.compression.asked import Asked
from dass.pipeline.compression.material import Plan
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

SHARE = 0.25
"""Of the minutes that the proxy, and the teacher's logits, may take each."""

FEWEST_EPOCHS, MOST_EPOCHS, MOST_VIEWS = 4, 60, 4


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


def planned(
    asked: Asked,
    costs: Costs,
    *,
    way: str,
    space: str,
    extrapolated: bool,
    batch_size: int,
    latency: float = 0.0,
) -> Plan:
    """Share the minutes out.

    Args:
        asked: what was asked; numbers that are given are taken as they are.
        costs: seconds a picture.
        way: `family` or `proxy`.
        space: that is searched.
        extrapolated: whether something must be verified.
        batch_size: of training.
        latency: seconds that a table of milliseconds takes to be measured; 0 without one.
    """
    total = 60 * asked.minutes
    ask, epoch = costs.oracle * costs.train, costs.student * costs.train
    views = asked.views or min(MOST_VIEWS, max(1, int(SHARE * total / max(ask, 1e-9))))
    proxy = 0
    if way == "proxy":
        each = costs.largest * costs.train
        proxy = min(MOST_EPOCHS, max(FEWEST_EPOCHS, int(SHARE * total / max(each, 1e-9))))
    seconds = {
        "check": costs.oracle * (TRIED * min(CHECKED, costs.train) + costs.rest),
        **({"latency": latency} if latency else {}),
        "searchable": proxy * costs.largest * costs.train,
        "logits": views * ask,
        **FIXED,
    }
    left = max(0.0, total - sum(seconds.values())) / max(epoch, 1e-9)  # in epochs of a student
    verify, longest = _verification(asked, left, extrapolated=extrapolated)
    checks = sum(count for count, _ in _trained(verify, longest))
    trainings = 4 if asked.rivals else 1
    most = int((left - checks) / trainings)
    epochs = asked.epochs or min(MOST_EPOCHS, max(FEWEST_EPOCHS, most))
    seconds |= {"verify": checks * epoch, "distil": trainings * epochs * epoch}
    plan = Plan(
        way=way, space=space, extrapolated=extrapolated, batch_size=batch_size, views=views,
        proxy_epochs=proxy, verify=verify, longest=longest, epochs=epochs,
    )  # fmt: skip
    return replace(plan, seconds={step: round(value, 1) for step, value in seconds.items()})


def _verification(asked: Asked, left: float, *, extrapolated: bool) -> tuple[int, int]:
    """Return how many students are verified, and for how many epochs the best of them."""
    if asked.verify is not None:
        return asked.verify, 0 if asked.verify == 0 else _longest(asked.verify)
    for students in (16, 12, 8, 6, 4, 2):
        longest = _longest(students)
        if sum(n for n, _ in _trained(students, longest)) <= left / 3:
            return students, longest
    return (2, _longest(2)) if extrapolated else (0, 0)


def _longest(students: int) -> int:
    return 4 if students > 2 else 2


def _trained(students: int, longest: int) -> Iterator[tuple[int, int]]:
    """Yield epochs trained in each round, and by how many students."""
    before = 0
    for epochs, left in rungs(students, longest=longest) if students else ():
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
