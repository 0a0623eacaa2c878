"""What a build is to publish: teachers and students, expanded from one config, in one order.

Pure: knows nothing of stores, of workers, or of what is done already.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import torch

from dass.data.task_config import Role, TaskConfig
from dass.predictor.records import Identity
from dass.space.architecture import Architecture
from dass.space.sampling import stratified
from dass.space.spaces import by_name
from dass.training.recipe import Recipe
from jobs.configs.build import BuildConfig, LabelPlan, SplitPlan

_named: dict[int, tuple[TaskConfig | Recipe, str]] = {}
_MOST_NAMED = 4096


def _name(value: TaskConfig | Recipe) -> str:
    """Return the name of a task or a recipe, hashed once: thousands of students share each."""
    # By identity, not by value: 1 and 1.0 are equal, and names of fields of them are not. The
    # value is kept beside its name, so that no other object gets its id.
    found = _named.get(id(value))
    if found is None:
        if len(_named) >= _MOST_NAMED:
            _named.clear()
        found = _named[id(value)] = value, value.name
    return found[1]


# --- the plan ------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class TeacherPlan:
    """One teacher to train."""

    task: TaskConfig
    space: str
    recipe: Recipe
    seed: int

    @property
    def name(self) -> str:
        """Identity of the teacher."""
        return f"{self.space}.{_name(self.task)}.{_name(self.recipe)}.{self.seed}"


@dataclass(frozen=True, kw_only=True, slots=True)
class StudentPlan:
    """One student to distil."""

    teacher: str
    task: TaskConfig
    space: str
    architecture: Architecture
    recipe: Recipe
    seed: int

    @property
    def identity(self) -> Identity:
        """Identity of the record it will become."""
        return Identity(
            space=self.space,
            task=_name(self.task),
            teacher=self.teacher,
            architecture=str(self.architecture),
            recipe=_name(self.recipe),
            seed=self.seed,
        )


def plan_teachers(config: BuildConfig) -> list[tuple[TeacherPlan, Role]]:
    """Expand the config into teachers, always in the same order."""
    plans = []
    for split, task in _tasks(config):
        first = range(split.labels.teachers or config.teachers)
        recipes = [(config.teacher, seed) for seed in first]
        if split.labels.weak_teacher is not None:
            recipes.append((split.labels.weak_teacher, 0))
        for recipe, seed in recipes:
            plan = TeacherPlan(task=task, space=config.space, recipe=recipe, seed=seed)
            plans.append((plan, split.role))
    return plans


def plan_students(config: BuildConfig, teachers: Sequence[TeacherPlan]) -> list[StudentPlan]:
    """Expand the config into students, always in the same order, no identity twice.

    Args:
        config: the build.
        teachers: those of its teachers that there are.
    """
    space = by_name(config.space)
    pool = stratified(space, config.pool, seed=config.seed)
    labels = {task.name: split.labels for split, task in _tasks(config)}
    plans = {}
    for teacher in teachers:
        wanted = labels.get(teacher.task.name, LabelPlan())
        extra = teacher.recipe == wanted.weak_teacher
        own = 0 if extra else _number(wanted.per_task, config.per_task)
        # A task's own draws depend on the task, so that tasks differ and order does not matter.
        seed = int(teacher.task.name.rsplit("-", 1)[1], 16) + config.seed
        drawn = space.sample(own, generator=torch.Generator().manual_seed(seed))
        seeds = range(1 if extra else _number(wanted.seeds, config.seeds))
        ce_only = replace(config.student, hard_weight=1.0)
        trainings = [(a, config.student, run) for a, run in product([*pool, *drawn], seeds)]
        if not extra:
            trainings += [(a, ce_only, 0) for a in pool[: wanted.ce_only]]
        for architecture, recipe, run in trainings:
            plan = StudentPlan(
                teacher=teacher.name,
                task=teacher.task,
                space=config.space,
                architecture=architecture,
                recipe=recipe,
                seed=run,
            )
            plans[plan.identity.key] = plan
    return list(plans.values())


def _tasks(config: BuildConfig) -> list[tuple[SplitPlan, TaskConfig]]:
    return [
        (split, task)
        for split in config.splits
        for task in split.configs(config.source, val=config.val, test=config.test)
    ]


def _number(own: int | None, general: int) -> int:
    return general if own is None else own
