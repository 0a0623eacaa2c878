"""What a compression came to, for people: report, model card, and a script that runs the student.

All of it is read off what the steps found. Knows nothing of networks or images.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dass.evaluation.class_scores import ClassScores
from dass.evaluation.plots import Series, scatter
from dass.evaluation.report import Table, page
from dass.pipeline.compression.expected import drawn as regrets
from dass.pipeline.compression.expected import recorded, sentence
from dass.pipeline.compression.material import Material
from dass.pipeline.compression.measure import Measure, first_line
from dass.pipeline.compression.passes import front, limit_tables, verdict
from dass.pipeline.compression.sizes import size_tables

COSTS = ("ms a picture", "FLOPs", "parameters", "size", "architecture")

HEADS = {
    "accuracy": ("test accuracy (95 % interval)", "balanced"),
    "balanced accuracy": ("balanced test accuracy", "accuracy (95 % interval)"),
    "agreement with the teacher": (
        "agreement with the teacher on test images (95 % interval)",
        "mean over classes",
    ),
}
"""What the first two figures of a network are, by what students are judged by."""

INFER = '''\
"""Classify a picture: python infer.py picture.jpg [model.int8.onnx]"""
import json, sys
import numpy as np, onnxruntime
from PIL import Image

session = onnxruntime.InferenceSession(sys.argv[2] if sys.argv[2:] else "model.onnx")
facts = session.get_modelmeta().custom_metadata_map
size, mean, std = (np.float32(json.loads(facts[k])) for k in ("image_size", "mean", "std"))
picture = Image.open(sys.argv[1]).convert("RGB").resize((int(size), int(size)), 2)
pixels = (np.asarray(picture, np.float32) / 255 - mean) / std
(logits,) = session.run(["logits"], {"images": pixels.transpose(2, 0, 1)[None]})
odds = np.exp(logits[0] - logits[0].max())
for i in odds.argsort()[::-1][:3]:
    print(f"{json.loads(facts['class_names'])[i]}: {odds[i] / odds.sum():.1%}")
'''
"""Of onnxruntime, numpy and Pillow alone; 2 is Pillow's bilinear."""


def tell(material: Material) -> tuple[dict[str, Any], str]:
    """Write report.html, README.md and infer.py."""
    store, steps = material.folder.store, material.kept["found"]
    note = first_line(material.asked, tested=len(material.task.test))
    if "latency" in steps["export"]:
        note += f" The student: {verdict(steps['export']['latency'], 'student')}."
    head = ("network", *HEADS[material.measure.name], *COSTS)
    rows = side_by_side(material, steps)
    html = page(
        f"A student of {material.oracle.name}",
        note=f"{note} Students were ordered by {steps['search']['order']}. {_cost(material)}",
        head=head,
        rows=rows,
        plots=_plots(material.measure, steps, verified=material.plan.verify),
        more=_more(material, steps),
    )
    store.write("report.html", html.encode())
    store.write("README.md", _card(material, steps, table=[head, *rows], note=note).encode())
    store.write("infer.py", INFER.encode())
    return {"first_line": note}, f"{material.folder.store.url('report.html')}"


def side_by_side(material: Material, steps: dict[str, Any]) -> list[list[str]]:
    """Return a row for the teacher, the student, its int8 form and each rival."""
    check, found, export = steps["check"], steps["search"], steps["export"]
    chosen = steps["verify"]["architecture"]
    whole = f"{check['milliseconds']:.2f} ({check['run']})"
    nothing = ("", "", "", "")
    asked, measure = material.asked, material.measure
    teacher = f"teacher {material.oracle.name}"
    if measure.agreement:
        teacher += " (by definition)"
    elif not (asked.task.test or asked.task.seen):
        teacher += " (on images it has possibly seen)"
    rows = [_row(measure, teacher, check["test"], ms=whole, costs=nothing)]
    for name, called in (("model.onnx", "student"), ("model.int8.onnx", "student, int8")):
        costs = (f"{export['flops'] / 1e6:.2f} M", f"{export['parameters']:,}",
                 f"{export['bytes'][name] / 1e3:,.0f} kB", chosen)  # fmt: skip
        model = export["models"][name]
        taken = f"{model['milliseconds']:.2f}"
        rows.append(_row(measure, called, model["scores"], ms=taken, costs=costs))
    for name, rival in found["rivals"].items():
        taken = export["rivals"][name]
        costs = (f"{rival['flops'] / 1e6:.2f} M", f"{rival['parameters']:,}", "",
                 rival["architecture"])  # fmt: skip
        scores = steps["distil"]["rivals"].get(name)
        if rival["architecture"] == chosen:
            name, scores = f"{name}: the student", export["models"]["torch"]["scores"]
        rows.append(_row(measure, name, scores, ms=f"{taken:.2f}", costs=costs))
    return rows


def _row(
    measure: Measure,
    name: str,
    scores: dict[str, Any] | None,
    *,
    ms: str,
    costs: tuple[str, str, str, str],
) -> list[str]:
    """Write the row of a network; what students are judged by comes first."""
    if scores is None:
        return [name, "not trained (--rivals)", "", ms, *costs]
    one = ClassScores.from_dict(scores)
    figures = [str(one), f"{100 * one.balanced:.1f} %"]
    return [name, *(figures[::-1] if measure.balanced else figures), ms, *costs]


def _more(material: Material, steps: dict[str, Any]) -> list[Table]:
    export = steps["export"]
    columns = {
        "teacher": steps["check"]["test"],
        "student": export["models"]["model.onnx"]["scores"],
        "student, int8": export["models"]["model.int8.onnx"]["scores"],
    } | steps["distil"]["rivals"]
    recall = [
        [name, *(f"{100 * scores['recall'][place]:.1f} %" for scores in columns.values())]
        for place, name in enumerate(material.task.class_names)
        if columns["teacher"]["recall"][place] is not None
    ]
    caption = "Recall of each class"
    if material.measure.agreement:
        caption = "Agreement with the teacher on each class that it answers with"
    tables = [*limit_tables(steps), (caption, ("class", *columns), recall)]
    tables += size_tables(steps)
    several = "sizes" in steps
    rounds = [
        [f"{number} ({one['epochs']} epochs)", *([f"{each['size']} px"] if several else []),
         *_predicted(each, steps), *_times(each), each["architecture"]]
        for number, one in enumerate(steps["verify"]["rounds"], 1)
        for each in one["students"]
    ]  # fmt: skip
    if rounds:
        times = ("predicted, ms", "measured, ms") if "latency" in export else ()
        size = ("pictures",) if several else ()
        head = ("round", *size, "predicted, %", "measured, %", *times, "student")
        told = f"Verified students: {material.measure.name} on validation images"
        if steps["verify"].get("doubt"):
            told += f" ({steps['verify']['doubt']})"
        tables.append((told, head, rounds))
    return [*tables, ("What it took", ("step", "seconds", "expected"), _ledger(material))]


def _predicted(each: dict[str, Any], steps: dict[str, Any]) -> list[str]:
    predicted, search = "", steps["search"]
    if "size" in each:
        search = steps["sizes"][f"{each['size']}px"]["search"]
    if search["accuracies"]:
        spread = "" if each["std"] is None else f" ± {100 * each['std']:.1f}"
        predicted = f"{100 * each['accuracy']:.1f}{spread}"
    return [predicted, f"{100 * each['measured']:.1f}"]


def _times(each: dict[str, Any]) -> list[str]:
    """Return milliseconds of a verified student, where they are limited."""
    if "predicted_ms" not in each:
        return []
    return [f"{each['predicted_ms']:.3g}", f"{each['ms']:.3g}" if "ms" in each else ""]


def _ledger(material: Material) -> list[list[str]]:
    spent = (material.folder.read("ledger.json") or {"seconds": {}})["seconds"]
    expected = material.plan.seconds
    return [
        [step, f"{seconds:.0f}", f"{expected[step]:.0f}" if step in expected else ""]
        for step, seconds in spent.items()
    ]


def _cost(material: Material) -> str:
    spent = (material.folder.read("ledger.json") or {"total_seconds": 0.0})["total_seconds"]
    return f"Made in {spent / 60:.1f} minutes. Milliseconds are of one picture on one thread here."


def _plots(measure: Measure, steps: dict[str, Any], *, verified: int) -> dict[str, bytes]:
    found, distil = steps["search"], steps["distil"]
    checked = [each for one in steps["verify"]["rounds"] for each in one["students"]]
    drawn = {}
    if found["accuracies"]:
        best, cost = front(found)
        drawn[f"Predictions by {found['order']}"] = scatter(
            [best], x_label=cost, y_label="predicted accuracy, %", title="Predicted"
        )
        if checked:
            points = Series(label="students", x=[100 * p["accuracy"] for p in checked],
                            y=[100 * p["measured"] for p in checked])  # fmt: skip
            drawn["What was predicted, and what short trainings measured"] = scatter(
                [points], x_label="predicted, %", y_label="measured, %", title="Verified",
                diagonal=True,
            )  # fmt: skip
    if not measure.agreement and (replay := recorded()) is not None:
        said = sentence(replay, verified=verified, extrapolated=found["extrapolated"])
        drawn[said] = regrets(replay)
    epochs = [float(number) for number, _ in enumerate(distil["curve"], 1)]
    values = [100 * each for each in distil["curve"]]
    curves = [Series(label="student", x=epochs, y=values, marker="o-")]
    curves += [
        Series(label=f"verified: {name}", marker=".-", x=[float(e) for e in by_epoch],
               y=[100 * a for a in by_epoch.values()])
        for name, by_epoch in _curves(checked).items()
    ]  # fmt: skip
    judged = measure.name[0].upper() + measure.name[1:]
    drawn[f"{judged} on validation images after each epoch"] = scatter(
        curves, x_label="epoch", y_label=f"{measure.name}, %", title="Learning curves"
    )
    return drawn


def _curves(checked: list[dict[str, Any]]) -> dict[str, dict[int, float]]:
    """Return by student what was measured after how many epochs."""
    found: dict[str, dict[int, float]] = {}
    for each in checked:
        name = each["architecture"] + (f" at {each['size']} px" if "size" in each else "")
        found.setdefault(name, {})[each["epochs"]] = each["measured"]
    return found


def _card(
    material: Material, steps: dict[str, Any], *, table: list[Sequence[str]], note: str
) -> str:
    task, found, export = material.task, steps["search"], steps["export"]
    head, *rows = table
    lines = ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows)]
    alone = "" if not material.asked.unlabelled else " (without labels, of its logits alone)"
    worst = {name: each["largest_difference"] for name, each in export["models"].items()
             if "largest_difference" in each}  # fmt: skip
    return "\n".join(
        [
            f"# A student of {material.oracle.name}",
            "",
            note,
            "",
            f"Classifies pictures of {task.image_size} × {task.image_size} pixels into "
            f"{task.num_classes} classes: {', '.join(task.class_names)}.",
            "",
            *lines,
            "",
            f"Distilled from {material.oracle.name}{alone} on {len(task.train)} pictures of "
            f"{task.config.source.partition(':')[0]} `{task.name}`; chosen by {found['order']}"
            + (f" and {material.plan.verify} short trainings." if material.plan.verify else "."),
            f"Tested on {len(task.test)} pictures. Largest difference of a logit from torch: "
            + ", ".join(f"{name} {value:.1e}" for name, value in worst.items())
            + ".",
            "",
            "`python infer.py PICTURE` runs it; `config.json` says how its input is made. It "
            "knows its classes alone, and gives one of them for any picture.",
            "",
        ]
    )
