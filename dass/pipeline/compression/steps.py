"""The whole way of a compression, step by step; each is done once, however often it is asked.

The door: `compress`. Knows nothing of command lines.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from dass.data.seen import read_names
from dass.data.task_config import TaskConfig
from dass.errors import InfeasibleBudget, InvalidConfig, StorageError
from dass.evaluation.class_scores import class_scores
from dass.networks.oracles.oracle import Classifier, Oracle, classifier_of
from dass.networks.resnet import ResNet
from dass.pipeline.compression import choose, finish, outcome
from dass.pipeline.compression.answers import commonest
from dass.pipeline.compression.asked import Asked, limits_of
from dass.pipeline.compression.folder import Folder
from dass.pipeline.compression.latency_table import measure_table, measured_here
from dass.pipeline.compression.material import Elsewhere, Material, Say
from dass.pipeline.compression.onnx_runs import teacher_milliseconds
from dass.pipeline.compression.order import Order
from dass.pipeline.compression.prepare import plan_facts, prepared, tell_plan
from dass.pipeline.compression.searchable import make_searchable
from dass.pipeline.teacher_check import check_teacher
from dass.space.cost import Budget

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
    asked: Asked,
    oracle: Classifier,
    *,
    into: str,
    say: Say = print,
    elsewhere: Elsewhere | None = None,
    last: str | None = None,
    order: Order | None = None,
) -> dict[str, Any]:
    """Do what is asked, step by step, to the end or to the `last`, `verify` or later.

    Each of several sizes of the student's images is searched by itself; `verify` chooses among
    all, and the rest is done for the size that it chose. `elsewhere` does trainings of students in
    other processes, which `material_of` makes what they need. An `order` of the space that is
    searched stands for the one that `order_for` returns.
    """
    folder = Folder(into)
    started = time.perf_counter()
    told = asked.to_dict() | {"teacher": oracle.identity}
    kept = folder.plan(told)
    ready = prepared(asked, oracle, folder=folder, say=say, kept=kept)
    folder.keep_plan(told, plan_facts(ready) if kept is None else kept)
    folder.spend("prepare", time.perf_counter() - started)
    kept_order = {} if order is None else {"order": order}
    materials = [replace(one, elsewhere=elsewhere, kept=one.kept | kept_order) for one, _ in ready]
    tell_plan(materials, minutes=asked.minutes)
    own = [_own_steps(asked, network) for _, network in ready]
    following = _following(materials, own)
    found = {"check": _done(materials[0], "check", check, following=following)}
    for one in materials[1:]:
        one.folder.finish("check", found["check"])
    chosen, chosen_facts = _chosen(materials, own, following=following, folder=folder)
    found |= chosen_facts
    chosen.kept["found"] = found
    remaining = LAST if last != "verify" else {}
    for name, work in remaining.items():
        found[name] = _done(chosen, name, work, following=following, folder=folder)
        if name == last:
            break
    return found


def _chosen(
    materials: Sequence[Material],
    own: Sequence[Mapping[str, Callable[[Material], Found]]],
    *,
    following: Mapping[str, str],
    folder: Folder,
) -> tuple[Material, dict[str, Any]]:
    """Search each size and verify among all; return the size of the choice, and what was found."""
    each = zip(materials, own, strict=True)
    alone = [(one, _alone(one, steps, following=following)) for one, steps in each]
    searched = {one.task.image_size: (one, facts) for one, facts in alone if "search" in facts}
    if not searched:
        raise InfeasibleBudget(alone[0][1]["latency"]["infeasible"])
    among = [one for one, _ in searched.values()]
    verified = _done(among[0], "verify", lambda _: choose.verify_students(among),
                     following=following, folder=folder)  # fmt: skip
    chosen, facts = searched[verified.get("size", among[0].task.image_size)]
    sizes = {}
    if chosen.folder.part:
        chosen.folder.finish("verify", verified)
        sizes = {"sizes": {one.folder.part: own for one, own in alone}}
    return chosen, {**sizes, **facts, "verify": verified}


def _following(
    materials: Sequence[Material], own: Sequence[Mapping[str, Callable[[Material], Found]]]
) -> dict[str, str]:
    """Return by each step, as it is told, the next."""
    sizes = zip(materials, own, strict=True)
    each = [f"{name}{one.label}" for one, steps in sizes for name in steps]
    names = ["check", *each, "verify", *LAST]
    return dict(zip(names, [*names[1:], "nothing: it is done"], strict=True))


def material_of(asked: Asked, oracle: Classifier, *, into: str) -> dict[str, Material]:
    """Return what trainings of a compression that goes on elsewhere need, by part of its folder.

    Raises:
        StorageError: the folder is not seen from here.
    """
    folder = Folder(into)
    kept = folder.plan(asked.to_dict() | {"teacher": oracle.identity})
    if kept is None:
        raise StorageError(
            f"every node must see the folder of the compression under its path, but there is no "
            f"plan in {folder.store.root} on {platform.node()}: give `--into` a folder of a "
            "shared file system"
        )
    ready = prepared(asked, oracle, folder=folder, say=lambda _: None, kept=kept)
    return {material.folder.part: material for material, _ in ready}


LAST: dict[str, Callable[[Material], Found]] = {
    "distil": finish.distil_student,
    "export": finish.export_student,
    "report": outcome.tell,
}
"""Steps after a student is chosen."""


def _alone(
    material: Material,
    steps: Mapping[str, Callable[[Material], Found]],
    *,
    following: Mapping[str, str],
) -> dict[str, Any]:
    """Do what one size does for itself; only the table where nobody of it keeps the limit."""
    found: dict[str, Any] = {}
    for name, work in steps.items():
        found[name] = _done(material, name, work, following=following)
        if "infeasible" in found[name]:
            break
    return found


def _table(material: Material) -> Found:
    """Measure a table; that nobody keeps the limit ends only a compression of one size."""
    try:
        return measure_table(material)
    except InfeasibleBudget as error:
        if not material.folder.part:
            raise
        return {"infeasible": str(error)}, f"left out: {error}"


def _own_steps(asked: Asked, network: ResNet | None) -> dict[str, Callable[[Material], Found]]:
    """Return the steps that each size has for itself."""
    return {
        **({"latency": _table} if measured_here(asked) else {}),
        "searchable": lambda material: make_searchable(material, network),
        "search": choose.search_students,
        "logits": ask,
    }


def _done(
    material: Material,
    name: str,
    work: Callable[[Material], Found],
    *,
    following: Mapping[str, str],
    folder: Folder | None = None,
) -> dict[str, Any]:
    """Return what a step found, now or before.

    Args:
        material: that it works on.
        name: of the step.
        work: does it.
        following: by each step, the next.
        folder: whose step it is; that of the material where none is given.
    """
    joint = folder is not None or name == "check"
    label, folder = name if joint else f"{name}{material.label}", folder or material.folder
    before = folder.found(name)
    if before is not None:
        material.say(f"{label}: done before")
        return before
    started = time.perf_counter()
    try:
        facts, line = work(material)
    finally:
        seconds = time.perf_counter() - started
        folder.spend(label, seconds)
    folder.finish(name, facts)
    material.say(f"{label}: {line} ({seconds:.0f} s); next: {following[label]}")
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
    once = ", of all sizes once" if material.plan.drawn_at else ""
    return {"views": views}, f"the teacher was asked about {views} views of {count} pictures{once}"
