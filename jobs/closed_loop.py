"""Does the search find better students? Search, distil the winner and two plain choices, compare.

    python -m jobs.closed_loop evidence

For every unseen task and budget: the searched student, the largest in the budget and a random
one, each distilled with several seeds that no label of the meta-dataset has. Trainings that the
store holds are not repeated.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from dass.baselines.size import ByFlops
from dass.errors import InvalidData
from dass.evaluation.metrics import BUDGETS
from dass.evaluation.statistics import bootstrap, sign_flip
from dass.networks.teacher import Teacher
from dass.predictor.records import FIRST_CLOSED_LOOP_SEED, StudentRecord
from dass.registry.registry import Registry
from dass.searching.evolution import SearchConfig, run
from dass.space.architecture import Architecture
from dass.space.cost import Budget
from dass.store.store import Store
from jobs import console
from jobs.build import do, student_jobs
from jobs.planning.plan import BuildConfig, StudentPlan

CHOICES = ("searched", "largest in budget", "random")


@dataclass(frozen=True, kw_only=True, slots=True)
class ClosedLoopConfig:
    """Whose students to search, and how often to train them."""

    build: BuildConfig
    """Store, space, student recipe and workers."""
    predictor: str = "predictor"
    """Predictor in the store."""
    seeds: int = 3
    """Trainings of each choice; >= 1."""
    search: SearchConfig = field(default_factory=SearchConfig)
    """How to search; the random choice is the first member that its seed draws."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """One way of choosing, for one teacher and budget."""

    kind: str
    share: float
    """Budget, a share of the teacher's FLOPs."""
    plans: tuple[StudentPlan, ...]
    """Its trainings, one per seed."""


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


def choose(config: ClosedLoopConfig, teacher: Teacher) -> Iterator[Choice]:
    """Search a teacher's students within every budget, and choose plainly beside it."""
    registry = Registry(Store(config.build.store))
    recipe, space = config.build.student, teacher.network.space
    ensemble, _ = registry.predictor(config.predictor, space=space.name, recipe=recipe.name)
    classes = teacher.network.num_classes
    for share in BUDGETS:
        budget = Budget.of(teacher, flops=share)
        generator = torch.Generator().manual_seed(config.search.seed)
        drawn = space.within(space.sample(500, generator=generator), budget, num_classes=classes)
        chosen = {
            "searched": run(ensemble, teacher, budget, config=config.search).top[0].architecture,
            "largest in budget": run(ByFlops(), teacher, budget, config=config.search)
            .top[0]
            .architecture,
            "random": drawn[0] if drawn else space.smallest,
        }
        for kind in CHOICES:
            yield Choice(kind=kind, share=share, plans=_plans(config, teacher, chosen[kind]))


def _plans(
    config: ClosedLoopConfig, teacher: Teacher, architecture: Architecture
) -> tuple[StudentPlan, ...]:
    assert teacher.task is not None
    return tuple(
        StudentPlan(
            teacher=teacher.name,
            task=teacher.task,
            space=config.build.space,
            architecture=architecture,
            recipe=config.build.student,
            seed=FIRST_CLOSED_LOOP_SEED + seed,
        )
        for seed in range(config.seeds)
    )


def compare(
    choices: Sequence[Choice], records: Sequence[StudentRecord]
) -> tuple[list[str], list[list[str]]]:
    """Return head and rows: mean test accuracy of each kind, and the gain of searching."""
    found = {record.key: record.test_accuracy for record in records}

    def mean(choice: Choice) -> float:
        return float(np.mean([found[plan.identity.key] for plan in choice.plans]))

    rows = []
    for share in (*BUDGETS, None):
        own = [c for c in choices if share in (None, c.share)]
        teachers = sorted({c.plans[0].teacher for c in own})
        values = {
            kind: np.array(
                [np.mean([mean(c) for c in own if (c.kind, c.plans[0].teacher) == (kind, t)])
                 for t in teachers]
            )
            for kind in CHOICES
        }  # fmt: skip
        gain = values["searched"] - values["largest in budget"]
        rows.append(
            [
                "all budgets" if share is None else f"{share:.0%} of the FLOPs",
                *(f"{100 * values[kind].mean():.2f} %" for kind in CHOICES),
                str(bootstrap(100 * gain)),
                f"{sign_flip(gain):.3f}",
            ]
        )
    return ["budget", *CHOICES, "searched less largest, points", "p"], rows


def close(config: ClosedLoopConfig) -> tuple[list[str], list[list[str]]]:
    """Choose, distil what the store lacks, compare and publish the table.

    Raises:
        DassError: a training failed for good; all others are published.
    """
    registry = Registry(Store(config.build.store))
    teachers = unseen_teachers(registry)
    choices = []
    with console.bar(total=len(teachers), title="searching", unit="teachers") as bar:
        for teacher in teachers:
            choices += list(choose(config, teacher))
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
        next_line="python -m jobs.publish evidence",
    )


if __name__ == "__main__":
    from jobs.cli import run_module

    run_module(__file__)
