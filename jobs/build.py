"""Build the meta-dataset: train teachers, distil students from them, publish every label.

    python -m jobs.build micro
    python -m jobs.build small --source npz:images.npz --workers 2

Work that the store holds already is skipped, so the same line resumes after any stop.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cluster.fleet import Outcome, run_inline
from cluster.job import Job
from cluster.progress import ProgressBar
from cluster.storage import Store
from dass.errors import DassError
from dass.library import Library
from dass.space import by_name
from jobs import console
from jobs.plan import BuildConfig, StudentPlan, TeacherPlan, plan_students, plan_teachers
from jobs.worker import Worker


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
