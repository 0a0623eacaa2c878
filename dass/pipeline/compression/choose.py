"""The two steps that choose: search within the budget, then verify by short trainings.

Knows nothing of the last training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from dass.baselines.choices import largest_in_budget, uniform_in_budget
from dass.pipeline.compression.material import Material
from dass.pipeline.compression.order import Order, order_for, sought, with_extra
from dass.searching.evolution_config import SearchConfig
from dass.searching.prediction import Prediction, predictions
from dass.searching.verification import Checked, Round, Short, verify
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
    budget = asked.budget(teacher)
    found = sought(order, teacher, budget, candidates=asked.candidates, seed=asked.seed)
    config = SearchConfig(candidates=asked.candidates, seed=asked.seed)
    rivals = {
        "largest in budget": largest_in_budget(teacher, budget, config=config),
        "slimmed alike": uniform_in_budget(teacher, budget),
    }
    spoken = predictions(order.scorer, teacher, list(rivals.values()))
    best = found.top[0]
    facts = {
        "order": order.said,
        "extrapolated": order.extrapolated,
        "accuracies": order.accuracies,
        "budget": {"max_flops": budget.max_flops, "max_parameters": budget.max_parameters},
        "scored": found.scored,
        "best": plain(best),
        "pareto": [plain(p) for p in found.pareto],
        "rivals": {name: plain(p) for name, p in zip(rivals, spoken, strict=True)},
    }
    said = f", predicted {said_of(best)}" if order.accuracies else ""
    return (
        facts,
        f"{found.scored} students ordered by {order.said}; first {best.architecture}{said}",
    )


def verify_students(material: Material) -> tuple[dict[str, Any], str]:
    """Train the most promising briefly; return the choice, what was measured, and a line on it."""
    plan, asked, found = material.plan, material.asked, material.folder.found("search")
    assert found is not None, "the search comes first"
    if plan.verify == 0:
        facts = {"architecture": found["best"]["architecture"], "rounds": []}
        return facts, "nobody is trained briefly: the first of the search is taken"
    teacher, order = material.teacher(), order_of(material)
    budget = asked.budget(teacher)
    largest = Architecture.parse(found["rivals"]["largest in budget"]["architecture"])
    recipe = material.recipe(epochs=plan.longest)

    def ordered(support: Sequence[Short]) -> list[Prediction]:
        top = sought(order, teacher, budget, candidates=asked.candidates, seed=asked.seed,
                     support=support).top  # fmt: skip
        known = support if order.conditions else ()
        return with_extra(top, predictions(order.scorer, teacher, [largest], support=known))

    def measure(architecture: Architecture, epochs: int) -> float:
        network = material.student(architecture)
        return material.trained(network, recipe, epochs=epochs, role="short")[-1]

    rounds = []
    going = verify(ordered, teacher.network.space, students=plan.verify, longest=plan.longest,
                   measure=measure, extra=(largest,) if order.extrapolated else ())  # fmt: skip
    for number, one in enumerate(going, 1):
        rounds.append(one)
        _tell(material, number, one, accuracies=order.accuracies)
    choice = rounds[-1].checked[0]
    facts = {
        "architecture": str(choice.architecture),
        "measured": choice.measured,
        "rounds": [_round(one) for one in rounds],
    }
    return facts, (
        f"{plan.verify} trained, the best {plan.longest} epochs: {choice.architecture} with "
        f"{material.measure.told(choice.measured, 'validation')}"
    )


def plain(p: Prediction) -> dict[str, Any]:
    """Return a prediction as values of JSON."""
    return {
        "architecture": str(p.architecture),
        "accuracy": p.accuracy,
        "std": p.std,
        "flops": p.flops,
        "parameters": p.parameters,
    }


def said_of(p: Prediction) -> str:
    """Write a predicted accuracy and its standard deviation, in percent."""
    return f"{100 * p.accuracy:.1f}" + ("" if p.std is None else f" ± {100 * p.std:.1f}") + " %"


def _round(one: Round) -> dict[str, Any]:
    return {"epochs": one.epochs, "students": [_checked(each) for each in one.checked]}


def _checked(one: Checked) -> dict[str, Any]:
    return plain(one.prediction) | {"measured": one.measured, "epochs": one.epochs}


def _tell(material: Material, number: int, one: Round, *, accuracies: bool) -> None:
    epochs = "1 epoch" if one.epochs == 1 else f"{one.epochs} epochs"
    judged = "" if material.measure.name == "accuracy" else f", {material.measure.name}"
    material.say(f"    round {number}, {epochs} each{judged}:")
    for each in one.checked:
        predicted = f"predicted {said_of(each.prediction)}, " if accuracies else ""
        material.say(f"      {predicted}measured {100 * each.measured:.1f} %  {each.architecture}")
