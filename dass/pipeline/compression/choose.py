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
from dass.pipeline.compression.material import Material, together
from dass.pipeline.compression.order import Order, order_for, sought, with_extra
from dass.searching.evolution_config import SearchConfig
from dass.searching.prediction import Prediction, predictions
from dass.searching.verification import Round, Searched, Short, promising, verify_among
from dass.space.architecture import Architecture


def order_of(material: Material) -> Order:
    """Return what orders students; it is given, or read or fitted once in a process."""
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
    found = sought(order, teacher, budget, candidates=asked.candidates, seed=asked.seed,
                   algorithm=asked.algorithm)  # fmt: skip
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


def verify_students(materials: Sequence[Material]) -> tuple[dict[str, Any], str]:
    """Train the most promising of each size briefly; what is measured decides among all.

    Returns:
        The choice, what was measured, and a line on it.
    """
    plan = materials[0].plan
    searches = [_searched(material) for material in materials]
    if plan.verify == 0:
        (material,), (search,) = materials, searches
        found = material.folder.found("search")
        assert found is not None, "the search comes first"
        best = Architecture.parse(found["best"]["architecture"])
        if search.keep([best]):
            return _unverified(materials, best)
        others = promising(search.ordered, search.space, count=1, seen=[best], keep=search.keep)
        return _unverified(materials, others[0].architecture if others else None)
    going = verify_among(
        searches, students=plan.verify, longest=plan.longest, ahead=partial(_ahead, materials)
    )
    rounds = []
    for number, one in enumerate(going, 1):
        rounds.append(one)
        _tell(materials, number, one)
    return _verified(materials, rounds) if rounds else _unverified(materials, None)


def _ahead(
    materials: Sequence[Material], students: Sequence[tuple[int, Architecture]], epochs: int
) -> None:
    """Have the students of a round trained at once, where there are others to do it."""
    trainings = [materials[place].training(student, "short", epochs=epochs)
                 for place, student in students]  # fmt: skip
    together(materials, trainings)


def _searched(material: Material) -> Searched:
    """Return how the students of one size are sought and measured."""
    found, order = material.folder.found("search"), order_of(material)
    assert found is not None, "the search comes first"
    rivals = [Architecture.parse(each["architecture"]) for each in found["rivals"].values()]
    begin(material, rivals)
    largest = rivals[0]

    def measure(architecture: Architecture, epochs: int) -> float:
        return material.done(material.training(architecture, "short", epochs=epochs))[1][-1]

    return Searched(
        ordered=partial(_ordered, material, largest=largest),
        space=material.teacher().network.space,
        measure=measure,
        extra=(largest,) if order.extrapolated else (),
        keep=partial(keep, material),
    )


def _verified(
    materials: Sequence[Material], rounds: Sequence[Round]
) -> tuple[dict[str, Any], str]:
    """Return the best of the last round, what was measured, and a line on it."""
    choice = rounds[-1].checked[0]
    chosen = materials[choice.place]
    doubt = chosen.measure.doubt(
        [one.measured for one in rounds[-1].checked], images=len(chosen.task.validation)
    )
    if doubt:
        chosen.say(f"    {doubt}")
    facts = {
        "architecture": str(choice.architecture),
        "measured": choice.measured,
        "doubt": doubt,
        "rounds": [_round(materials, one) for one in rounds],
    } | _beside(materials, chosen)
    trained = {(c.place, c.architecture) for one in rounds for c in one.checked}
    return facts, (
        f"{len(trained)} trained, the best {chosen.plan.longest} epochs: "
        f"{choice.architecture}{_at(chosen)} with "
        f"{chosen.measure.told(choice.measured, 'validation')}"
    )


def _beside(materials: Sequence[Material], chosen: Material) -> dict[str, Any]:
    """Return who was dropped for a limit, and of several sizes which was chosen."""
    if not chosen.folder.part:
        return dropped_facts(chosen)
    dropped = [
        each | {"size": one.task.image_size}
        for one in materials
        for each in dropped_facts(one).get("dropped", [])
    ]
    return {"size": chosen.task.image_size} | ({"dropped": dropped} if dropped else {})


def _at(material: Material) -> str:
    """Name the size of a student's images where there are several."""
    return f" at{material.label}" if material.label else ""


def _ordered(
    material: Material, support: Sequence[Short], *, largest: Architecture
) -> list[Prediction]:
    """Return the search's best given what was measured, and what it says of the largest."""
    asked, teacher, order = material.asked, material.teacher(), order_of(material)
    top = sought(order, teacher, budget_of(material), candidates=asked.candidates,
                 seed=asked.seed, algorithm=asked.algorithm, support=support).top  # fmt: skip
    known = support if order.conditions else ()
    return with_extra(top, predictions(order.scorer, teacher, [largest], support=known))


def _unverified(
    materials: Sequence[Material], first: Architecture | None
) -> tuple[dict[str, Any], str]:
    """Return the choice where nobody is trained briefly."""
    line, chosen = "nobody is trained briefly: the first of the search is taken", materials[0]
    if first is None:  # of a limit in milliseconds
        chosen = min(materials, key=lambda one: fastest(one)[1])
        first, milliseconds = fastest(chosen)
        line = (
            f"of those measured nobody keeps the limit of {chosen.asked.max_latency_ms:g} ms: "
            f"the fastest is taken, {first}{_at(chosen)} with {milliseconds:.3g}"
        )
    return {"architecture": str(first), "rounds": []} | _beside(materials, chosen), line


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


def _round(materials: Sequence[Material], one: Round) -> dict[str, Any]:
    students = []
    for each in one.checked:
        material = materials[each.place]
        (facts,) = plains(material, [each.prediction])
        facts |= {"measured": each.measured, "epochs": each.epochs}
        times = measured(material, [each.architecture])
        if times is not None:
            facts["ms"] = times[0]
        if material.folder.part:
            facts["size"] = material.task.image_size
        students.append(facts)
    return {"epochs": one.epochs, "students": students}


def _tell(materials: Sequence[Material], number: int, one: Round) -> None:
    measure, say = materials[0].measure, materials[0].say
    epochs = "1 epoch" if one.epochs == 1 else f"{one.epochs} epochs"
    judged = "" if measure.name == "accuracy" else f", {measure.name}"
    say(f"    round {number}, {epochs} each{judged}:")
    for each in one.checked:
        material = materials[each.place]
        accuracies = order_of(material).accuracies
        said = f"predicted {said_of(each.prediction)}, " if accuracies else ""
        say(f"      {said}measured {100 * each.measured:.1f} %  "
            f"{each.architecture}{_at(material)}")  # fmt: skip
