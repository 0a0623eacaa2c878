"""What a build is told: which students of which teachers of which tasks to label, and how."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from dass.data.task_config import Role, TaskConfig
from dass.errors import InvalidConfig
from dass.space.names import check_name
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


def elsewhere(task: TaskConfig, source: str = "", *, val: str = "", test: str = "") -> TaskConfig:
    """Return a task with another source, validation part or test part, where one is named."""
    return replace(
        task,
        source=source or task.source,
        validation=val or task.validation,
        test=test or task.test,
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

    def configs(self, source: str = "", *, val: str = "", test: str = "") -> list[TaskConfig]:
        """Return the tasks, of another source if one is named, and with other parts."""
        first = elsewhere(self.task, source, val=val, test=test)
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
    """Your images: folder:PATH, npz:PATH, rendered:NAME, digits, fashion or a torchvision
    dataset's name; empty for those that the preset names."""
    val: str = ""
    """Images of the same classes to validate on, folder:PATH or npz:PATH; empty for those of the
    source, or a share of its training images."""
    test: str = ""
    """Images of the same classes to report on, which nothing else ever sees, folder:PATH or
    npz:PATH; empty for those of the source, or a share of it."""
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
    """Of `ray`: cores of a worker, which trains one student, or on an accelerator all that share
    it; every node gets as many workers as it has room for."""
    workers_per_gpu: int = 4
    """Of `ray` on an accelerator: students that one trains at once, in threads of one process that
    has it to itself; >= 1."""
    teacher_workers: int = 1
    """Of `ray`: workers that train one teacher together (DDP); with 1 teachers are jobs too."""
    retries: int = 1
    """Further attempts of a training that fails."""
    device: str = "cpu"
    """cpu or cuda."""
    data_root: str = "data"
    """Where torchvision datasets are downloaded to."""

    def __post_init__(self) -> None:
        check_name(self.space)
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
