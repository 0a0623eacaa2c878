"""Build the meta-dataset: train teachers, distil students from them, publish every label.

    python -m jobs.build micro
    python -m jobs.build small --source npz:images.npz --workers 2

Work that the store holds already is skipped, so the same line resumes after any stop.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from itertools import product

import torch
from torch import Tensor

from cluster.fleet import Outcome, run_inline
from cluster.progress import ProgressBar
from cluster.queue import Job
from cluster.storage import Store
from dass.answers import accuracy
from dass.distill import train
from dass.errors import DassError, InvalidConfig
from dass.feed import Feed, feed
from dass.network import ResNet, initialise
from dass.pool import stratified
from dass.recipe import Recipe
from dass.record import Identity, StudentRecord
from dass.remap import student
from dass.space import Architecture, by_name
from dass.task import Role, Task, TaskConfig, load_task
from dass.teacher import Teacher
from jobs import console
from jobs.library import Library

CHECKPOINT_EVERY_S = 60.0
"""Seconds of training between two checkpoints; most students end before the first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SplitPlan:
    """A group of tasks made from the classes of one source."""

    role: Role = "train"
    """What meta-training may do with them."""
    tasks: int = 1
    """How many; each with its own draw of classes."""
    classes: int | None = None
    """Classes per task; `None` takes all candidates."""
    only: tuple[str, ...] = ()
    """Candidate classes; empty for all of the source."""
    exclude: tuple[str, ...] = ()
    """Classes that are no candidates."""
    train_per_class: int | None = None
    """Training images of each class at most."""
    validation_per_class: int | None = None
    """Validation images of each class, exactly; `None` takes a fifth of the train part."""
    test_per_class: int | None = None
    """Test images of each class at most."""
    pooled: bool = False
    """Divide the source's train and test parts anew."""
    flip: bool = True
    """Whether images may be mirrored: not signs, nor characters."""

    def __post_init__(self) -> None:
        if self.tasks < 1 or (self.tasks > 1 and self.classes is None):
            raise InvalidConfig(
                "`tasks >= 1` must hold, and several tasks need `classes` to differ in, "
                f"but got {self.tasks} tasks of {self.classes or 'all'} classes"
            )

    def configs(self, source: str) -> list[TaskConfig]:
        """Return the tasks of a source."""
        shared = {k: v for k, v in asdict(self).items() if k not in ("role", "tasks")}
        return [TaskConfig(source=source, class_seed=i, **shared) for i in range(self.tasks)]


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildConfig:
    """Which students of which teachers to label, and how."""

    store: str
    """Where results go: a folder, or a URL such as s3://bucket/prefix."""
    space: str
    """Search space: micro, small or paper."""
    source: str
    """Images: digits, a torchvision dataset's name, folder:PATH or npz:PATH."""
    splits: tuple[SplitPlan, ...]
    """Tasks made from the source."""
    pool: int = 24
    """Students that every task labels, stratified by FLOPs; >= 0."""
    own: int = 8
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
    """Of the pool and the own draws."""
    workers: int = 2
    """Single-threaded processes on this machine; 1 runs in this one."""
    retries: int = 1
    """Further attempts of a training that fails."""
    device: str = "cpu"
    """cpu or cuda."""
    data_root: str = "data"
    """Where torchvision datasets are downloaded to."""

    def __post_init__(self) -> None:
        by_name(self.space)
        if min(self.pool, self.own) < 0 or min(self.seeds, self.teachers, self.workers) < 1:
            raise InvalidConfig(
                "`pool` and `own` must be >= 0, and `seeds`, `teachers` and `workers` >= 1, but "
                f"got {self.pool}, {self.own}, {self.seeds}, {self.teachers}, {self.workers}"
            )
        if self.teacher.hard_weight != 1:
            raise InvalidConfig(
                "teachers learn from labels alone: `teacher.hard_weight == 1` must hold, "
                f"but got {self.teacher.hard_weight}"
            )


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
    return [
        (TeacherPlan(task=task, space=config.space, recipe=config.teacher, seed=seed), split.role)
        for split in config.splits
        for task in split.configs(config.source)
        for seed in range(config.teachers)
    ]


def plan_students(config: BuildConfig, teachers: Sequence[TeacherPlan]) -> list[StudentPlan]:
    """Expand the config into students, always in the same order, no identity twice."""
    space = by_name(config.space)
    pool = stratified(space, config.pool, seed=config.seed)
    plans = {}
    for teacher in teachers:
        # A task's own draws depend on the task, so that tasks differ and order does not matter.
        seed = int(teacher.task.name.rsplit("-", 1)[1], 16) + config.seed
        own = space.sample(config.own, generator=torch.Generator().manual_seed(seed))
        for architecture, run in product([*pool, *own], range(config.seeds)):
            plan = StudentPlan(
                teacher=teacher.name,
                task=teacher.task,
                space=config.space,
                architecture=architecture,
                recipe=config.student,
                seed=run,
            )
            plans[plan.identity.key] = plan
    return list(plans.values())


# --- the work ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Worker:
    """What a worker process needs to do any job; its result is published before it returns."""

    store: Store
    device: str
    data_root: str

    def __call__(self, job: Job) -> None:
        """Train the teacher or distil the student of a job."""
        if self.device == "cpu":
            torch.set_num_threads(1)  # two such processes beat one of two threads by far
        plan = job.payload
        if isinstance(plan, TeacherPlan):
            self._teach(plan)
        else:
            self.distil(plan)

    def _teach(self, plan: TeacherPlan) -> None:
        task = _task(plan.task, plan.space, self.device, self.data_root)
        space = by_name(plan.space)
        network = ResNet(space, space.largest, num_classes=task.num_classes)
        initialise(network, generator=torch.Generator().manual_seed(plan.seed))
        network.to(self.device)
        source = feed(task.train, plan.recipe, teacher=None, flip=task.flip)
        started = time.perf_counter()
        value = self.train(plan.name, network, source, task, recipe=plan.recipe, seed=plan.seed)
        teacher = Teacher(
            name=plan.name,
            network=network,
            accuracy=value,
            test_accuracy=accuracy(network, task.test),
            task=plan.task,
        )
        facts = {
            "recipe": plan.recipe.name,
            "seed": plan.seed,
            "seconds": time.perf_counter() - started,
            "device": device_name(self.device),
        }
        Library(self.store).put_teacher(teacher, facts)
        Library(self.store).drop_checkpoint(plan.name)

    def distil(self, plan: StudentPlan) -> tuple[ResNet, StudentRecord]:
        """Distil one student and publish its record; return both."""
        library = Library(self.store)
        teacher, task, source = _classroom(self, plan.teacher, plan.task, plan.recipe)
        network = student(teacher.network, plan.architecture, policy=plan.recipe.remap).train()
        key = plan.identity.key
        started = time.perf_counter()
        value = self.train(key, network, source, task, recipe=plan.recipe, seed=plan.seed)
        seconds = time.perf_counter() - started
        space, classes = by_name(plan.space), task.num_classes
        record = StudentRecord(
            **asdict(plan.identity),
            validation_accuracy=value,
            test_accuracy=accuracy(network, task.test),
            validation_images=len(task.validation),
            test_images=len(task.test),
            flops=int(space.flops([plan.architecture], num_classes=classes)[0]),
            parameters=int(space.parameters([plan.architecture], num_classes=classes)[0]),
            seconds=seconds,
            device=device_name(self.device),
        )
        library.put_record(record)
        library.drop_checkpoint(key)
        return network, record

    def train(
        self, key: str, network: ResNet, source: Feed, task: Task, *, recipe: Recipe, seed: int
    ) -> float:
        """Train to the last epoch, going on from a checkpoint; return its validation accuracy."""
        library = Library(self.store)
        state: Mapping[str, Tensor] | None = library.checkpoint(key)
        saved_at, value = time.monotonic(), None
        for epoch in train(
            network, source, task.validation, recipe=recipe, seed=seed, state=state
        ):
            value = epoch.accuracy
            if time.monotonic() - saved_at > CHECKPOINT_EVERY_S:
                library.put_checkpoint(key, epoch.state)
                saved_at = time.monotonic()
        # No epoch runs if the stop came between the last checkpoint and the result.
        return accuracy(network, task.validation) if value is None else value


@lru_cache(maxsize=2)
def _task(config: TaskConfig, space: str, device: str, data_root: str) -> Task:
    size = by_name(space).image_size
    return load_task(config, image_size=size, data_root=data_root).to(device)


@lru_cache(maxsize=2)
def _classroom(
    worker: Worker, name: str, config: TaskConfig, recipe: Recipe
) -> tuple[Teacher, Task, Feed]:
    """Load what all students of a teacher share: it, the images, and its answers to them."""
    teacher = Library(worker.store).teacher(name)
    teacher.network.to(worker.device)
    task = _task(config, teacher.network.space.name, worker.device, worker.data_root)
    source = feed(task.train, recipe, teacher=teacher.network, flip=task.flip)
    return teacher, task, source


def device_name(device: str) -> str:
    """Return what a record says of a device."""
    return torch.cuda.get_device_name() if device.startswith("cuda") else "cpu"


# --- the job -------------------------------------------------------------------------------


def run_jobs(config: BuildConfig, jobs: Sequence[Job], unit: str) -> Outcome:
    """Run jobs on this machine under a progress bar."""
    worker = Worker(Store(config.store), config.device, config.data_root)
    workers = min(config.workers, max(1, len(jobs)))
    with ProgressBar(unit) as bar:
        return run_inline(jobs, worker, workers=workers, retries=config.retries, progress=bar)


def teacher_jobs(config: BuildConfig, plans: Sequence[TeacherPlan]) -> Iterator[Job]:
    """Yield a job for each teacher that is not published yet."""
    library = Library(Store(config.store))
    done = set(library.teachers())
    space = by_name(config.space)
    cost = float(space.flops([space.largest])[0])
    for plan in {plan.name: plan for plan in plans}.values():
        if plan.name not in done:
            yield Job(
                key=plan.name, group=plan.task.name, cost=cost, payload=plan, label=plan.name
            )


def student_jobs(config: BuildConfig, plans: Sequence[StudentPlan]) -> Iterator[Job]:
    """Yield a job for each student that has no record yet."""
    done = Library(Store(config.store)).record_keys()
    costs = by_name(config.space).flops([plan.architecture for plan in plans]).tolist()
    for plan, cost in zip(plans, costs, strict=True):
        identity = plan.identity
        if identity.key not in done:
            label = f"{plan.architecture} of {plan.teacher} (seed {plan.seed})"
            yield Job(key=identity.key, group=plan.teacher, cost=cost, payload=plan, label=label)


def build(config: BuildConfig) -> None:
    """Publish every teacher and record of the plan that the store lacks.

    Raises:
        DassError: some jobs failed for good; all others are published.
    """
    library = Library(Store(config.store))
    teachers = plan_teachers(config)
    for plan, role in teachers:
        library.put_task(plan.task, role)
    plans = [plan for plan, _ in teachers]
    jobs = list(teacher_jobs(config, plans))
    print(f"teachers: {len(plans)} planned, {len(plans) - len(jobs)} in the store", flush=True)
    failed = list(run_jobs(config, jobs, "teachers").failed) if jobs else []
    ready = [plan for plan in plans if library.has_teacher(plan.name)]
    students = plan_students(config, ready)
    jobs = list(student_jobs(config, students))
    held = len(students) - len(jobs)
    print(f"students: {len(students)} planned, {held} in the store", flush=True)
    failed += run_jobs(config, jobs, "students").failed if jobs else ()
    if failed:
        lines = "\n".join(f"  {f.label}: {f.error} ({f.attempts} attempts)" for f in failed)
        raise DassError(
            f"every training must end, but {len(failed)} failed; run the same line to try them "
            f"again:\n{lines}"
        )


def main(config: BuildConfig) -> None:
    """Build, then say where the records are."""
    console.announce(config)
    build(config)
    store = Store(config.store)
    records = [r for r in Library(store).records() if r.space == config.space]
    tasks = len({record.task for record in records})
    seconds = sum(record.seconds for record in records)
    print(
        f"\n{len(records)} records of {tasks} tasks, {seconds / 3600:.2f} core-hours of students"
    )
    console.finish(
        store.url("records"),
        next_line=f"python -m jobs.train {config.space} --store {config.store}",
    )


if __name__ == "__main__":
    from jobs import recipes
    from jobs.build import main as imported_main

    console.run(imported_main, recipes.BUILD, "build")
