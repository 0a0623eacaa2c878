"""What verification is worth, as it was measured on recorded tasks, for people.

Read from the shipped replay. Knows nothing of the images at hand.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from dass.errors import InvalidData
from dass.evaluation.plots import Series, scatter
from dass.evaluation.replay import FLOPS, SURROGATE
from dass.evaluation.replay_tables import KEPT
from dass.registry import zoo


def recorded() -> dict[str, Any] | None:
    """Return the shipped replay; None where it is not there."""
    try:
        store = zoo.registry().store
    except InvalidData:
        return None
    if not store.exists(KEPT):
        return None
    found: dict[str, Any] = json.loads(store.read(KEPT))
    return found


def sentence(found: Mapping[str, Any], *, verified: int, extrapolated: bool) -> str:
    """Say what regret is expected where so many students are verified.

    Args:
        found: the replay.
        verified: students of this compression.
        extrapolated: whether no predictor of its space ordered them; the order by FLOPs, which was
            replayed too, then stands for theirs.
    """
    order = FLOPS if extrapolated else SURROGATE
    rows = {one["verified"]: one for one in _whole(found) if one["order"] == order}
    one = rows[max(k for k in rows if k <= verified)]
    stands = ", which stands for this order" if extrapolated else ""
    gain = next((g for g in found["gains"]
                 if (g["order"], g["verified"]) == (order, one["verified"])), None)  # fmt: skip
    gained = "" if gain is None else (
        f", a gain of {gain['gain']:.2f} ({gain['low']:.2f} to {gain['high']:.2f}) over verifying "
        "nobody"
    )  # fmt: skip
    return (
        f"Verifying {one['verified']} students: expected regret {one['regret']:.2f} points of "
        f"test accuracy (95 % interval {one['low']:.2f} to {one['high']:.2f}){gained}; from "
        f"{one['tasks']} recorded tasks of other images, four epochs long, ordered by "
        f"{order}{stands}"
    )


def drawn(found: Mapping[str, Any]) -> bytes:
    """Draw regret against verified students, for each order."""
    series = []
    for order in (SURROGATE, FLOPS):
        rows = sorted(
            (one for one in _whole(found) if one["order"] == order),
            key=lambda one: int(one["verified"]),
        )
        series.append(
            Series(
                label=f"ordered by {order}",
                marker="o-",
                x=[float(one["verified"]) for one in rows],
                y=[float(one["regret"]) for one in rows],
            )
        )
    return scatter(series, x_label="students verified", y_label="regret, points",
                   title="Verification on recorded tasks")  # fmt: skip


def _whole(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of all budgets together."""
    return [one for one in found["rows"] if one["fraction"] is None]
