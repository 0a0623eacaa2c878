"""Rehearse a build: from a number of students to what it would do, lose and cost.

Knows nothing of how it is printed.
"""

from __future__ import annotations

import math
import resource
import time
from collections import Counter
from dataclasses import dataclass, field, replace

from cluster.fleet.job import Job, Verdict
from cluster.rehearsal.clock import Clock
from cluster.rehearsal.faults import Faults, Luck
from cluster.rehearsal.fleet import Rehearsal
from cluster.rehearsal.ledger import Ledger, Shape
from cluster.rehearsal.memory import resident_mb
from dass.data.task_config import TaskConfig
from dass.registry import zoo
from dass.registry.registry import Registry
from dass.store.store import Store
from jobs.build import jobs_of
from jobs.configs.build import BuildConfig, SplitPlan
from jobs.presets import small
from jobs.rehearsal.bucket import Bucket, Weather
from jobs.rehearsal.trainings import RecordedTrainings

STUDENTS_A_TASK, SHARED = 200, 40
"""Students of one task, and how many of them all tasks label."""
TEACHER_S = 59.0
"""Core-seconds of a teacher of `small`, as measured (docs/operations.md)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RehearsalConfig:
    """What is rehearsed."""

    students: int = 100_000
    """Students to label, up to a multiple of 200 a task; >= 1."""
    hours: float = 24.0
    """Recorded seconds are multiplied so that the workers would be busy for so long were nothing
    to fail; 0 takes them as they are."""
    seed: int = 0
    """Seed of all luck; the same seed gives the same run."""
    shape: Shape = field(default_factory=Shape)
    faults: Faults = field(default_factory=Faults)
    weather: Weather = field(default_factory=Weather)
    retries: int = 1
    """Further attempts of a training that fails by its own fault."""

    def __post_init__(self) -> None:
        if self.students < 1 or self.hours < 0:
            raise ValueError(
                "`students >= 1` and `hours >= 0` must hold, but got "
                f"{self.students} and {self.hours}"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What a rehearsed build came to: equal for equal seeds."""

    planned: int
    """Students."""
    records: int
    lost: int
    """Students that have no record and are in no list of failures."""
    twice: int
    """Records of the table beyond one a student."""
    given_up: int
    overwritten: int
    """Records published a second time, over an equal one."""
    found: int
    """Students whose record was there when their worker looked."""
    hours: float
    factor: float
    """By which recorded seconds were multiplied."""
    ledger: Ledger
    verdicts: Counter[Verdict]
    wasted_s: float
    """Training seconds that had to be done again."""
    requests: Counter[str]
    refused: int
    listing_s: float
    """Simulated seconds of all drivers' listings."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Costs:
    """What the rehearsal took of this machine."""

    wall_s: float
    cpu_s: float
    plan_cpu_s: tuple[float, ...]
    """Of each driver: what the store holds, and a job for each student that it lacks."""
    driver_mb: float
    """Resident memory that the first driver added: its jobs, and the copy it keeps for queues."""
    queue_mb: float
    """Resident memory that its queue added."""
    peak_mb: float
    """Resident memory added at most: drivers, queue and bucket in one process."""


def build_config(students: int, store: str) -> BuildConfig:
    """Return a build of so many students of `small`."""
    tasks = -(-students // STUDENTS_A_TASK)
    each = -(-students // tasks)
    task = TaskConfig(source="digits", classes=5)
    return replace(
        small.build(),
        store=store,
        splits=(SplitPlan(task=task, tasks=tasks),),
        pool=min(SHARED, each),
        per_task=max(0, each - SHARED),
    )


class _Planner:
    """The real plan, with what it costs."""

    def __init__(self, config: BuildConfig, bucket: Bucket) -> None:
        self._config, self._bucket = config, bucket
        self.students: set[str] = set()
        self.cpu_s: list[float] = []
        self.listing_s = 0.0

    def __call__(self) -> list[Job]:
        """Return what the store lacks, as the same line run again finds it."""
        started = time.process_time()
        teachers, students = jobs_of(self._config)
        self.cpu_s.append(time.process_time() - started)
        self.listing_s += self._bucket.spent()
        if not self.students:
            self.students = {job.key for job in students}
        return [*teachers, *students]


def rehearse(config: RehearsalConfig) -> tuple[Result, Costs]:
    """Rehearse a build.

    Raises:
        AssertionError: a student is lost, or in the table twice: a fault of ours.
    """
    wall, cpu, before = time.perf_counter(), time.process_time(), resident_mb()
    clock = Clock()
    bucket = Bucket(config.weather, seed=config.seed, now=lambda: clock.now)
    build = build_config(config.students, bucket.root)
    recorded = [record.seconds for record in zoo.registry().records()]
    factor = _factor(config, sum(recorded) / len(recorded))
    planner = _Planner(build, bucket)
    trainings = RecordedTrainings(
        bucket,
        clock,
        seconds=[factor * seconds for seconds in recorded],
        epochs=build.student.epochs,
        teacher_s=factor * TEACHER_S,
    )
    run = Rehearsal(
        planner,
        trainings,
        clock=clock,
        shape=config.shape,
        luck=Luck(config.faults, config.seed),
        retries=config.retries,
    )
    ledger = run.run()
    hours = clock.now / 3600
    clock.now += 60 + config.weather.listing_lag_s
    result = _result(planner, trainings, bucket, ledger=ledger, hours=hours, factor=factor)
    costs = Costs(
        wall_s=time.perf_counter() - wall,
        cpu_s=time.process_time() - cpu,
        plan_cpu_s=tuple(planner.cpu_s),
        driver_mb=run.memory_mb[0],
        queue_mb=run.memory_mb[1],
        peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6 - before,
    )
    bucket.close()
    return result, costs


def _factor(config: RehearsalConfig, mean_s: float) -> float:
    """Return by what recorded seconds are multiplied to fill the hours asked for."""
    if not config.hours:
        return 1.0
    tasks = -(-config.students // STUDENTS_A_TASK)
    spread = math.exp(config.faults.straggle**2 / 2)
    total = spread * (config.students * mean_s + tasks * TEACHER_S)
    return 3600 * config.hours * config.shape.nodes * config.shape.workers / total


def _result(
    planner: _Planner,
    trainings: RecordedTrainings,
    bucket: Bucket,
    *,
    ledger: Ledger,
    hours: float,
    factor: float,
) -> Result:
    """Hold what is in the store against the plan."""
    requests = Counter(bucket.requests)
    store = Store(bucket.root)
    keys, files = Registry(store).record_keys(), store.list("records")
    bucket.spent()
    failed = {failure.key for failure in ledger.failures}
    return Result(
        planned=len(planner.students),
        records=len(keys),
        lost=len(planner.students - keys - failed),
        twice=len(files) - len(keys),
        given_up=len(failed),
        overwritten=bucket.overwritten["records"],
        found=trainings.found,
        hours=hours,
        factor=factor,
        ledger=ledger,
        verdicts=Counter(entry.verdict for entry in ledger.entries),
        wasted_s=trainings.wasted_s,
        requests=requests,
        refused=bucket.refused,
        listing_s=planner.listing_s,
    )
