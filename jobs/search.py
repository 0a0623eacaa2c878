"""Search for a teacher's best students within a budget, without training any.

python -m jobs.search micro --teacher NAME --max-flops-fraction 0.5
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from dass.networks.latency import LatencyModel, load_latency
from dass.networks.teacher import Teacher
from dass.pipeline.looking import second_look
from dass.predictor.ensemble import Ensemble
from dass.predictor.interval import LEVEL
from dass.predictor.records import StudentRecord
from dass.registry import zoo
from dass.registry.registry import Registry
from dass.searching.evolution import Generation, search
from dass.searching.prediction import Prediction
from dass.space.cost import Budget
from dass.store.store import Store
from jobs import console
from jobs.configs.search import SearchJobConfig

DEFAULT_FRACTION = 0.5
"""Of the teacher's FLOPs, where no limit is given."""


def budget_for(config: SearchJobConfig, teacher: Teacher) -> Budget:
    """Return the budget in absolute numbers."""
    flops, fraction = config.max_flops, config.max_flops_fraction
    if (flops, fraction, config.max_parameters, config.max_latency_ms) == (None,) * 4:
        fraction = DEFAULT_FRACTION
    if fraction is not None:
        flops = Budget.of(teacher, flops=fraction).max_flops
    return Budget(
        max_flops=flops,
        max_parameters=config.max_parameters,
        max_latency_ms=config.max_latency_ms,
        latency=latency_of(config),
    )


def latency_of(config: SearchJobConfig) -> LatencyModel | None:
    """Return what predicts milliseconds, if a table was given."""
    if not config.latency:
        return None
    table = load_latency(config.latency)
    return table.at(batch=config.latency_batch, precision=config.latency_precision)


def limits(budget: Budget) -> dict[str, Any]:
    """Return a budget as a ranking keeps it: of a latency the limit and what it holds for."""
    kept: dict[str, Any] = {
        "max_flops": budget.max_flops,
        "max_parameters": budget.max_parameters,
    }
    if isinstance(budget.latency, LatencyModel):
        kept |= {
            "max_latency_ms": budget.max_latency_ms,
            "device": budget.latency.device,
            "batch": budget.latency.prices.batch,
            "precision": budget.latency.prices.precision,
        }
    return kept


def never_binds(budget: Budget, teacher: Teacher) -> list[str]:
    """Return a line for each limit that even the largest student keeps."""
    largest: dict[str, float] = {
        "max_flops": teacher.flops,
        "max_parameters": teacher.parameters,
    }
    if budget.latency is not None:
        (slowest,) = budget.latency.milliseconds(
            [teacher.network.architecture], num_classes=teacher.network.num_classes
        )
        largest["max_latency_ms"] = round(float(slowest), 3)
    return [
        f"`{name}` of {limit:,} never binds: the largest student of space "
        f"{teacher.network.space.name!r}, the teacher's own shape, has {most:,}"
        for name, most in largest.items()
        if (limit := getattr(budget, name)) is not None and limit >= most
    ]


def find(config: SearchJobConfig) -> tuple[Generation, Mapping[str, Any]]:
    """Search and publish the ranking; return it and what was asked, found and spent."""
    registry = Registry(Store(config.store))
    teacher = registry.teacher(config.teacher)
    ensemble, _, shipped = zoo.predictor_for(
        registry, config.predictor, space=teacher.network.space.name
    )
    if shipped:
        print(f"{registry.store.root} has no predictor: the shipped one is used")
    teacher.network.to(config.device)
    for member in ensemble.members:
        member.to(config.device)
    recipe = ensemble.config.recipe
    support = [
        record
        for record in (registry.records() if config.measured else ())
        if record.teacher == teacher.name and record.recipe == recipe
    ]
    budget = budget_for(config, teacher)
    started = time.perf_counter()
    answer = _searched(config, ensemble, teacher, budget=budget, support=support)
    seconds = time.perf_counter() - started
    facts = {
        "teacher": teacher.name,
        "familiar": ensemble.in_distribution(teacher),
        "space": teacher.network.space.name,
        "recipe": recipe,
        "budget": limits(budget),
        "search": asdict(config.search),
        "support": len(support),
        **({"look": config.look} if config.look else {}),
        "seconds": seconds,
    }
    registry.put_search(search_name(config, budget), answer, facts)
    return answer, facts


def _searched(
    config: SearchJobConfig,
    ensemble: Ensemble,
    teacher: Teacher,
    *,
    budget: Budget,
    support: Sequence[StudentRecord],
) -> Generation:
    second = None
    if config.look:
        second = second_look(ensemble, teacher, students=config.look, data_root=config.data_root)
    with console.bar(total=config.search.candidates, title="searching", unit="candidates") as bar:
        for answer in search(
            ensemble, teacher, budget, config=config.search, support=support, second=second
        ):
            bar.update(answer.scored - bar.n)
    return answer


def search_name(config: SearchJobConfig, budget: Budget) -> str:
    """Name a ranking by what was asked, so that asking again replaces it."""
    asked = f"{budget.max_flops or 'any'}flops-{budget.max_parameters or 'any'}parameters"
    if budget.max_latency_ms is not None and budget.latency is not None:
        device = re.sub(r"[^A-Za-z0-9.]+", "_", budget.latency.device)[:60]
        kind = f"{config.latency_precision}x{config.latency_batch}"
        asked += f"-{budget.max_latency_ms:g}ms-{kind}-{device}"
    seed = config.search.seed
    asked += f"-look{config.look}" if config.look else ""
    return f"{config.teacher}/{config.predictor}-{config.search.algorithm}-{asked}-s{seed}"


def rows(
    predictions: tuple[Prediction, ...],
    *,
    latency: LatencyModel | None = None,
    num_classes: int = 0,
) -> list[list[str]]:
    """Lay predictions out for `console.table`, with milliseconds where they are predicted."""
    found = [
        [
            str(p.architecture),
            f"{100 * p.accuracy:.1f} %",
            console.interval(p.interval(LEVEL)),
            f"{p.flops / 1e6:.2f} M",
            f"{p.parameters:,}",
        ]
        for p in predictions
    ]
    if latency is None:
        return found
    architectures = [p.architecture for p in predictions]
    times = latency.milliseconds(architectures, num_classes=num_classes).tolist()
    return [[*row, f"{time:.3g}"] for row, time in zip(found, times, strict=True)]


OUT_OF_DISTRIBUTION = (
    "this teacher is unlike all of meta-training: intervals are wider, and the order is less "
    "sure; label some students of it (`dass build`) and search with `--measured`"
)
HEAD = ["architecture", "predicted", f"{LEVEL:.0%} interval", "FLOPs", "parameters"]


def main(config: SearchJobConfig) -> None:
    """Search, show the best and the Pareto front."""
    answer, facts = find(config)
    if not facts["familiar"]:
        print("\n" + OUT_OF_DISTRIBUTION)
    print(
        f"\n{answer.scored} candidates in {facts['seconds']:.1f} s; the best, after distillation:"
    )
    registry = Registry(Store(config.store))
    teacher = registry.teacher(config.teacher)
    latency, classes = latency_of(config), teacher.network.num_classes
    head = HEAD if latency is None else [*HEAD, "ms"]
    print(console.table(head, rows(answer.top, latency=latency, num_classes=classes)))
    print("\nPareto front:")
    print(console.table(head, rows(answer.pareto, latency=latency, num_classes=classes)))
    budget = budget_for(config, teacher)
    for line in never_binds(budget, teacher):
        print(f"\n{line}")
    name = search_name(config, budget)
    console.keep(registry.store, f"searches/{name}.job.json", config)
    console.finish(
        registry.store.url(f"searches/{name}.json"),
        next_line=console.line(
            "distill",
            console.preset_of(teacher.network.space.name),
            store=config.store,
            teacher=config.teacher,
            architecture=answer.top[0].architecture,
            recipe_name=facts["recipe"],
        ),
    )


if __name__ == "__main__":
    from jobs.cli import run_module

    run_module(__file__)
