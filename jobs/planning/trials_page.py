"""What trials of a tuning came to: their order, a table as CSV, a page with a plot.

Knows nothing of how trials are run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from dass.evaluation.plots import Series, scatter
from dass.evaluation.report import page
from dass.store.store import Store

GOAL = "spearman"
"""What trials report and are ordered by: the mean Spearman over validation teachers."""


@dataclass(frozen=True, slots=True)
class Tried:
    """One trial that reported: what it chose, what it reached, where its weights are."""

    chosen: Mapping[str, Any]
    metrics: Mapping[str, Any]
    checkpoint: Any = field(repr=False)


def ranked(results: Iterable[Any]) -> list[Tried]:
    """Return the trials that kept weights, best first."""
    found = [
        Tried(result.config, result.metrics, result.checkpoint)
        for result in results
        if result.checkpoint is not None and result.metrics and GOAL in result.metrics
    ]
    return sorted(found, key=lambda t: -t.metrics[GOAL])


def publish(
    store: Store, name: str, trials: Sequence[Tried], *, validation: Mapping[str, float]
) -> str:
    """Write the table of trials as CSV and as a page with a plot; return where the page is.

    Args:
        store: where they go.
        name: of the tuning.
        trials: best first.
        validation: mean Spearman of the published ensemble and of baselines.
    """
    columns = ["episodes", GOAL, "residual", "loss"]
    rows = [dict(t.chosen) | {c: t.metrics.get(c) for c in columns} for t in trials]
    frame = pd.DataFrame(rows)
    store.write(f"tuning/{name}/trials.csv", frame.to_csv(index=False).encode())
    series = [
        Series(
            label=str(scale),
            x=[np.log10(r["learning_rate"]) for r in rows if r["scale"] == scale],
            y=[r[GOAL] for r in rows if r["scale"] == scale],
        )
        for scale in sorted({r["scale"] for r in rows})
    ]
    plot = scatter(
        series,
        x_label="log10 of the learning rate",
        y_label="mean Spearman on validation teachers",
        title=f"{len(rows)} trials",
    )
    text = page(
        f"Tuning: {name}",
        note="Validation teachers: " + ", ".join(f"{k} {v:+.3f}" for k, v in validation.items()),
        head=list(frame.columns),
        rows=[[f"{v:.4g}" if isinstance(v, float) else str(v) for v in r.values()] for r in rows],
        plots={"Trials": plot},
    )
    store.write(f"tuning/{name}/trials.html", text.encode())
    return store.url(f"tuning/{name}/trials.html")
