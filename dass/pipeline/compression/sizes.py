"""What was predicted and measured of each size of students' pictures, for people.

Knows nothing of networks or images.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dass.evaluation.report import Table

CAPTION = (
    "Sizes of pictures, within one budget (predictions of two sizes are not compared, since no "
    "label says how sizes differ: the best of each is measured to the last round, which decides)"
)

HEAD = ("pictures", "space", "ordered by", "first of the search", "predicted, %", "FLOPs",
        "verified", "best measured, %", "its FLOPs", "its student")  # fmt: skip


def size_tables(steps: Mapping[str, Any]) -> list[Table]:
    """Return a table with a row for each size; none where there is one size."""
    if "sizes" not in steps:
        return []
    rows = [_row(part, facts, steps["verify"]) for part, facts in steps["sizes"].items()]
    return [(CAPTION, HEAD, rows)]


def _row(part: str, facts: Mapping[str, Any], verified: Mapping[str, Any]) -> list[str]:
    size = int(part.removesuffix("px"))
    called = f"{size} px" + (" (chosen)" if size == verified["size"] else "")
    if "search" not in facts:
        left = [""] * (len(HEAD) - 2)
        return [called, f"left out: {facts['latency']['infeasible']}", *left]
    first = facts["search"]["best"]
    predicted = f"{100 * first['accuracy']:.1f}" if facts["search"]["accuracies"] else ""
    row = [called, facts["searchable"]["space"], facts["search"]["order"],
           first["architecture"], predicted, f"{first['flops'] / 1e6:.2f} M"]  # fmt: skip
    own = [each for one in verified["rounds"] for each in one["students"] if each["size"] == size]
    if not own:
        return [*row, "0", "", "", ""]
    best = max(own, key=lambda each: (each["epochs"], each["measured"]))
    return [
        *row,
        str(len({each["architecture"] for each in own})),
        f"{100 * best['measured']:.1f} after {best['epochs']} epochs",
        f"{best['flops'] / 1e6:.2f} M",
        best["architecture"],
    ]
