"""What a build is to publish: teachers and students, expanded from one config, in one order.

Pure: knows nothing of stores, of workers, or of what is done already.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Literal

import torch

from dass.data.task import Role, TaskConfig
from dass.errors import InvalidConfig
from dass.predictor.records import Identity
from dass.space.architecture import Architecture
from dass.space.sampling import stratified
from dass.space.spaces import by_name
from dass.training.recipe import Recipe


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelPlan:
    """Which teachers and students a group of tasks gets; `None` stands for the build's number."""

    per_task: int | None = None
    """Students of each task's own; >= 0."""
    seeds: int | None = None
    """Trainings of each student; >= 1."""
    teachers: int | None = None
    """Teachers of each task that differ in initial weights; >= 1."""
    weak_teacher: Recipe | None = None
    """How one more teacher of each task is trained, to be weaker; its students are the pool."""
    ce_only: int = 0
    """Members of the pool trained once more by cross-entropy alone, without the teacher."""

    def __post_init__(self) -> None:
        least = {"per_task": 0, "seeds": 1, "teachers": 1, "ce_only": 0}
        for name, lowest in least.items():
            value = getattr(self, name)
            if value is not None and value < lowest:
                raise InvalidConfig(f"`{name} >= {lowest}` must hold, but got {value}")
        _check_teacher(self.weak_teacher)


def _check_teacher(recipe: Recipe | None) -> None:
    if recipe is not None and recipe.hard_weight != 1:
        raise InvalidConfig(
            "teachers learn from labels alone: `hard_weight == 1` must hold for their recipe, "
            f"but got {recipe.hard_weight}"
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class SplitPlan:
    """A group of tasks that differ in nothing but the classes that they draw."""

    task: TaskConfig
    """The first of them; the next ones draw with the seeds that follow its `class_seed`."""
    role: Role = "train"
    """What meta-training may do with them."""
    tasks: int = 1
    """How many; each with its own draw of classes."""
    labels: LabelPlan = field(default_factory=LabelPlan)
    """Which students of these tasks are labelled, where it is not what the build says."""

    def __post_init__(self) -> None:
        if self.tasks < 1 or (self.tasks > 1 and self.task.classes is None):
            raise InvalidConfig(
                "`tasks >= 1` must hold, and several tasks need `task.classes` to differ in, "
                f"but got {self.tasks} tasks of {self.task.classes or 'all'} classes"
            )

    def configs(self, source: str = "") -> list[TaskConfig]:
        """Return the tasks, of another source if one is named."""
        first = replace(self.task, source=source or self.task.source)
        return [replace(first, class_seed=first.class_seed + i) for i in range(self.tasks)]


Engine = Literal["auto", "inline", "ray"]


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildConfig:
    """Which students of which teachers to label, and how."""

    store: str
    """Where results go: a folder, or a URL such as s3://bucket/prefix."""
    space: str
    """Search space: micro, small, paper, or a derived one such as resnet18@64."""
    splits: tuple[SplitPlan, ...]
    """Groups of tasks."""
    source: str = ""
    """Images to take in place of those that the tasks name: digits, fashion, a torchvision
    dataset's name, folder:PATH or npz:PATH; empty for their own."""
    pool: int = 24
    """Students that every task labels, stratified by FLOPs; >= 0."""
    per_task: int = 8
    """Further students of each task's own; >= 0."""
    seeds: int = 1
    """Trainings of each student, differing in order and augmentation; >= 1."""
    teachers: int = 1
    """Teachers of each task, differing in initial weights; >= 1."""
    teacher: Recipe = field(default_factory=Recipe)
    """How teachers are trained."""
    student: Recipe = field(default_factory=Recipe)
    """How students are distilled: part of every record's identity."""
    seed: int = 0
    """Seed of the pool and of the draws per task."""
    engine: Engine = "auto"
    """Who works: `inline`, processes of this machine; `ray`, the cluster, or a private one on this
    machine; `auto`, the cluster where this runs on one, else this machine."""
    workers: int = 2
    """Of `inline`: single-threaded processes; 1 runs in this one."""
    cpus_per_worker: float = 1.0
    """Of `ray`: cores that a student takes; every node gets as many workers as it has room for."""
    workers_per_gpu: int = 4
    """Of `ray` on an accelerator: students that share one; >= 1."""
    teacher_workers: int = 1
    """Of `ray`: workers that train one teacher together (DDP); with 1 teachers are jobs too."""
    retries: int = 1
    """Further attempts of a training that fails."""
    device: str = "cpu"
    """cpu or cuda."""
    data_root: str = "data"
    """Where torchvision datasets are downloaded to."""

    def __post_init__(self) -> None:
        by_name(self.space)
        if self.cpus_per_worker <= 0 or min(self.workers_per_gpu, self.teacher_workers) < 1:
            raise InvalidConfig(
                "`cpus_per_worker > 0`, `workers_per_gpu >= 1` and `teacher_workers >= 1` must "
                f"hold, but got {self.cpus_per_worker}, {self.workers_per_gpu} and "
                f"{self.teacher_workers}"
            )
        if min(self.pool, self.per_task) < 0 or min(self.seeds, self.teachers, self.workers) < 1:
            raise InvalidConfig(
                "`pool` and `per_task` must be >= 0, and `seeds`, `teachers` and `workers` >= 1, "
                f"but got {self.pool}, {self.per_task}, {self.seeds}, {self.teachers}, "
                f"{self.workers}"
            )
        _check_teacher(self.teacher)


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
        return f"{self.space}.{self.task.name}.{self.recipe.name}.{self.seed}"


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
            task=self.task.name,
            teacher=self.teacher,
            architecture=str(self.architecture),
            recipe=self.recipe.name,
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
    return [(split, task) for split in config.splits for task in split.configs(config.source)]


def _number(own: int | None, general: int) -> int:
    return general if own is None else own
