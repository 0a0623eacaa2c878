"""The two steps that choose: search within the budget, then verify by short trainings.

Knows nothing of the last training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from dass.baselines.choices import PLAIN, chosen_plainly
from dass.pipeline.compression.latency_budget import (
    begin,
    budget_of,
    chosen_within,
    dropped_facts,
    fastest,
    keep,
    limit_facts,
    measured,
    predicted,
)
from dass.pipeline.compression.material import Material
from dass.pipeline.compression.order import Order, order_for, sought, with_extra
from dass.searching.evolution_config import SearchConfig
from dass.searching.prediction import Prediction, predictions
from dass.searching.verification import Round, Short, promising, verify
from dass.space.architecture import Architecture


def order_of(material: Material) -> Order:
    """Return what orders students; it is read or fitted once in a process."""
    if "order" not in material.kept:
        found = material.folder.found("check")
        assert found is not None, "the teacher is checked first"
        order = order_for(material.plan.space, accuracy=found["accuracy"])
        if material.measure.agreement:  # what is predicted are accuracies, on true labels
            order = replace(order, accuracies=False)
        material.kept["order"] = order
    made: Order = material.kept["order"]
    return made


def search_students(material: Material) -> tuple[dict[str, Any], str]:
    """Search within the budget, and name the rivals; return what was found and a line on it."""
    asked, teacher, order = material.asked, material.teacher(), order_of(material)
    begin(material)
    budget = budget_of(material)
    found = sought(order, teacher, budget, candidates=asked.candidates, seed=asked.seed)
    config = SearchConfig(candidates=asked.candidates, seed=asked.seed)
    rivals = {
        kind: chosen_within(material, partial(chosen_plainly, kind, teacher, config=config))
        for kind in PLAIN
    }
    spoken = predictions(order.scorer, teacher, list(rivals.values()))
    best = found.top[0]
    facts = {
        "order": order.said,
        "extrapolated": order.extrapolated,
        "accuracies": order.accuracies,
        "budget": {"max_flops": budget.max_flops, "max_parameters": budget.max_parameters}
        | limit_facts(material, budget),
        "scored": found.scored,
        "best": plains(material, [best])[0],
        "pareto": plains(material, found.pareto),
        "rivals": dict(zip(rivals, plains(material, spoken), strict=True)),
    }
    said = f", predicted {said_of(best)}" if order.accuracies else ""
    return (
        facts,
        f"{found.scored} students ordered by {order.said}; first {best.architecture}{said}",
    )


def verify_students(material: Material) -> tuple[dict[str, Any], str]:
    """Train the most promising briefly; return the choice, what was measured, and a line on it."""
    plan, found = material.plan, material.folder.found("search")
    assert found is not None, "the search comes first"
    space, order = material.teacher().network.space, order_of(material)
    rivals = [Architecture.parse(each["architecture"]) for each in found["rivals"].values()]
    begin(material, rivals)
    largest = rivals[0]
    ordered = partial(_ordered, material, largest=largest)
    may = partial(keep, material)
    if plan.verify == 0:
        best = Architecture.parse(found["best"]["architecture"])
        if may([best]):
            return _unverified(material, best)
        others = promising(ordered, space, count=1, seen=[best], keep=may)
        return _unverified(material, others[0].architecture if others else None)

    recipe = material.recipe(epochs=plan.longest)

    def measure(architecture: Architecture, epochs: int) -> float:
        network = material.student(architecture)
        return material.trained(network, recipe, epochs=epochs, role="short")[-1]

    rounds = []
    going = verify(ordered, space, students=plan.verify, longest=plan.longest, measure=measure,
                   extra=(largest,) if order.extrapolated else (), keep=may)  # fmt: skip
    for number, one in enumerate(going, 1):
        rounds.append(one)
        _tell(material, number, one, accuracies=order.accuracies)
    return _verified(material, rounds) if rounds else _unverified(material, None)


def _verified(material: Material, rounds: Sequence[Round]) -> tuple[dict[str, Any], str]:
    """Return the best of the last round, what was measured, and a line on it."""
    choice, longest = rounds[-1].checked[0], material.plan.longest
    doubt = material.measure.doubt(
        [one.measured for one in rounds[-1].checked], images=len(material.task.validation)
    )
    if doubt:
        material.say(f"    {doubt}")
    facts = {
        "architecture": str(choice.architecture),
        "measured": choice.measured,
        "doubt": doubt,
        "rounds": [_round(material, one) for one in rounds],
    } | dropped_facts(material)
    return facts, (
        f"{len({c.architecture for one in rounds for c in one.checked})} trained, the best "
        f"{longest} epochs: {choice.architecture} with "
        f"{material.measure.told(choice.measured, 'validation')}"
    )


def _ordered(
    material: Material, support: Sequence[Short], *, largest: Architecture
) -> list[Prediction]:
    """Return the search's best given what was measured, and what it says of the largest."""
    asked, teacher, order = material.asked, material.teacher(), order_of(material)
    top = sought(order, teacher, budget_of(material), candidates=asked.candidates,
                 seed=asked.seed, support=support).top  # fmt: skip
    known = support if order.conditions else ()
    return with_extra(top, predictions(order.scorer, teacher, [largest], support=known))


def _unverified(material: Material, first: Architecture | None) -> tuple[dict[str, Any], str]:
    """Return the choice where nobody is trained briefly."""
    line = "nobody is trained briefly: the first of the search is taken"
    if first is None:  # of a limit in milliseconds
        first, milliseconds = fastest(material)
        line = (
            f"of those measured nobody keeps the limit of {material.asked.max_latency_ms:g} ms: "
            f"the fastest is taken, {first} with {milliseconds:.3g}"
        )
    return {"architecture": str(first), "rounds": []} | dropped_facts(material), line


def plain(p: Prediction) -> dict[str, Any]:
    """Return a prediction as values of JSON."""
    return {
        "architecture": str(p.architecture),
        "accuracy": p.accuracy,
        "std": p.std,
        "flops": p.flops,
        "parameters": p.parameters,
    }


def plains(material: Material, found: Sequence[Prediction]) -> list[dict[str, Any]]:
    """Return predictions as values of JSON, with milliseconds where these are limited."""
    times = predicted(material, [p.architecture for p in found])
    each = [plain(p) for p in found]
    if times is None:
        return each
    return [one | {"predicted_ms": ms} for one, ms in zip(each, times, strict=True)]


def said_of(p: Prediction) -> str:
    """Write a predicted accuracy and its standard deviation, in percent."""
    return f"{100 * p.accuracy:.1f}" + ("" if p.std is None else f" ± {100 * p.std:.1f}") + " %"


def _round(material: Material, one: Round) -> dict[str, Any]:
    known = plains(material, [each.prediction for each in one.checked])
    times = measured(material, [each.architecture for each in one.checked])
    students = [
        facts | {"measured": each.measured, "epochs": each.epochs}
        for facts, each in zip(known, one.checked, strict=True)
    ]
    if times is not None:
        students = [each | {"ms": ms} for each, ms in zip(students, times, strict=True)]
    return {"epochs": one.epochs, "students": students}


def _tell(material: Material, number: int, one: Round, *, accuracies: bool) -> None:
    epochs = "1 epoch" if one.epochs == 1 else f"{one.epochs} epochs"
    judged = "" if material.measure.name == "accuracy" else f", {material.measure.name}"
    material.say(f"    round {number}, {epochs} each{judged}:")
    for each in one.checked:
        said = f"predicted {said_of(each.prediction)}, " if accuracies else ""
        material.say(f"      {said}measured {100 * each.measured:.1f} %  {each.architecture}")
