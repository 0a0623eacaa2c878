"""What labelled students and a sample of the space inherit: kept, or measured here.

Measured where a teacher and the images of its task are at hand, and kept in the store. Knows
nothing of how predictors are trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from dass.data.task import load_task
from dass.errors import DassError
from dass.networks.inheritance import Inherited, Shown, inheritance
from dass.predictor.crossfit import Lesson
from dass.predictor.ensemble import sample_of
from dass.registry.inherited import Rows, read_inherited, write_inherited
from dass.registry.registry import Registry
from dass.space.architecture import Architecture
from dass.space.spaces import by_name
from jobs import console
from jobs.planning.labels import Measured


def with_inherited(
    registry: Registry, lessons: Sequence[Lesson], measured: Sequence[Measured], *, data_root: str
) -> list[Lesson]:
    """Return lessons whose students know what they inherit, where that can be known.

    A teacher whose network or whose images are not at hand is left as it is.
    """
    named = {one.name: one for one in measured}
    found = []
    with console.bar(total=len(lessons), title="inheritances", unit="teachers") as bar:
        for lesson in lessons:
            one = named[lesson.students.teacher]
            kept = _kept_or_measured(registry, one, data_root=data_root)
            asked, sample = _architectures(one)
            if all(architecture in kept for architecture in (*asked, *sample)):
                rows, beside = (
                    torch.tensor([kept[a] for a in names], dtype=torch.float64)
                    for names in (asked, sample)
                )
                inherited = Inherited(students=rows, sample=beside)
                lesson = replace(lesson, students=replace(lesson.students, inherited=inherited))
            found.append(lesson)
            bar.update()
    return found


def _kept_or_measured(registry: Registry, one: Measured, *, data_root: str) -> Rows:
    kept = dict(read_inherited(registry.store, one.name))
    asked, sample = _architectures(one)
    missing = [name for name in dict.fromkeys([*asked, *sample]) if name not in kept]
    if not missing or one.teacher is None or one.teacher.task is None:
        return kept
    network = one.teacher.network
    try:
        task = load_task(
            one.teacher.task, image_size=network.space.image_size, data_root=data_root
        )
        shown = Shown.of(network, task.train.images)
    except (DassError, OSError):  # images are not at hand, or too few: others' may do
        return kept
    rows = inheritance(network, [Architecture.parse(each) for each in missing], shown)
    kept |= {each: tuple(row) for each, row in zip(missing, rows.tolist(), strict=True)}
    write_inherited(registry.store, one.name, kept)
    return kept


def _architectures(one: Measured) -> tuple[list[str], list[str]]:
    """Return the labelled students, and the sample that they stand among."""
    labelled = [record.architecture for record in one.records]
    return labelled, [str(a) for a in sample_of(by_name(one.records[0].space))]
