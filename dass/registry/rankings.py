"""A ranking as a file: what a search answered, and what it was asked.

Knows nothing of where it goes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from dass.searching.evolution import Generation
from dass.searching.prediction import Prediction


def pack_search(answer: Generation, facts: Mapping[str, Any]) -> bytes:
    """Write a ranking as JSON, after what is known of how it was asked for."""
    text = {
        **facts,
        "scored": answer.scored,
        "top": [_plain(p) for p in answer.top],
        "pareto": [_plain(p) for p in answer.pareto],
    }
    return json.dumps(text, indent=2).encode()


def _plain(prediction: Prediction) -> dict[str, Any]:
    return {
        "architecture": str(prediction.architecture),
        "accuracy": prediction.accuracy,
        "uncertainty": prediction.std,
        "flops": prediction.flops,
        "parameters": prediction.parameters,
    }
