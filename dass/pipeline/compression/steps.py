"""The whole way of a compression, step by step; each is done once, however often it is asked.

The door: `compress`. Knows nothing of command lines.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from dass.data.seen import read_names
from dass.data.task import Task
from dass.data.task_config import TaskConfig
from dass.errors import InvalidConfig
from dass.evaluation.class_scores import class_scores
from dass.networks.oracles.oracle import Classifier, Oracle, classifier_of
from dass.networks.resnet import ResNet
from dass.networks.teacher import Teacher
from dass.pipeline.compression import choose, finish, outcome
from dass.pipeline.compression.answers import commonest, tasks_of
from dass.pipeline.compression.asked import Asked, limits_of
from dass.pipeline.compression.estimate import measured_costs, planned
from dass.pipeline.compression.folder import Folder
from dass.pipeline.compression.latency_table import (
    check_table,
    foreseen,
    measure_table,
    measured_here,
)
from dass.pipeline.compression.material import Material, Plan, Say
from dass.pipeline.compression.measure import first_line
from dass.pipeline.compression.onnx_runs import teacher_milliseconds
from dass.pipeline.compression.order import SHIPPED_SPACE
from dass.pipeline.compression.pictures import picture_size
from dass.pipeline.compression.searchable import family, make_searchable, proxy_space
from dass.pipeline.teacher_check import check_teacher
from dass.space.cost import Budget

MOST = 64
"""Pixels of a student's pictures, where nothing is said and theirs are more."""

Found = tuple[dict[str, Any], str]
"""What a step found, as values of JSON, and a line about it."""


def compress(
    teacher: nn.Module | Classifier | Oracle,
    images: TaskConfig | str,
    *,
    budget: Budget | float | None = None,
    into: str,
    teacher_split: str | Path | None = None,
    say: Say = print,
    **settings: Any,
) -> dict[str, Any]:
    """Make a finished student of a teacher: searched, verified, distilled, exported, reported.

    The same call goes on where it was stopped.

    Args:
        teacher: a torch module, or an oracle (`dass.load_oracle`).
        images: what it is trained, validated and tested on: `folder:PATH`, or a whole task.
        budget: what the student may cost, or the fraction of the largest student's FLOPs; a half
            of these where neither it nor `max_latency_ms` is given.
        into: a folder of this machine for all that is made.
        teacher_split: a text file with the pictures that the teacher was trained on, one path in
            the folder a line: they are never validated or tested on.
        say: takes each line for the user.
        settings: fields of `Asked`: max_latency_ms (on this machine), minutes, student_size,
            verify, epochs, rivals, balanced, unlabelled, ...

    Returns:
        What each step found, by its name.

    Raises:
        UnfitTeacher: the teacher does not know the images; says what may be wrong.
        InfeasibleBudget: no student fits; says what the cheapest, or the fastest, costs.
        InvalidConfig: a setting is out of range, or teacher and images do not fit.
        NameTaken: the folder holds what something else was asked for.
    """
    config = TaskConfig(source=images) if isinstance(images, str) else images
    if teacher_split is not None:
        config = replace(config, seen=read_names(teacher_split))
    asked = Asked(task=config, **(limits_of(budget, settings) | settings))
    oracle = classifier_of(teacher) if isinstance(teacher, nn.Module) else teacher
    if not isinstance(oracle, Classifier):
        raise InvalidConfig(
            f"a teacher must be a torch module or what `dass.load_oracle` returns, but got "
            f"{type(oracle).__name__}: wrap it, `classifier_of(function)`"
        )
    return run(asked, oracle, into=into, say=say)


def run(
    asked: Asked, oracle: Classifier, *, into: str, say: Say = print, last: str | None = None
) -> dict[str, Any]:
    """Do what is asked, step by step, to the end or to the `last` of them; see `compress`."""
    folder = Folder(into)
    started = time.perf_counter()
    told = asked.to_dict() | {"teacher": oracle.identity}
    kept = folder.plan(told)
    material, network = _prepared(asked, oracle, folder=folder, say=say, kept=kept)
    if kept is None:
        folder.keep_plan(told, material.plan.to_dict())
    folder.spend("prepare", time.perf_counter() - started)
    _tell_plan(material)
    steps = _steps(asked, network)
    found: dict[str, Any] = {}
    material.kept["found"] = found
    for place, (name, work) in enumerate(steps.items()):
        following = list(steps)[place + 1] if place + 1 < len(steps) else "nothing: it is done"
        found[name] = _done(material, name, work, following=following)
        if name == last:
            break
    return found


def _steps(asked: Asked, network: ResNet | None) -> dict[str, Callable[[Material], Found]]:
    return {
        "check": check,
        **({"latency": measure_table} if measured_here(asked) else {}),
        "searchable": lambda material: make_searchable(material, network),
        "search": choose.search_students,
        "logits": ask,
        "verify": choose.verify_students,
        "distil": finish.distil_student,
        "export": finish.export_student,
        "report": outcome.tell,
    }


def _done(
    material: Material, name: str, work: Callable[[Material], Found], *, following: str
) -> dict[str, Any]:
    """Return what a step found, now or before."""
    before = material.folder.found(name)
    if before is not None:
        material.say(f"{name}: done before")
        return before
    started = time.perf_counter()
    try:
        facts, line = work(material)
    finally:
        seconds = time.perf_counter() - started
        material.folder.spend(name, seconds)
    material.folder.finish(name, facts)
    material.say(f"{name}: {line} ({seconds:.0f} s); next: {following}")
    return facts


def check(material: Material) -> Found:
    """Measure the teacher; stop where its classes or pixels look mixed up."""
    oracle, source, classes = material.oracle, material.source, material.source.num_classes
    if material.measure.agreement:
        label, share = commonest(source.train.labels)
        used = int((source.train.labels.bincount() > 0).sum())
        line = (
            f"answers with {used} of its {classes} classes, most "
            f"often {source.class_names[label]!r}, to {100 * share:.1f} % of training images"
        )
        accuracy, predicted = 1.0, source.test.labels
    else:
        found = check_teacher(oracle, source, balanced=material.asked.balanced)
        accuracy, line = found.accuracy, f"knows {found}"
        predicted = oracle.logits(source.test.images).argmax(1).to(source.test.labels.device)
    test = class_scores(predicted, source.test.labels, classes=classes)
    taken, run_by = teacher_milliseconds(oracle)
    facts = {
        "accuracy": accuracy,
        "test": test.to_dict(),
        "milliseconds": taken,
        "run": run_by,
    }
    return facts, f"{oracle.name} {line}; {taken:.1f} ms a picture"


def ask(material: Material) -> Found:
    """Ask the teacher about every view of the training pictures; all later steps read that."""
    material.batches()
    views, count = material.plan.views, len(material.task.train)
    return {"views": views}, f"the teacher was asked about {views} views of {count} pictures"


def _prepared(
    asked: Asked, oracle: Classifier, *, folder: Folder, say: Say, kept: dict[str, Any] | None
) -> tuple[Material, ResNet | None]:
    """Load the images, decide between family and proxy, and plan; nothing is trained."""
    config = asked.task
    size = asked.student_size or min(MOST, picture_size(config.source))
    network, why = family(oracle, size=size)
    if network is None and asked.student_size is None:
        size = min(size, 32)  # the shipped predictor's, and affordable on a CPU
    space = proxy_space(size) if network is None else network.space
    check_table(asked, space)
    task, source, ordered = tasks_of(asked, oracle, size=space.image_size, folder=folder, say=say)
    if network is not None:
        network, why = family(ordered, size=size)
    proxy = f"needs a proxy, the largest member of {space.name}: {_first(why)}"
    say(f"{oracle.name} " + (proxy if network is None else f"has students in {why}"))
    largest = ResNet(space, space.largest, num_classes=task.num_classes)
    whole = Teacher(name="largest", network=largest, accuracy=1.0)
    budget = asked.budget(whole)
    space.check_budget(budget, num_classes=task.num_classes)
    plan = Plan(**kept) if kept is not None else _plan(
        asked, ordered, (task, source), whole=whole, way="proxy" if network is None else "family"
    )  # fmt: skip
    material = Material(
        asked=asked, oracle=ordered, task=task, source=source, folder=folder, say=say, plan=plan
    )
    return material, network


def _plan(
    asked: Asked, oracle: Classifier, tasks: tuple[Task, Task], *, whole: Teacher, way: str
) -> Plan:
    task, source = tasks
    space = whole.network.space
    batch_size = 64 if len(task.train) >= 512 else 16
    most, seconds = asked.budget(whole).max_flops or whole.flops, 0.0
    if asked.max_latency_ms is not None:
        limit = foreseen(asked, space, num_classes=task.num_classes)
        most, seconds = min(most, limit.flops), limit.seconds
    with torch.random.fork_rng(devices=[]):
        costs = measured_costs(
            oracle, task, source, space=space, batch_size=batch_size, flops=most
        )
    extrapolated = space.name != SHIPPED_SPACE
    if extrapolated and asked.verify == 0:
        raise InvalidConfig(
            f"`verify >= 1` must hold where the order is by extrapolation, but got 0 for space "
            f"{space.name}, of which no predictor is: leave it out"
        )
    return planned(asked, costs, way=way, space=space.name, extrapolated=extrapolated,
                   batch_size=batch_size, latency=seconds)  # fmt: skip


def _tell_plan(material: Material) -> None:
    plan, task, say = material.plan, material.task, material.say
    total = sum(plan.seconds.values())
    say(
        f"{len(task.train)} pictures to train on, {len(task.validation)} to validate, "
        f"{len(task.test)} to test, of {task.image_size} px; {task.num_classes} classes"
    )
    say(f"    {first_line(material.asked, tested=len(task.test))}")
    for name, seconds in plan.seconds.items():
        say(f"    {name:<10} about {seconds:6.0f} s")
    say(
        f"estimate: {total / 60:.1f} of {material.asked.minutes:g} minutes; "
        f"{plan.verify} students verified, the last training {plan.epochs} epochs"
    )
    if total > 60 * material.asked.minutes:
        say("    that is the least that can be done: fewer pictures or a smaller size take less")


def _first(text: str) -> str:
    """Return a long reason in short."""
    return text.partition(", but ")[2].partition(";")[0] or text
