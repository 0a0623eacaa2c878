"""The whole story on embedded digits, in minutes: plumbing, not evidence.

    python -m jobs.quickstart micro

Teachers are trained, students distilled into a meta-dataset, a predictor meta-trained, an unseen
task searched, the winner distilled, compared with two plain choices, and exported.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

import torch

from dass.evaluation.plots import Series, scatter
from dass.evaluation.report import page
from dass.networks.teacher import Teacher
from dass.predictor.interval import LEVEL
from dass.predictor.records import StudentRecord, mean_over_seeds
from dass.registry.registry import Registry
from dass.searching.prediction import Prediction, predictions
from dass.space.architecture import Architecture
from dass.space.cost import Budget
from dass.space.space import by_name
from dass.store.store import Store
from jobs import console
from jobs.build import build
from jobs.distill import DistillConfig, distil
from jobs.planning.plan import BuildConfig, plan_teachers
from jobs.search import SearchJobConfig, budget_for, find, interval
from jobs.train import TrainConfig, train_predictor

NOTE = (
    "Plumbing, not evidence: 8-pixel digits, a handful of tasks, one short training per student. "
    "It shows that every part runs; what the predictor is worth is measured elsewhere."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class QuickstartConfig:
    """The four jobs in a row."""

    build: BuildConfig
    train: TrainConfig
    search: SearchJobConfig
    distill: DistillConfig
    report: str = "runs/quickstart/report.html"
    """Where the page goes: a local path."""
    choices_seed: int = 0
    """Of the random choice it compares with."""
    repeats: int = field(default=3)
    """Trainings of each compared student."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Contender:
    """A way to choose, what it chose, and what that came to."""

    title: str
    prediction: Prediction
    records: tuple[StudentRecord, ...]
    where: str

    @property
    def measured(self) -> float:
        """Mean test accuracy, a fraction."""
        return sum(r.test_accuracy for r in self.records) / len(self.records)


def largest_within(teacher: Teacher, budget: Budget, *, seed: int) -> Architecture:
    """Return the costliest of many members that the budget allows."""
    space, classes = teacher.network.space, teacher.network.num_classes
    drawn = space.sample(5000, generator=torch.Generator().manual_seed(seed))
    kept = space.within([*drawn, space.smallest, space.largest], budget, num_classes=classes)
    return kept[int(space.flops(kept).argmax())]


def random_within(teacher: Teacher, budget: Budget, *, seed: int) -> Architecture:
    """Return any member that the budget allows."""
    space, classes = teacher.network.space, teacher.network.num_classes
    drawn = space.sample(5000, generator=torch.Generator().manual_seed(seed))
    return space.within([*drawn, space.smallest], budget, num_classes=classes)[0]


def contend(
    config: QuickstartConfig, title: str, architecture: Architecture, teacher: Teacher
) -> Contender:
    """Distil what one way of choosing chose, a few times."""
    registry = Registry(Store(config.build.store))
    ensemble, _ = registry.predictor(config.train.name)
    (prediction,) = predictions(ensemble, teacher, [architecture])
    results = []
    for seed in range(config.repeats):
        asked = DistillConfig(
            store=config.build.store,
            teacher=teacher.name,
            architecture=str(architecture),
            recipe=config.distill.recipe,
            seed=1000 + seed,  # never one of the meta-dataset's
            data_root=config.build.data_root,
        )
        results.append(distil(asked))
        print(f"  {title}, training {seed + 1} of {config.repeats}: {architecture}", flush=True)
    return Contender(
        title=title,
        prediction=prediction,
        records=tuple(record for record, _ in results),
        where=results[0][1],
    )


HEAD = ["choice", "predicted", f"{LEVEL:.0%} interval", "measured (test)", "FLOPs", "architecture"]


def rows(contenders: list[Contender]) -> list[list[str]]:
    """Lay contenders out for a table."""
    return [
        [
            c.title,
            f"{100 * c.prediction.accuracy:.1f} %",
            interval(c.prediction),
            f"{100 * c.measured:.1f} %",
            f"{c.prediction.flops / 1e6:.3f} M",
            str(c.prediction.architecture),
        ]
        for c in contenders
    ]


def write_report(config: QuickstartConfig, teacher: Teacher, contenders: list[Contender]) -> None:
    """Write the page: the table and two plots of the unseen teacher's labelled students."""
    registry = Registry(Store(config.build.store))
    ensemble, _ = registry.predictor(config.train.name)
    recipe = config.distill.recipe.name
    known = mean_over_seeds(
        [r for r in registry.records() if r.teacher == teacher.name and r.recipe == recipe]
    )
    predicted = predictions(ensemble, teacher, [Architecture.parse(r.architecture) for r in known])
    pool = Series(
        label="labelled students",
        x=[100 * p.accuracy for p in predicted],
        y=[100 * r.test_accuracy for r in known],
    )
    marks = ("*", "s", "^")
    chosen = [
        Series(label=c.title, x=[100 * c.prediction.accuracy], y=[100 * c.measured], marker=m)
        for c, m in zip(contenders, marks, strict=True)
    ]
    by_cost = Series(label=pool.label, x=[r.flops / 1e6 for r in known], y=pool.y)
    costs = [
        Series(label=s.label, x=[c.prediction.flops / 1e6], y=s.y, marker=s.marker)
        for s, c in zip(chosen, contenders, strict=True)
    ]
    plots = {
        "Predicted against measured accuracy": scatter(
            [pool, *chosen],
            x_label="predicted accuracy, %",
            y_label="test accuracy, %",
            title="Unseen task: predicted vs measured",
        ),
        "Accuracy against FLOPs": scatter(
            [by_cost, *costs],
            x_label="FLOPs, millions",
            y_label="test accuracy, %",
            title="Unseen task: accuracy vs FLOPs",
        ),
    }
    path = Path(config.report)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = page("DaSS quickstart", note=NOTE, head=HEAD, rows=rows(contenders), plots=plots)
    path.write_text(text)


def main(config: QuickstartConfig) -> None:
    """Run the four jobs, then compare."""
    started = time.perf_counter()
    print("\n1/4  build: teachers, then students distilled from them")
    build(config.build)
    print("\n2/4  train: the predictor learns over tasks")
    train_predictor(config.train)
    registry = Registry(Store(config.build.store))
    name = next(plan.name for plan, role in plan_teachers(config.build) if role == "unseen")
    teacher = registry.teacher(name)
    print(f"\n3/4  search: students of an unseen teacher, {name}")
    asked = SearchJobConfig(
        store=config.build.store,
        teacher=name,
        predictor=config.train.name,
        max_flops_share=config.search.max_flops_share,
        search=config.search.search,
    )
    answer, facts = find(asked)
    print("\n4/4  distill: the winner and two plain choices")
    budget, seed = budget_for(asked, teacher), config.choices_seed
    chosen = {
        "searched": answer.top[0].architecture,
        "largest in budget": largest_within(teacher, budget, seed=seed),
        "random": random_within(teacher, budget, seed=seed),
    }
    contenders = [contend(config, title, a, teacher) for title, a in chosen.items()]
    write_report(config, teacher, contenders)
    space = by_name(config.build.space)
    share = config.search.max_flops_share
    print(
        f"\n{answer.scored} candidates of space {space.name!r} scored in "
        f"{facts['seconds']:.1f} s, budget {100 * (share or 1):.0f} % of the teacher's FLOPs; "
        f"teacher {100 * (teacher.test_accuracy or 0):.1f} % on test;\nmeasured: mean of "
        f"{config.repeats} trainings\n"
    )
    print(console.table(HEAD, rows(contenders)))
    print(f"\n{NOTE}\n{time.perf_counter() - started:.0f} s in all; report: {config.report}")
    console.finish(
        contenders[0].where,
        next_line=f"python -m jobs.search micro --store {config.build.store} --teacher {name} "
        "--max-flops-share 0.3",
    )


if __name__ == "__main__":
    from jobs.cli import run_module

    run_module(__file__)
