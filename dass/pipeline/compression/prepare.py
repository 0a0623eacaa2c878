"""Before work starts: the images of each size, between family and proxy, and the plan.

Knows nothing of the steps; nothing is trained but one batch against the clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from dass.data.task import Task
from dass.errors import InfeasibleBudget, InvalidConfig
from dass.networks.oracles.oracle import Classifier
from dass.networks.resnet import ResNet
from dass.networks.teacher import Teacher
from dass.pipeline.compression.answers import tasks_of
from dass.pipeline.compression.asked import Asked
from dass.pipeline.compression.estimate import Sized, measured_costs, planned
from dass.pipeline.compression.folder import Folder
from dass.pipeline.compression.latency_table import check_table, foreseen
from dass.pipeline.compression.material import Material, Plan, Say
from dass.pipeline.compression.measure import first_line
from dass.pipeline.compression.order import is_shipped
from dass.pipeline.compression.pictures import picture_size
from dass.pipeline.compression.searchable import family, proxy_space
from dass.space.space import Space

MOST = 64
"""Pixels of a student's pictures, where nothing is said and theirs are more."""

Ready = list[tuple[Material, ResNet | None]]
"""Of each size of students' images, and the teacher as a member of its own family if it is one."""


@dataclass(frozen=True, slots=True)
class _Size:
    """One size of students' images."""

    size: int
    network: ResNet | None
    """The teacher in its own family; None where it needs a proxy."""
    why: str
    space: Space


def prepared(
    asked: Asked, oracle: Classifier, *, folder: Folder, say: Say, kept: dict[str, Any] | None
) -> Ready:
    """Load the images, decide between family and proxy, and plan; a list of one for one size.

    Args:
        asked: what was asked.
        oracle: the teacher.
        folder: of all sizes.
        say: takes a line for the user.
        kept: the plan of before.

    Raises:
        InfeasibleBudget: no student of any size fits.
    """
    sizes = _sizes(asked, oracle)
    several = len(asked.sizes) > 1
    tasks, source, ordered = tasks_of(
        asked, oracle, sizes=[one.space.image_size for one in sizes], folder=folder, say=say
    )
    sizes = [_in_order(one, ordered) for one in sizes]
    wholes = [_whole(one.space, num_classes=tasks[0].num_classes) for one in sizes]
    each = [
        asked.of_size(one.size, space=one.space.name, largest=wholes[-1]) if several else asked
        for one in sizes
    ]
    for one in sizes:
        proxy = f"needs a proxy, the largest member of {one.space.name}: {_first(one.why)}"
        say(f"{oracle.name} " + (proxy if one.network is None else f"has students in {one.why}"))
    fits = _fitting(each, wholes, say=say)
    parts = {place: f"{sizes[place].size}px" if several else "" for place in fits}
    if kept is None:
        plans = _planned(
            asked, ordered, source=source,
            sizes={parts[i]: (each[i], sizes[i], tasks[i], wholes[i]) for i in fits},
        )  # fmt: skip
    else:
        plans = {part: Plan(**(kept["sizes"][part] if several else kept))
                 for part in parts.values()}  # fmt: skip

    def material(place: int) -> Material:
        part = parts[place]
        return Material(asked=each[place], oracle=ordered, task=tasks[place], source=source,
                        folder=folder.of(part), say=say, plan=plans[part])  # fmt: skip

    return [(material(place), sizes[place].network) for place in fits]


def plan_facts(ready: Ready) -> dict[str, Any]:
    """Return the plan as values of JSON; of several sizes a plan of each."""
    plans = {material.folder.part: material.plan.to_dict() for material, _ in ready}
    return plans.get("", {"sizes": plans})


def tell_plan(materials: Sequence[Material], *, minutes: float) -> None:
    """Say what will be done, and how long it will take."""
    first = materials[0]
    plan, task, say = first.plan, first.task, first.say
    total = sum(plan.seconds.values())
    pixels = " and ".join(str(one.task.image_size) for one in materials)
    say(
        f"{len(task.train)} pictures to train on, {len(task.validation)} to validate, "
        f"{len(task.test)} to test, of {pixels} px; {task.num_classes} classes"
    )
    say(f"    {first_line(first.asked, tested=len(task.test))}")
    width = max(10, *map(len, plan.seconds))
    for name, seconds in plan.seconds.items():
        say(f"    {name:<{width}} about {seconds:6.0f} s")
    say(
        f"estimate: {total / 60:.1f} of {minutes:g} minutes; "
        f"{plan.verify} students verified, the last training {plan.epochs} epochs"
    )
    if total > 60 * minutes:
        say("    that is the least that can be done: fewer pictures or a smaller size take less")


def _sizes(asked: Asked, oracle: Classifier) -> list[_Size]:
    found = []
    for wanted in asked.sizes:
        size = wanted or min(MOST, picture_size(asked.task.source))
        network, why = family(oracle, size=size)
        if network is None and wanted is None:
            size = min(size, 32)  # the shipped predictor's, and affordable on a CPU
        several = len(asked.sizes) > 1
        space = proxy_space(size, exactly=several) if network is None else network.space
        if not several:
            check_table(asked, space)
        found.append(_Size(size, network, why, space))
    return found


def _in_order(one: _Size, ordered: Classifier) -> _Size:
    """Return a size with the network's outputs in the order of the classes."""
    if one.network is None:
        return one
    return _Size(one.size, *family(ordered, size=one.size), one.space)


def _whole(space: Space, *, num_classes: int) -> Teacher:
    largest = ResNet(space, space.largest, num_classes=num_classes)
    return Teacher(name="largest", network=largest, accuracy=1.0)


def _fitting(each: Sequence[Asked], wholes: Sequence[Teacher], *, say: Say) -> list[int]:
    """Return the places of the sizes of which a student fits the budget.

    Raises:
        InfeasibleBudget: no size has one; of the smallest, where there are several.
    """
    fits, errors = [], []
    for place, (asked, whole) in enumerate(zip(each, wholes, strict=True)):
        network = whole.network
        try:
            network.space.check_budget(asked.budget(whole), num_classes=network.num_classes)
        except InfeasibleBudget as error:
            errors.append(error)
            if len(each) > 1:
                say(f"    {asked.student_size} px is left out: {error}")
        else:
            fits.append(place)
    if not fits:
        raise errors[0]
    return fits


def _planned(
    asked: Asked,
    oracle: Classifier,
    *,
    source: Task,
    sizes: Mapping[str, tuple[Asked, _Size, Task, Teacher]],
) -> dict[str, Plan]:
    """Return the plan of each size by its part of the folder."""
    batch_size = 64 if len(source.train) >= 512 else 16
    parts, found = {}, {}
    for part, (own, one, task, whole) in sizes.items():
        name = f" {task.image_size} px" if part else ""
        parts[name] = part
        found[name] = _sized(own, oracle, (task, source), one=one, whole=whole,
                             batch_size=batch_size)  # fmt: skip
    plans = planned(asked, found, batch_size=batch_size)
    least = min(task.image_size for _, _, task, _ in sizes.values())
    shared = None if "" in sizes else least  # so that views of the smallest are exact
    return {parts[name]: replace(plan, drawn_at=shared) for name, plan in plans.items()}


def _sized(
    asked: Asked,
    oracle: Classifier,
    tasks: tuple[Task, Task],
    *,
    one: _Size,
    whole: Teacher,
    batch_size: int,
) -> Sized:
    (task, source), space = tasks, one.space
    most, seconds = asked.budget(whole).max_flops or whole.flops, 0.0
    if asked.max_latency_ms is not None:
        limit = foreseen(asked, space, num_classes=task.num_classes)
        most, seconds = min(most, limit.flops), limit.seconds
    with torch.random.fork_rng(devices=[]):
        costs = measured_costs(
            oracle, task, source, space=space, batch_size=batch_size, flops=most
        )
    extrapolated = not is_shipped(space.name)
    if extrapolated and asked.verify == 0:
        raise InvalidConfig(
            f"`verify >= 1` must hold where the order is by extrapolation, but got 0 for space "
            f"{space.name}, of which no predictor is: leave it out"
        )
    return Sized(
        costs=costs,
        way="proxy" if one.network is None else "family",
        space=space.name,
        extrapolated=extrapolated,
        latency=seconds,
    )


def _first(text: str) -> str:
    """Return a long reason in short."""
    return text.partition(", but ")[2].partition(";")[0] or text
