"""Build the meta-dataset: train teachers, distil students from them, publish every label.

    python -m jobs.build micro
    python -m jobs.build small --source npz:images.npz --workers 2

Work that the store holds already is skipped, so the same line resumes after any stop. Where it
runs on a Ray cluster (`ray job submit`), the cluster works; else processes of this machine do.
"""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from cluster.fleet.ddp import train_data_parallel
from cluster.fleet.job import Job, Outcome, Placement
from cluster.fleet.local import Show, run_inline
from cluster.progress import Progress, ProgressBar
from cluster.session import connect
from dass.errors import DassError
from dass.evaluation.reliability import NOISY, agreements
from dass.predictor.records import StudentRecord
from dass.registry.registry import Registry
from dass.space.spaces import by_name
from dass.store.store import Store
from jobs import console, status
from jobs.configs.build import BuildConfig
from jobs.planning.plan import StudentPlan, TeacherPlan, plan_students, plan_teachers
from jobs.planning.teacher_ddp import TeacherTraining
from jobs.planning.worker import Worker


def on_ray(config: BuildConfig) -> bool:
    """Return whether Ray does the work."""
    return config.engine == "ray" or (config.engine == "auto" and "RAY_ADDRESS" in os.environ)


def placement(config: BuildConfig) -> Placement:
    """Return what a worker takes of a node: a core for a student, or a GPU for several at once."""
    if not config.device.startswith("cuda"):
        return Placement(cpus=config.cpus_per_worker)
    # Threads of one process: several processes would have the GPU in turns.
    return Placement(cpus=config.cpus_per_worker, gpus=1.0, lanes=config.workers_per_gpu)


def run_jobs(config: BuildConfig, jobs: Sequence[Job], show: Show) -> Outcome:
    """Run jobs where the config says."""
    worker = Worker(Store(config.store), config.device, config.data_root)
    if not on_ray(config):
        workers = min(config.workers, max(1, len(jobs)))
        return run_inline(
            jobs,
            worker,
            workers=workers,
            retries=config.retries,
            progress=show,
            threads=config.device.startswith("cuda"),
        )
    from cluster.fleet.groups import run_on_ray  # where nothing runs on Ray, it need not be there

    return run_on_ray(
        jobs, worker, placement=placement(config), retries=config.retries, progress=show
    )


def teach_together(config: BuildConfig, teachers: Sequence[Job]) -> list[Job]:
    """Train teachers one after another, each by several workers, where the config asks for it.

    Returns:
        What is left for the fleet: nothing, or all of them.
    """
    if config.teacher_workers == 1 or not on_ray(config):
        return list(teachers)
    worker = Worker(Store(config.store), config.device, config.data_root)
    gpus = 1.0 if config.device.startswith("cuda") else 0.0
    for number, job in enumerate(teachers, 1):
        print(
            f"teacher {number} of {len(teachers)}, by {config.teacher_workers} workers", flush=True
        )
        train_data_parallel(
            TeacherTraining(worker, job.payload),
            workers=config.teacher_workers,
            placement=Placement(cpus=config.cpus_per_worker, gpus=gpus),
        )
    return []


def jobs_of(config: BuildConfig) -> tuple[list[Job], list[Job]]:
    """Return a job for each teacher and each student that the store lacks."""
    plans = _teacher_plans(config)
    return _jobs(config, plans, plan_students(config, plans))


def _teacher_plans(config: BuildConfig) -> list[TeacherPlan]:
    return list({plan.name: plan for plan, _ in plan_teachers(config)}.values())


def _jobs(
    config: BuildConfig, teachers: Sequence[TeacherPlan], students: Sequence[StudentPlan]
) -> tuple[list[Job], list[Job]]:
    first = list(_teacher_jobs(config, teachers))
    return first, list(student_jobs(config, students, {job.key for job in first}))


def _teacher_jobs(config: BuildConfig, plans: Sequence[TeacherPlan]) -> Iterator[Job]:
    done = set(Registry(Store(config.store)).teachers())
    space = by_name(config.space)
    flops = float(space.flops([space.largest])[0])
    for plan in plans:
        if plan.name not in done:
            yield Job(
                key=plan.name,
                group=plan.name,
                cost=flops * plan.recipe.epochs,
                payload=plan,
                kind="teacher",
            )


def student_jobs(
    config: BuildConfig, plans: Sequence[StudentPlan], missing: Collection[str] = ()
) -> Iterator[Job]:
    """Yield a job for each student without a record; it waits for a teacher that is missing."""
    done = Registry(Store(config.store)).record_keys()
    costs = by_name(config.space).flops([plan.architecture for plan in plans]).tolist()
    for plan, cost in zip(plans, costs, strict=True):
        key = plan.identity.key
        if key not in done:
            yield Job(
                key=key,
                group=plan.teacher,
                cost=cost * plan.recipe.epochs,
                payload=plan,
                label=f"{plan.architecture} of {plan.teacher} (seed {plan.seed})",
                kind="student",
                needs=plan.teacher if plan.teacher in missing else "",
            )


def build(config: BuildConfig) -> None:
    """Publish every teacher and record of the plan that the store lacks.

    Raises:
        DassError: some jobs failed for good; all others are published.
    """
    store = Store(config.store)
    registry = Registry(store)
    planned = plan_teachers(config)
    for plan, role in planned:
        registry.put_task(plan.task, role)
    for recipe in {config.student, *(plan.recipe for plan, _ in planned)}:
        registry.put_recipe(recipe)
    plans = _teacher_plans(config)
    wanted = plan_students(config, plans)
    teachers, students = _jobs(config, plans, wanted)
    print(f"teachers: {len(plans)} planned, {len(plans) - len(teachers)} in the store")
    found = len(wanted) - len(students)
    print(f"students: {len(wanted)} planned, {found} in the store", flush=True)
    if teachers or students:
        do(config, teachers, students)


def do(config: BuildConfig, teachers: Sequence[Job], students: Sequence[Job]) -> None:
    """Do jobs where the config says, under a bar, leaving snapshots and failures in the store.

    Raises:
        DassError: some failed for good; all others are published.
    """
    store = Store(config.store)
    unit = "GPU" if config.device.startswith("cuda") else "core"
    with (
        ProgressBar("trainings") as bar,
        status.Snapshot(store, unit=unit, share=_share(config, len(students))) as snap,
    ):

        def show(progress: Progress) -> None:
            bar(progress)
            snap(progress)

        with connect() if on_ray(config) else contextlib.nullcontext():
            left = teach_together(config, teachers)
            if not left:
                students = [replace(job, needs="") for job in students]
            outcome = run_jobs(config, [*left, *students], show)
    status.put_failures(store, outcome.failed, done={job.key for job in (*teachers, *students)})
    if outcome.failed:
        lines = "\n".join(
            f"  {f.label}: {f.error} ({f.attempts} attempts)" for f in outcome.failed
        )
        raise DassError(
            f"every training must end, but {len(outcome.failed)} failed; run the same line to try "
            f"them again:\n{lines}"
        )


def _share(config: BuildConfig, students: int) -> float:
    """Return what one training at a time takes of a core or a GPU."""
    if not config.device.startswith("cuda"):
        return 1.0
    at_once = config.workers_per_gpu if on_ray(config) else config.workers
    return 1 / max(1, min(at_once, students))


def following(config: BuildConfig, records: Sequence[StudentRecord]) -> str:
    """Return the line that goes on: meta-training if there is enough to learn from, else a search.

    Enough are two students of a teacher to train on and of one to validate on.
    """
    registry = Registry(Store(config.store))
    roles = registry.roles()
    labelled = Counter((roles.get(r.task), r.teacher) for r in records)
    enough = {role for (role, _), students in labelled.items() if students > 1}
    preset = console.preset_of(config.space)
    if {"train", "validation"} <= enough:
        named = {} if preset == config.space else {"space": config.space}
        return console.line("train", preset, **named, store=config.store)
    teacher = next(iter(registry.teachers()))
    return console.line("search", preset, store=config.store, teacher=teacher)


def main(config: BuildConfig) -> None:
    """Build, then say where the records are."""
    build(config)
    store = Store(config.store)
    console.keep(store, "status/build.job.json", config)
    records = [r for r in Registry(store).records() if r.space == config.space]
    tasks = len({record.task for record in records})
    seconds = sum(record.seconds for record in records)
    print(
        f"\n{len(records)} records of {tasks} tasks, {seconds / 3600:.2f} core-hours of students"
    )
    own = [r for r in records if r.recipe == config.student.name]
    noisy = [str(one) for one in agreements(own) if one.value < NOISY]
    if noisy:
        print("\nlabels that are mostly noise:\n  " + "\n  ".join(noisy))
    console.finish(store.url("records"), next_line=following(config, records))


if __name__ == "__main__":
    from jobs.cli import run_module

    run_module(__file__)
