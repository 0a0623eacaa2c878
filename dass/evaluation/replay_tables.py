"""What replayed verifications came to, over tasks: regret, what was expected of it, gain, cost.

Knows nothing of how rows came about, nor of stores.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from dass.evaluation.replay import VERIFIED
from dass.evaluation.statistics import bootstrap
from dass.predictor.ranking import spearman
from dass.space.cost import BUDGETS

KEPT = "evaluations/verification.json"
"""Where what was found is kept."""


def summary(rows: pd.DataFrame) -> dict[str, Any]:
    """Return mean regrets in points with 95 % intervals over tasks, as values of JSON.

    A task counts once: the mean of its budgets, or of one budget.
    """
    found = []
    pairs = product(sorted(set(rows["order"])), VERIFIED)
    for order, verified in pairs:
        own = rows[(rows["order"] == order) & (rows["verified"] == verified)]
        for fraction in (None, *BUDGETS):
            part = own if fraction is None else own[own["fraction"] == fraction]
            columns = ["regret", "expected", "epochs", "candidates"]
            by_task = part.groupby("task")[columns].mean()
            lost, expected = (100 * by_task[name].to_numpy(float) for name in columns[:2])
            regret, agreement = bootstrap(lost), spearman(expected, lost)
            found.append(
                {
                    "order": order,
                    "verified": verified,
                    "fraction": fraction,
                    "regret": round(regret.mean, 3),
                    "low": round(regret.low, 3),
                    "high": round(regret.high, 3),
                    "expected": round(float(expected.mean()), 3),
                    "agreement": round(agreement, 3),
                    "epochs": round(float(by_task["epochs"].mean()), 2),
                    "tasks": len(by_task),
                    "candidates": round(float(by_task["candidates"].mean()), 1),
                }
            )
    floors = rows.drop_duplicates(["task", "fraction"]).groupby("task")["floor"].mean()
    floor = bootstrap(100 * floors.to_numpy(float))
    return {
        "format": 1,
        "rows": found,
        "gains": gains(rows),
        "floor": {
            "regret": round(floor.mean, 3),
            "low": round(floor.low, 3),
            "high": round(floor.high, 3),
        },
    }


HEAD = ("ordered by", "students verified", "regret@1, points", "expected", "tasks agree",
        "at 30, 50, 70 %", "gain", "epochs")  # fmt: skip


def rows_of(found: Mapping[str, Any]) -> list[list[str]]:
    """Lay out what `summary` returned: a row per order and number of verified students."""
    by_gain = {(one["order"], one["verified"]): one for one in found["gains"]}
    lines = []
    for one in found["rows"]:
        if one["fraction"] is not None:
            continue
        key = (one["order"], one["verified"])
        each = [r for r in found["rows"] if (r["order"], r["verified"]) == key and r["fraction"]]
        gain = by_gain.get(key)
        lines.append(
            [
                one["order"],
                str(one["verified"]),
                _with_interval(one, "regret"),
                f"{one['expected']:.2f}",
                f"{one['agreement']:.2f}",
                ", ".join(f"{r['regret']:.2f}" for r in each),
                ""
                if gain is None
                else f"{gain['gain']:.2f} [{gain['low']:.2f}, {gain['high']:.2f}]",
                f"{one['epochs']:.1f}",
            ]
        )
    told = _with_interval(found["floor"], "regret")
    return [*lines, ["validation accuracy", "all, trained whole", told, "", "", "", "", ""]]


def _with_interval(one: Mapping[str, Any], name: str) -> str:
    return f"{one[name]:.2f} [{one['low']:.2f}, {one['high']:.2f}]"


def gains(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Return by order and number verified what is gained over verifying nobody, in points."""
    found = []
    means = rows.groupby(["order", "task", "verified"])["regret"].mean().unstack()
    for order, wide in means.groupby(level="order"):
        for verified in VERIFIED[1:]:
            gain = bootstrap(100 * (wide[0] - wide[verified]).to_numpy(np.float64))
            found.append({"order": order, "verified": verified, "gain": round(gain.mean, 3),
                          "low": round(gain.low, 3), "high": round(gain.high, 3)})  # fmt: skip
    return found
