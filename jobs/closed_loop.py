"""Does the search find better students? Search, distil the winner and plain choices, compare.

    python -m jobs.closed_loop evidence
    python -m jobs.closed_loop sealed

For every test task and budget: the searched student, the one that short trainings verify where
that is asked, and plain choices, each distilled with seeds that no label of the meta-dataset has.
Trainings that the store holds are not repeated.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np

from dass.data.origins import origin
from dass.errors import InvalidData
from dass.evaluation.statistics import bootstrap, sign_flip
from dass.networks.teacher import Teacher
from dass.pipeline.looking import second_look
from dass.predictor.records import StudentRecord
from dass.predictor.scorer import Scorer
from dass.registry.registry import Registry
from dass.searching.evolution import SecondLook
from dass.searching.prediction import Prediction
from dass.store.store import Store
from jobs import console
from jobs.build import do, student_jobs
from jobs.configs.closed_loop import ClosedLoopConfig
from jobs.planning.contenders import LOOKED, SEARCHED, Contender, contender, contenders
from jobs.planning.plan import StudentPlan
from jobs.planning.verified import VERIFIED, Verification

KINDS_IN_ORDER = (SEARCHED, LOOKED, VERIFIED, "largest in budget", "slimmed alike", "random")
GAINS = (
    (SEARCHED, "largest in budget"),
    (LOOKED, "largest in budget"),
    (LOOKED, SEARCHED),
    (VERIFIED, "largest in budget"),
    (VERIFIED, SEARCHED),
)
"""Pairs of kinds whose differences are shown, where both compete."""


def unseen_teachers(registry: Registry, groups: Collection[str] = ()) -> list[Teacher]:
    """Return the teacher of each unseen task that validates best, of some groups of origins."""
    best: dict[str, Teacher] = {}
    tasks = registry.tasks()
    for name, task in registry.teachers_of("unseen").items():
        if groups and origin(tasks[task][0].source) not in groups:
            continue
        teacher = registry.teacher(name)
        if task not in best or teacher.accuracy > best[task].accuracy:
            best[task] = teacher
    if not best:
        raise InvalidData(
            "the store must have a teacher of an unseen task"
            + (f" of {', '.join(sorted(groups))}, but has none" if groups else ", but has none")
        )
    return [best[task] for task in sorted(best)]


def compare(
    choices: Sequence[Contender], records: Sequence[StudentRecord]
) -> tuple[list[str], list[list[str]]]:
    """Return head and rows: mean test accuracy of each kind, and what choosing well gained."""
    found = {record.key: record.test_accuracy for record in records}
    kinds = [kind for kind in KINDS_IN_ORDER if any(c.kind == kind for c in choices)]
    pairs = [pair for pair in GAINS if set(pair) <= set(kinds)]
    rows = []
    for fraction in (*dict.fromkeys(c.fraction for c in choices), None):
        own = [c for c in choices if fraction in (None, c.fraction)]
        values = {kind: _means([c for c in own if c.kind == kind], found) for kind in kinds}
        row = ["all budgets" if fraction is None else f"{fraction:.0%} of the FLOPs"]
        row += [f"{100 * values[kind].mean():.2f} %" for kind in kinds]
        for one, other in pairs:
            gain = values[one] - values[other]
            row += [str(bootstrap(100 * gain)), f"{sign_flip(gain):.3f}"]
        rows.append(row)
    gains = [text for one, other in pairs for text in (f"{one} less {_short(other)}, points", "p")]
    return ["budget", *kinds, *gains], rows


def _short(kind: str) -> str:
    return kind.removesuffix(" in budget")


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
    teachers = unseen_teachers(registry, config.groups)
    predictor, _ = registry.predictor(
        config.predictor, space=config.build.space, recipe=config.build.student.name
    )
    choices = list[Contender]()
    with console.bar(total=len(teachers), title="searching", unit="teachers") as bar:
        for teacher in teachers:
            choices += contenders(
                predictor,
                teacher,
                recipe=config.trained(),
                config=config.contest,
                second=_second(config, predictor, teacher),
            )
            bar.update()
    choices += _verified(config, predictor, teachers)
    _train(config, [plan for choice in choices for plan in choice.plans])
    head, rows = compare(choices, registry.records())
    text = json.dumps(
        {"head": head, "rows": rows, "teachers": len(teachers), "choices": _told(choices)},
        indent=1,
    )
    registry.store.write(f"evaluations/{config.name}.json", text.encode())
    return head, rows


def _second(config: ClosedLoopConfig, predictor: Scorer, teacher: Teacher) -> SecondLook | None:
    if not config.look:
        return None
    root = config.build.data_root
    return second_look(predictor, teacher, students=config.look, data_root=root)


def _verified(
    config: ClosedLoopConfig, predictor: Scorer, teachers: Sequence[Teacher]
) -> Iterator[Contender]:
    """Yield the verified choice of every teacher and budget, after the trainings it takes."""
    if not config.verify:
        return
    cases = [
        Verification(
            predictor=predictor,
            teacher=teacher,
            fraction=fraction,
            recipe=config.build.student,
            students=config.verify,
            search=config.contest.search,
        )
        for teacher in teachers
        for fraction in config.contest.fractions
    ]
    registry = Registry(Store(config.build.store))
    missing = list[StudentPlan]()
    played: dict[int, Prediction] = {}
    while missing or not played:
        _train(config, missing)
        curves = {record.key: record.curve for record in registry.records() if record.curve}
        missing = []
        for place, case in enumerate(cases):
            if place not in played:
                choice, lacking = case.played(curves)
                missing += lacking
                if choice is not None:
                    played[place] = choice
    for place, case in enumerate(cases):
        yield contender(
            case.teacher, played[place], kind=VERIFIED, fraction=case.fraction,
            recipe=config.trained(), seeds=config.contest.seeds,
        )  # fmt: skip


def _train(config: ClosedLoopConfig, plans: Sequence[StudentPlan]) -> None:
    """Train what the store lacks."""
    jobs = list(student_jobs(config.build, list({p.identity.key: p for p in plans}.values())))
    if jobs:
        do(config.build, (), jobs)


def _told(choices: Sequence[Contender]) -> list[dict[str, object]]:
    return [
        {
            "teacher": choice.plans[0].teacher,
            "budget": choice.fraction,
            "kind": choice.kind,
            "architecture": str(choice.prediction.architecture),
            "records": [plan.identity.key for plan in choice.plans],
        }
        for choice in choices
    ]


def main(config: ClosedLoopConfig) -> None:
    """Close the loop and print the table."""
    head, rows = close(config)
    print("\n" + console.table(head, rows))
    store = Store(config.build.store)
    console.keep(store, f"evaluations/{config.name}.job.json", config)
    console.finish(
        store.url(f"evaluations/{config.name}.json"),
        next_line=console.line("publish", "evidence", store=config.build.store),
    )


if __name__ == "__main__":
    from jobs.cli import run_module

    run_module(__file__)
