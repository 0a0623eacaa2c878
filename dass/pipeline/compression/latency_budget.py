"""A budget of milliseconds, kept: by what a table predicts, less its own error, and on this
machine by what students take before they are trained.

Students are timed as the table's members are, with random weights. Knows nothing of training, nor
of how a table is made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from statistics import median
from typing import Any

from dass.errors import InfeasibleBudget
from dass.networks.latency import LatencyModel
from dass.pipeline.compression.clock import times
from dass.pipeline.compression.latency_table import drafts, measured_here, model_of
from dass.pipeline.compression.material import Material
from dass.space.architecture import Architecture
from dass.space.cost import Budget

TAKEN = "latency.json"
"""Among what is not for the user: what students took that were measured before training."""

ATTEMPTS = 4
"""Times that a plain choice is made again because what it chose is over the limit."""

STEPS = 4
"""From the limit that one would keep to, to the one asked for; the first that leaves anybody."""


def begin(material: Material, known: Sequence[Architecture] = ()) -> None:
    """Begin a step that seeks within the limit, knowing what some students take."""
    material.kept["asked for"] = {}
    measured(material, known)


def predicted(material: Material, students: Sequence[Architecture]) -> list[float] | None:
    """Return predicted milliseconds of a pass; None where nobody limits them."""
    model = model_of(material)
    if model is None:
        return None
    found: list[float] = model.milliseconds(
        students, num_classes=material.task.num_classes
    ).tolist()
    return found


def budget_of(material: Material) -> Budget:
    """Return the budget in which students are sought.

    Its limit of milliseconds is less than the one that was asked for by the table's error, and by
    what students took longer than predicted; but not so much less that nobody is left.
    """
    teacher, asked, model = material.teacher(), material.asked, model_of(material)
    budget = asked.budget(teacher)
    if model is None or asked.max_latency_ms is None:
        return budget
    error = model.prices.held_out.median if isinstance(model, LatencyModel) else 0.0
    least = asked.max_latency_ms / (1 + error) / _slower(material)
    for step in range(STEPS + 1):
        limit = least + (asked.max_latency_ms - least) * step / STEPS
        budget = replace(budget, max_latency_ms=limit, latency=model)
        if feasible(material, budget):
            break
    return budget


def feasible(material: Material, budget: Budget) -> bool:
    """Return whether a budget leaves anybody."""
    network = material.teacher().network
    try:
        network.space.check_budget(budget, num_classes=network.num_classes)
    except InfeasibleBudget:
        return False
    return True


def _slower(material: Material) -> float:
    """Return how much longer students took than predicted; at least 1.

    Of those that this step asked for, so that one that was stopped goes the same way again.
    """
    asked: dict[str, dict[str, float]] = material.kept.get("asked for", {})
    ratios = [each["milliseconds"] / each["predicted"] for each in asked.values()]
    return max(1.0, median(ratios)) if ratios else 1.0


def _taken(material: Material) -> dict[str, dict[str, float]]:
    return material.folder.read(f"{material.folder.work}/{TAKEN}") or {}


def measured(material: Material, students: Sequence[Architecture]) -> list[float] | None:
    """Return measured milliseconds of a pass; None where the limit is of another device.

    Each student is measured once in a compression.
    """
    if not measured_here(material.asked):
        return None
    taken, asked = _taken(material), material.asked
    fresh = [each for each in dict.fromkeys(students) if str(each) not in taken]
    if fresh:
        network = material.teacher().network
        models, _ = drafts(asked, network.space, fresh, num_classes=network.num_classes)
        expected = predicted(material, fresh)
        assert expected is not None
        found = zip(fresh, times(models, batch=asked.latency_batch), expected, strict=True)
        taken |= {str(each): asdict(one) | {"predicted": ms} for each, one, ms in found}
        material.folder.write(f"{material.folder.work}/{TAKEN}", taken)
    known = material.kept.setdefault("asked for", {})
    known |= {str(each): taken[str(each)] for each in students}
    return [taken[str(each)]["milliseconds"] for each in students]


def over(material: Material, milliseconds: float) -> bool:
    """Return whether a time is over the limit by more than measurements of one member differ."""
    limit, found = material.asked.max_latency_ms, material.folder.found("latency")
    assert limit is not None and found is not None, "the table is measured first"
    return milliseconds > limit * (1 + float(found["repeatability"]))


def keep(material: Material, students: Sequence[Architecture]) -> list[Architecture]:
    """Return the students that may be trained: measured here, they keep the limit."""
    found = measured(material, students)
    if found is None:
        return list(students)
    kept = []
    for student, milliseconds in zip(students, found, strict=True):
        if over(material, milliseconds):
            _tell(material, student, milliseconds)
        else:
            kept.append(student)
    return kept


def _tell(material: Material, student: Architecture, milliseconds: float) -> None:
    material.say(
        f"    {student} takes {milliseconds:.3g} ms, over the limit of "
        f"{material.asked.max_latency_ms:g}: another is sought"
    )


def fastest(material: Material) -> tuple[Architecture, float]:
    """Return the fastest of the students that were measured here, and its milliseconds."""
    taken = _taken(material)
    name = min(taken, key=lambda each: taken[each]["milliseconds"])
    return Architecture.parse(name), taken[name]["milliseconds"]


def dropped_facts(material: Material) -> dict[str, Any]:
    """Return the students that were measured here and are over the limit; nothing without one."""
    if not measured_here(material.asked):
        return {}
    return {
        "dropped": [
            {"architecture": name, "predicted_ms": each["predicted"], "ms": each["milliseconds"]}
            for name, each in _taken(material).items()
            if over(material, each["milliseconds"])
        ]
    }


def limit_facts(material: Material, budget: Budget) -> dict[str, Any]:
    """Return a limit of milliseconds, and the one that was sought within, as values of JSON."""
    if budget.latency is None:
        return {}
    return {
        "max_latency_ms": material.asked.max_latency_ms,
        "sought_ms": budget.max_latency_ms,
        "device": budget.latency.device,
        "precision": material.asked.latency_precision,
        "batch": material.asked.latency_batch,
    }


def chosen_within(material: Material, choose: Callable[[Budget], Architecture]) -> Architecture:
    """Return a plain choice that keeps the limit measured here too, where one does.

    Args:
        material: of the compression.
        choose: the choice within a budget.
    """
    budget, limit = budget_of(material), material.asked.max_latency_ms
    choice = choose(budget)
    for _ in range(ATTEMPTS):
        found = measured(material, [choice])
        if found is None or limit is None or not over(material, found[0]):
            break
        _tell(material, choice, found[0])
        assert budget.max_latency_ms is not None
        budget = replace(budget, max_latency_ms=budget.max_latency_ms * limit / found[0])
        if not feasible(material, budget):
            break
        choice = choose(budget)
    return choice
