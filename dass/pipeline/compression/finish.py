"""The two steps that finish: distil the choice from the oracle, and export it.

Knows nothing of how it was chosen.

Letters in shapes: n images, s pixels, k classes.
"""

from __future__ import annotations

import json
from typing import Any

import torch
from safetensors.torch import save

from dass.data.images import normalise
from dass.errors import CorruptArtifact
from dass.evaluation.class_scores import ClassScores, class_scores
from dass.networks.int8 import int8_onnx
from dass.networks.onnx import to_onnx
from dass.networks.resnet import ResNet
from dass.networks.usage import usage
from dass.pipeline.compression.material import Material, together
from dass.pipeline.compression.onnx_runs import largest_difference, onnx_logits
from dass.pipeline.compression.passes import pass_times
from dass.space.architecture import Architecture
from dass.store.store import Store
from dass.training.inference import predict_logits

CALIBRATED = 128
"""Training pictures on which ranges of activations are measured for int8."""

FLOAT_TOLERANCE = 1e-3
"""Of the largest logit: what the ONNX file may differ by."""


def distil_student(material: Material) -> tuple[dict[str, Any], str]:
    """Train the choice, and the rivals where they are asked for; all are kept per epoch."""
    chosen, found = material.folder.found("verify"), material.folder.found("search")
    assert chosen is not None and found is not None, "a student is chosen first"
    rivals = found["rivals"].values() if material.asked.rivals else ()
    students = [Architecture.parse(each["architecture"]) for each in (chosen, *rivals)]
    together([material], [material.training(each, "final", epochs=material.plan.epochs)
                          for each in students])  # fmt: skip
    curve = final(material, chosen["architecture"])[1]
    facts: dict[str, Any] = {"architecture": chosen["architecture"], "curve": curve, "rivals": {}}
    names = found["rivals"] if material.asked.rivals else {}
    for name, rival in names.items():
        if rival["architecture"] == chosen["architecture"]:
            network = final(material, rival["architecture"])[0]
        else:
            material.say(f"    {name}: {rival['architecture']}")
            network = final(material, rival["architecture"])[0]
        facts["rivals"][name] = _scores(material, network).to_dict()
    return facts, (
        f"{chosen['architecture']} learned from {material.oracle.name} for {len(curve)} epochs: "
        f"{material.measure.told(curve[-1], 'validation')}"
    )


def final(material: Material, architecture: str) -> tuple[ResNet, list[float]]:
    """Return a student after its last training, which goes on where it was stopped."""
    student = Architecture.parse(architecture)
    return material.done(material.training(student, "final", epochs=material.plan.epochs))


def export_student(material: Material) -> tuple[dict[str, Any], str]:
    """Write the student's files, run both ONNX models on the whole test part, and compare.

    Raises:
        CorruptArtifact: the ONNX model does not compute what the network does.
    """
    chosen = material.folder.found("verify")
    assert chosen is not None, "a student is chosen first"
    task, store = material.task, material.folder.store
    network, _ = final(material, chosen["architecture"])
    facts = usage(network, class_names=task.class_names) | {
        "architecture": str(network.architecture),
        "space": network.space.name,
        "num_classes": network.num_classes,
        "teacher": material.oracle.name,
        "task": task.name,
    }
    model = to_onnx(network, facts)
    rows = torch.randperm(len(task.train), generator=torch.Generator().manual_seed(0))
    small = int8_onnx(model, normalise(task.train.images[rows[:CALIBRATED]]).contiguous())
    models = {"model.onnx": model, "model.int8.onnx": small}
    found = _compared(material, network, models)
    taken = pass_times(material, models)
    for name in models:
        found[name]["milliseconds"] = taken["models"][name]
    sizes = _write(store, network, facts, models=models)
    cost = {
        "flops": int(network.space.flops([network.architecture],
                                         num_classes=network.num_classes)[0]),
        "parameters": sum(p.numel() for p in network.parameters()),
    }  # fmt: skip
    scores = {name: ClassScores.from_dict(each["scores"]) for name, each in found.items()}
    facts = {"models": found, "bytes": sizes, "rivals": taken["rivals"]} | cost
    return facts | taken["limited"], (
        f"{_told(material, scores['model.onnx'])} of {len(task.test)} test images in "
        f"onnxruntime, int8 {100 * material.measure.among(scores['model.int8.onnx']):.1f} %; "
        f"{found['model.onnx']['milliseconds']:.2f} ms a picture, int8 "
        f"{found['model.int8.onnx']['milliseconds']:.2f}{taken['said']}"
    )


def _told(material: Material, scores: ClassScores) -> str:
    measure = material.measure
    if measure.balanced:
        return f"{measure.name} {100 * scores.balanced:.1f} %"
    return f"{measure.name} {scores}" if measure.agreement else str(scores)


def _write(
    store: Store, network: ResNet, facts: dict[str, Any], *, models: dict[str, bytes]
) -> dict[str, int]:
    """Write a student's files; return their bytes by name."""
    weights = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    files = {
        "student.safetensors": save(weights),
        **models,
        "config.json": json.dumps({"format": 1, "kind": "student"} | facts, indent=2).encode(),
    }
    for name, data in files.items():
        store.write(name, data)
    return {name: len(data) for name, data in files.items()}


def _compared(
    material: Material, network: ResNet, models: dict[str, bytes]
) -> dict[str, dict[str, Any]]:
    """Return scores and largest differences of the network and of its exports."""
    test = material.task.test
    ours = predict_logits(network, test.images)
    found: dict[str, dict[str, Any]] = {"torch": {"scores": _scores(material, network).to_dict()}}
    for name, data in models.items():
        logits = onnx_logits(data, test.images)
        scores = class_scores(logits.argmax(1), test.labels, classes=network.num_classes)
        found[name] = {
            "scores": scores.to_dict(),
            "largest_difference": largest_difference(logits, ours),
        }
    worst = found["model.onnx"]["largest_difference"]
    if worst > FLOAT_TOLERANCE * max(1.0, float(ours.abs().max())):
        raise CorruptArtifact(
            f"model.onnx must compute what the network does on every test image, but differs by "
            f"{worst:.1e}: run the same line with another version of onnxruntime"
        )
    return found


def _scores(material: Material, network: ResNet) -> ClassScores:
    test = material.task.test
    predicted = predict_logits(network, test.images).argmax(1)
    return class_scores(predicted, test.labels, classes=network.num_classes)
