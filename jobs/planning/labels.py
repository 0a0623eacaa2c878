"""Labels as meta-training takes them: a store's records by teacher and role, embedded.

Knows nothing of how predictors are trained.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dass.data.origins import origin
from dass.data.task_config import Role
from dass.errors import InvalidData
from dass.networks.teacher import Teacher
from dass.predictor.crossfit import Lesson
from dass.predictor.episode import Episode, episode
from dass.predictor.level import Facts
from dass.predictor.ood import statistics
from dass.predictor.records import FIRST_CLOSED_LOOP_SEED, StudentRecord, mean_over_seeds
from dass.predictor.surrogate_fit import Students
from dass.registry.registry import Registry
from dass.space.architecture import Architecture
from dass.space.spaces import by_name
from jobs import console


@dataclass(frozen=True, slots=True)
class Measured:
    """A teacher, its students, and what they reached on the validation part."""

    name: str
    """Of the teacher."""
    num_classes: int
    """Of its task."""
    teacher: Teacher | None
    """`None` where only its students' embeddings are at hand."""
    records: Sequence[StudentRecord]
    """One per architecture: accuracies are means over seeds."""
    episode: Episode


def gather(
    registry: Registry, *, space: str, recipe: str | None, device: str, heard: bool = True
) -> tuple[str, Mapping[Role, list[Measured]]]:
    """Read the records of one space and recipe, by the role of their task.

    Args:
        registry: where they are.
        space: name of the search space.
        recipe: of the students; `None` where there is one.
        device: of the feature maps.
        heard: whether a network hears the students; a store without their feature maps does else.

    Returns:
        The recipe's name, and the teachers of each role with at least two students.

    Raises:
        InvalidData: there are no such records, or there are several recipes to choose from.
    """
    records = [
        record
        for record in registry.records()
        if record.space == space and record.seed < FIRST_CLOSED_LOOP_SEED
    ]
    known = sorted({record.recipe for record in records})
    if recipe is None:
        if len(known) != 1:
            raise InvalidData(
                f"`recipe` must be one of those of {registry.store.root}, {known}, if it has "
                f"not exactly one for space {space!r}; build records or name one"
            )
        recipe = known[0]
    groups: dict[str, list[StudentRecord]] = defaultdict(list)
    for record in records:
        if record.recipe == recipe:
            groups[record.teacher].append(record)
    roles = registry.roles()
    found: dict[Role, list[Measured]] = {"train": [], "validation": [], "unseen": []}
    with console.bar(total=len(groups), title="embedding", unit="teachers") as bar:
        for name in sorted(groups):
            group = mean_over_seeds(groups[name])
            role = roles.get(group[0].task)
            if role is not None and len(group) > 1:
                found[role].append(_measured(registry, name, group, device=device, heard=heard))
            bar.update()
    return recipe, found


def _measured(
    registry: Registry, name: str, records: Sequence[StudentRecord], *, device: str, heard: bool
) -> Measured:
    if not registry.has_teacher(name) and registry.has_embeddings(name):
        kept = registry.embeddings(name)
        found = kept.episode(records, heard=heard).to(device)
        return Measured(name, kept.num_classes, None, records, found)
    teacher = registry.teacher(name)
    teacher.network.to(device)
    architectures = [Architecture.parse(record.architecture) for record in records]
    accuracies = [record.validation_accuracy for record in records]
    found = episode(teacher, architectures, accuracies)
    return Measured(name, teacher.network.num_classes, teacher, records, found)


def episodes_of(data: Mapping[Role, Sequence[Measured]]) -> tuple[list[Episode], list[Episode]]:
    """Return the meta-training episodes and those of validation.

    Raises:
        InvalidData: there are none of one sort.
    """
    episodes, validation = ([m.episode for m in data[role]] for role in ("train", "validation"))
    if not episodes or not validation:
        raise InvalidData(
            "the store must have records of tasks to train on and of tasks to validate on, but "
            f"has {len(episodes)} and {len(validation)} such teachers; label some with jobs.build "
            "and `--splits.0.role`"
        )
    return episodes, validation


def lessons_of(
    registry: Registry, data: Mapping[Role, Sequence[Measured]], roles: Sequence[Role]
) -> list[Lesson]:
    """Return the labelled teachers of some roles, each with the origin of its task's images."""
    tasks = registry.tasks()
    found = []
    for measured in (one for role in roles for one in data[role]):
        config, _ = tasks[measured.records[0].task]
        facts = Facts(float(measured.episode.support_accuracies[0]), measured.num_classes)
        students = Students.of(
            by_name(measured.records[0].space),
            measured.records,
            facts,
            statistics=statistics(
                measured.episode.teacher_feature_map, facts.accuracy, facts.num_classes
            ),
            group=origin(config.source),
        )
        found.append(Lesson(students, measured.episode))
    return found
