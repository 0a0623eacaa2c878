"""The first run: search a teacher's students, distil the winner and two plain choices, compare.

    python -m jobs.quickstart fashion
    python -m jobs.quickstart micro

The first act, `fashion`, takes the shipped predictor and a shipped teacher of clothes; nothing
that the predictor learned from shows clothes. The second, `micro`, makes both first: teachers of
digits, hundreds of students, and a predictor meta-trained on them.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dass.networks.teacher import Teacher
from dass.predictor.ensemble import Ensemble
from dass.predictor.records import StudentRecord, mean_over_seeds
from dass.registry import zoo
from dass.registry.registry import Registry
from dass.store.store import Store
from jobs import console
from jobs.build import build, do, student_jobs
from jobs.configs.distill import DistillConfig
from jobs.configs.quickstart import QuickstartConfig, ShippedConfig
from jobs.distill import distil
from jobs.planning.contenders import Contender, contenders
from jobs.planning.outcome import HEAD, Outcome
from jobs.planning.plan import plan_teachers
from jobs.train import train_predictor

PREDICTOR = "predictor"


# --- teacher and predictor -----------------------------------------------------------------


def stock(config: QuickstartConfig) -> str:
    """Put a predictor and a teacher into the store, unless they are there; name the teacher."""
    if config.shipped is not None:
        return _take_shipped(Registry(Store(config.build.store)), config.shipped)
    assert config.train is not None, "checked when the config was made"
    print("\nbuild: teachers, then students distilled from them")
    build(config.build)
    print("\ntrain: the predictor learns over tasks")
    train_predictor(config.train)
    return next(plan.name for plan, role in plan_teachers(config.build) if role == "unseen")


def _take_shipped(registry: Registry, shipped: ShippedConfig) -> str:
    if not registry.has_predictor(PREDICTOR):
        registry.put_predictor(PREDICTOR, *zoo.predictor())
    if not registry.has_teacher(shipped.name):
        registry.put_task(shipped.task, "unseen")
        teacher = replace(zoo.teacher(shipped.teacher), name=shipped.name, task=shipped.task)
        registry.put_teacher(teacher, {"recipe": "shipped", "shipped_as": shipped.teacher})
    return shipped.name


# --- the contest ---------------------------------------------------------------------------


def choose(config: QuickstartConfig, predictor: Ensemble, teacher: Teacher) -> list[Contender]:
    """Search within every budget under a bar, and choose plainly beside it."""
    print(f"\nsearch: students of teacher {teacher.name}, which the predictor has never seen")
    found = list[Contender]()
    recipe, contest = config.build.student, config.contest
    with console.bar(total=3 * len(contest.fractions), title="choosing", unit="choices") as bar:
        for contender in contenders(predictor, teacher, recipe=recipe, config=contest):
            found.append(contender)
            bar.update()
    return found


def train_all(config: QuickstartConfig, chosen: Sequence[Contender]) -> dict[str, float]:
    """Distil what the store lacks; return the test accuracy of every training by its key.

    Raises:
        DassError: a training failed for good; all others are published.
    """
    print("\ndistil: the winners and the plain choices")
    plans = {plan.identity.key: plan for contender in chosen for plan in contender.plans}
    jobs = list(student_jobs(config.build, list(plans.values())))
    if jobs:
        do(config.build, (), jobs)
    records = Registry(Store(config.build.store)).records()
    return {record.key: record.test_accuracy for record in records if record.key in plans}


def export(config: QuickstartConfig, winner: Contender) -> str:
    """Train the winner of the tightest budget once, keep its network, and say where.

    That training is the contest's first one of it: the fleet finds its record and skips it.
    """
    plan = winner.plans[0]
    asked = DistillConfig(
        store=config.build.store,
        teacher=plan.teacher,
        architecture=str(plan.architecture),
        recipe=plan.recipe,
        seed=plan.seed,
        device=config.build.device,
        data_root=config.build.data_root,
    )
    return distil(asked)[1]


def labelled(config: QuickstartConfig, teacher: str) -> list[StudentRecord]:
    """Return the students of the teacher that the meta-dataset has, one mean record each."""
    shipped = config.shipped
    registry = zoo.registry() if shipped else Registry(Store(config.build.store))
    name, recipe = (shipped.teacher if shipped else teacher), config.build.student.name
    return mean_over_seeds(
        [r for r in registry.records() if (r.teacher, r.recipe) == (name, recipe)]
    )


def main(config: QuickstartConfig) -> None:
    """Stock the store, hold the contest, print and write what it came to."""
    started = time.perf_counter()
    name = stock(config)
    registry = Registry(Store(config.build.store))
    teacher = registry.teacher(name)
    predictor, _ = registry.predictor(
        PREDICTOR, space=config.build.space, recipe=config.build.student.name
    )
    chosen = choose(config, predictor, teacher)
    where = export(config, chosen[0])
    outcome = Outcome(teacher=teacher, contenders=chosen, accuracies=train_all(config, chosen))
    path = Path(config.report)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        outcome.page(
            title=f"DaSS: students of {name}",
            note=config.note,
            labelled=labelled(config, name),
            predictor=predictor,
        )
    )
    print("\n" + console.table(HEAD, outcome.rows()) + "\n")
    print("\n".join(outcome.gains()))
    print(
        f"\nmeasured: mean ± standard deviation of {config.contest.seeds} trainings; the teacher "
        f"reaches {100 * (teacher.test_accuracy or 0):.1f} %\n{config.note}\n"
        f"{time.perf_counter() - started:.0f} s in all; report: {config.report}"
    )
    console.finish(where, next_line=config.next_line)


if __name__ == "__main__":
    from jobs.cli import run_module

    run_module(__file__)
