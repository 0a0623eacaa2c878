"""What the OpenAPI document says beyond the models: refusals, bodies of uploads, examples.

Knows nothing of what is done with a request.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Header
from fastapi.openapi.models import Example

from dass.space.space import Space
from serve import refusals, requests

REFUSALS: dict[int | str, dict[str, Any]] = {
    code: {"model": refusals.Error, "description": text}
    for code, text in {
        401: "No token, or a wrong one.",
        404: "There is no such teacher, search, student, latency table or job.",
        408: "No answer in the time of a request.",
        409: "The name stands for another teacher, or another latency table.",
        413: "Too large, or too much work for one request.",
        422: "A value out of its range, or no student in the budget.",
        503: "Overloaded or unavailable: ask again after `Retry-After` seconds.",
    }.items()
}
REFUSALS[400] = {"model": refusals.Error, "description": "The body is no JSON."}
REFUSALS |= {
    403: {
        "model": refusals.Error,
        "description": "A foreign page or name, another role's token, or none does jobs.",
    },
    405: {"model": refusals.Error, "description": "No such method of this path."},
    415: {"model": refusals.Error, "description": "The body is not said to be JSON."},
    500: {"model": refusals.Error, "description": "The service failed; its log says how."},
}


def registration(space: str) -> dict[str, Any]:
    """Return what is said of the body that adds a teacher of a space: it is read part by part."""
    ours = {
        "name": "ours",
        "space": space,
        "classes": 10,
        "accuracy": 0.81,
        "path": "uploads/ours.safetensors",
        "note": "as trained in March",
    }
    content = {
        "schema": requests.Registration.model_json_schema(),
        "examples": {"weights that are in the store": {"value": ours}},
    }
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


def latency_table(space: Space) -> dict[str, Any]:
    """Return what is said of the body that is a latency table of a space: a file of its own form.

    The example is the form, with one price; real ones have some dozens.
    """
    spread = {"median": 0.03, "p95": 0.1, "spearman": 0.99}
    prices = {
        "precision": "float32",
        "batch": 1,
        "vector": 8,
        "coefficients": {"networks": 0.02, "writes": 1e-5},
        "held_out": spread,
        "repeatability": spread,
    }
    table = {
        "format": 1,
        "device": "phone",
        "cpu": "ARMv8",
        "onnxruntime": "1.20",
        "space": space.name,
        "num_classes": 10,
        "measurements": [],
        "prices": [prices],
    }
    content = {
        "schema": {"type": "object", "description": "The file that `dass latency` writes."},
        "examples": {"of one price": {"value": table}},
    }
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


UPLOAD = {
    "requestBody": {
        "required": True,
        "content": {
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}
        },
    }
}
Key = Annotated[
    str | None,
    Header(min_length=1, max_length=128, description="The same again gets the same answer."),
]
SEARCH: dict[str, Example] = {
    "half of the teacher's FLOPs": {
        "value": {"teacher": "digits", "max_flops_share": 0.5, "candidates": 300, "k": 3}
    },
    "with progress": {"value": {"teacher": "digits", "candidates": 500, "stream": True}},
}

CHOICES: dict[str, Example] = {
    "in half of the teacher's FLOPs": {"value": {"teacher": "digits", "max_flops_share": 0.5}}
}
