"""Does the search find better students? Search, distil the winner and two plain choices, compare.

    python -m jobs.closed_loop evidence

For every unseen task and budget: the searched student, the largest in the budget and a random
one, each distilled with several seeds that no label of the meta-dataset has. Trainings that the
store holds are not repeated.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np

from dass.errors import InvalidData
from dass.evaluation.statistics import bootstrap, sign_flip
from dass.networks.teacher import Teacher
from dass.predictor.records import StudentRecord
from dass.registry.registry import Registry
from dass.store.store import Store
from jobs import console
from jobs.build import do, student_jobs
from jobs.configs.closed_loop import ClosedLoopConfig
from jobs.planning.contenders import KINDS, Contender, contenders


def unseen_teachers(registry: Registry) -> list[Teacher]:
    """Return the teacher of each unseen task that validates best."""
    best: dict[str, Teacher] = {}
    for name, task in registry.teachers_of("unseen").items():
        teacher = registry.teacher(name)
        if task not in best or teacher.accuracy > best[task].accuracy:
            best[task] = teacher
    if not best:
        raise InvalidData("the store must have a teacher of an unseen task, but has none")
    return [best[task] for task in sorted(best)]


def compare(
    choices: Sequence[Contender], records: Sequence[StudentRecord]
) -> tuple[list[str], list[list[str]]]:
    """Return head and rows: mean test accuracy of each kind, and the gain of searching."""
    found = {record.key: record.test_accuracy for record in records}
    rows = []
    for fraction in (*dict.fromkeys(c.fraction for c in choices), None):
        own = [c for c in choices if fraction in (None, c.fraction)]
        values = {kind: _means([c for c in own if c.kind == kind], found) for kind in KINDS}
        gain = values["searched"] - values["largest in budget"]
        rows.append(
            [
                "all budgets" if fraction is None else f"{fraction:.0%} of the FLOPs",
                *(f"{100 * values[kind].mean():.2f} %" for kind in KINDS),
                str(bootstrap(100 * gain)),
                f"{sign_flip(gain):.3f}",
            ]
        )
    return ["budget", *KINDS, "searched less largest, points", "p"], rows


def _means(choices: Sequence[Contender], found: Mapping[str, float]) -> np.ndarray:
    """Return the mean accuracy of each teacher's choices, by its name's order; [teachers]."""
    by_teacher: dict[str, list[float]] = {}
    for choice in choices:
        means = by_teacher.setdefault(choice.plans[0].teacher, [])
        means.append(float(choice.measured(found).mean()))
    return np.array([np.mean(by_teacher[teacher]) for teacher in sorted(by_teacher)])


def close(config: ClosedLoopConfig) -> tuple[list[str], list[list[str]]]:
    """Choose, distil what the store lacks, compare and publish the table.

    Raises:
        DassError: a training failed for good; all others are published.
    """
    registry = Registry(Store(config.build.store))
    teachers = unseen_teachers(registry)
    build, choices = config.build, list[Contender]()
    predictor, _ = registry.predictor(
        config.predictor, space=build.space, recipe=build.student.name
    )
    with console.bar(total=len(teachers), title="searching", unit="teachers") as bar:
        for teacher in teachers:
            choices += contenders(
                predictor, teacher, recipe=config.build.student, config=config.contest
            )
            bar.update()
    plans = {plan.identity.key: plan for choice in choices for plan in choice.plans}
    jobs = list(student_jobs(config.build, list(plans.values())))
    if jobs:
        do(config.build, (), jobs)
    head, rows = compare(choices, registry.records())
    text = json.dumps({"head": head, "rows": rows, "teachers": len(teachers)}, indent=1)
    registry.store.write("evaluations/closed-loop.json", text.encode())
    return head, rows


def main(config: ClosedLoopConfig) -> None:
    """Close the loop and print the table."""
    head, rows = close(config)
    print("\n" + console.table(head, rows))
    store = Store(config.build.store)
    console.keep(store, "evaluations/closed-loop.job.json", config)
    console.finish(
        store.url("evaluations/closed-loop.json"),
        next_line=console.line("publish", "evidence", store=config.build.store),
    )


if __name__ == "__main__":
    from jobs.cli import run_module

    run_module(__file__)
