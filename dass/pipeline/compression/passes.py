"""What the finished student and its rivals take, timed in turn; beside it what was predicted, and
how that stands to a limit.

Rivals are timed with random weights, trained or not. Knows nothing of accuracy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dass.evaluation.plots import Series
from dass.evaluation.report import Table
from dass.pipeline.compression.asked import Asked
from dass.pipeline.compression.clock import Timed, times
from dass.pipeline.compression.latency_budget import predicted
from dass.pipeline.compression.latency_table import drafts, measured_here
from dass.pipeline.compression.material import Material
from dass.space.architecture import Architecture

FILES = {"float32": "model.onnx", "int8": "model.int8.onnx"}
"""Of the student, by precision."""


def pass_times(material: Material, models: Mapping[str, bytes]) -> dict[str, Any]:
    """Time a student's files and its rivals in turn.

    Args:
        material: of the compression.
        models: the student's files.

    Returns:
        Milliseconds of one picture of each of the `models` and `rivals`; under `limited` facts
        of a limit of milliseconds, and under `said` how the student stands to it.
    """
    asked, rivals = material.asked, _rivals(material)
    plain = replace(asked, latency_precision="float32")
    one = _in_turn({**models, **_drafted(plain, material, rivals)}, batch=1)
    found = {
        "models": {name: one[name].milliseconds for name in models},
        "rivals": {name: one[name].milliseconds for name in rivals},
    }
    if asked.max_latency_ms is None:
        return found | {"limited": {}, "said": ""}
    file = FILES[asked.latency_precision]
    taken = {name: one[name] for name in (file, *rivals)}
    if (asked.latency_precision, asked.latency_batch) != ("float32", 1):
        again = {file: models[file], **_drafted(asked, material, rivals)}
        taken = _in_turn(again, batch=asked.latency_batch)
    taken["student"] = taken.pop(file)
    limited = _limited(material, rivals, taken if measured_here(asked) else {})
    return found | {"limited": {"latency": limited}, "said": f"; {verdict(limited, 'student')}"}


def _rivals(material: Material) -> dict[str, Architecture]:
    found = material.folder.found("search")
    assert found is not None, "the search comes first"
    return {name: Architecture.parse(r["architecture"]) for name, r in found["rivals"].items()}


def _drafted(
    asked: Asked, material: Material, students: Mapping[str, Architecture]
) -> dict[str, bytes]:
    network = material.teacher().network
    made, _ = drafts(asked, network.space, list(students.values()),
                     num_classes=network.num_classes)  # fmt: skip
    return dict(zip(students, made, strict=True))


def _in_turn(models: Mapping[str, bytes], *, batch: int) -> dict[str, Timed]:
    return dict(zip(models, times(list(models.values()), batch=batch), strict=True))


def _limited(
    material: Material, rivals: Mapping[str, Architecture], taken: Mapping[str, Timed]
) -> dict[str, Any]:
    """Return what was predicted of each, and what it takes where that is measured here."""
    asked, found = material.asked, material.folder.found("search")
    chosen, table = material.folder.found("verify"), material.folder.found("latency")
    assert found is not None and chosen is not None, "a student is chosen first"
    students = {"student": Architecture.parse(chosen["architecture"]), **rivals}
    expected = predicted(material, list(students.values()))
    assert expected is not None
    networks = {
        name: {"predicted_ms": ms}
        | ({} if name not in taken else {"ms": taken[name].milliseconds,
                                         "repeatability": taken[name].repeatability})
        for name, ms in zip(students, expected, strict=True)
    }  # fmt: skip
    return {
        "limit_ms": asked.max_latency_ms,
        "device": found["budget"]["device"],
        "precision": asked.latency_precision,
        "batch": asked.latency_batch,
        "error": 0.0 if table is None else table["error"],
        "networks": networks,
    }


def verdict(limited: Mapping[str, Any], name: str) -> str:
    """Say how one of the networks stands to the limit."""
    one, limit = limited["networks"][name], limited["limit_ms"]
    what = f"{limited['precision']}, {limited['batch']} a pass"
    if "ms" not in one:
        return (
            f"{one['predicted_ms']:.3g} ms predicted on {limited['device']} of {limit:g} allowed "
            f"({what}); only that device can measure it"
        )
    excess, error = one["ms"] / limit - 1, max(limited["error"], one["repeatability"])
    if excess <= 0:
        return f"{one['ms']:.3g} ms of {limit:g} allowed ({what})"
    within = f", within the table's error of {100 * error:.1f} %" if excess <= error else ""
    return f"{one['ms']:.3g} ms, {100 * excess:.1f} % over the limit of {limit:g} ({what}){within}"


# --- for the report ------------------------------------------------------------------------


def limit_tables(steps: Mapping[str, Any]) -> list[Table]:
    """Return what was predicted and measured of each network, and who was dropped for it."""
    limited = steps["export"].get("latency")
    if limited is None:
        return []
    rows = [
        [name, f"{one['predicted_ms']:.3g}", f"{one['ms']:.3g}" if "ms" in one else "",
         verdict(limited, name)]
        for name, one in limited["networks"].items()
    ]  # fmt: skip
    head = ("network", "predicted, ms", "measured, ms", "against the limit")
    tables: list[Table] = [(f"Milliseconds of a pass on {limited['device']}", head, rows)]
    dropped = [
        [each["architecture"], f"{each['predicted_ms']:.3g}", f"{each['ms']:.3g}"]
        for each in steps["verify"].get("dropped", [])
    ]
    if dropped:
        caption = f"Measured over the limit of {limited['limit_ms']:g} ms, and not trained"
        tables.append((caption, ("student", "predicted, ms", "measured, ms"), dropped))
    return tables


def front(found: Mapping[str, Any]) -> tuple[Series, str]:
    """Return a search's Pareto front and the name of its cost: milliseconds where limited."""
    timed = "max_latency_ms" in found["budget"]
    costs = [p["predicted_ms"] if timed else p["flops"] / 1e6 for p in found["pareto"]]
    accuracies = [100 * p["accuracy"] for p in found["pareto"]]
    label = "predicted milliseconds of a pass" if timed else "FLOPs, millions"
    return Series(label="Pareto front", x=costs, y=accuracies, marker="o-"), label
