"""The second comparison as Markdown. Knows nothing of how its scores came about."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from tabulate import tabulate

from dass.evaluation.left_out import DEAF, INFORMED, SURROGATE
from dass.evaluation.left_out_tables import LeftOut, judged_by_own
from dass.evaluation.statistics import bootstrap, sign_flip

HEAD = ("scorer", "own draws", "of ceiling", "judged less it", "p", "all", "regret@1",
        "regret@5", "90 %", "width", "50 %")  # fmt: skip


def section(found: LeftOut) -> str:
    """Return both tables, of open and of sealed groups, and what their columns are."""
    parts = ["**Second comparison: origins left out**", EXPLAINED]
    for sealed, title in ((False, "Groups left out in turn"), (True, "Sealed groups")):
        rows = lines(found, sealed=sealed)
        if rows:
            teachers = judged_by_own(found, sealed=sealed)["teacher"].nunique()
            parts += [f"{title}: {teachers} tasks", _markdown(rows)]
    parts += ["Spearman among own draws, task by task", per_task(found)]
    return "\n\n".join(parts) + "\n"


EXPLAINED = (
    "Everything is fitted without the tasks of that origin. Own draws first: Spearman with test "
    "accuracies of architectures that no other task labelled, with its interval over tasks; the "
    "fraction of the ceiling where there are two seeds; the difference to the judged predictor, "
    f"{INFORMED!r}, else {SURROGATE!r} or {DEAF!r}, with its interval over tasks, and p of the "
    "sign-flip test, origins being its units. Then all architectures; regret in points, mean of "
    "three budgets; how often 90 % intervals hold test accuracies, their width in points, and how "
    "often 50 % intervals do. "
    "`k measured` had k students of the very task trained whole, `k epochs` for their first epoch."
)


def lines(found: LeftOut, *, sealed: bool) -> list[list[str]]:
    """Return a row per scorer, the best first."""
    own = judged_by_own(found, sealed=sealed)
    if not len(own):
        return []
    wide = own.pivot(index="teacher", columns="scorer", values="spearman")
    every = found.tasks[(found.tasks["group"] == "all") & (found.tasks["sealed"] == sealed)]
    means = every.groupby("scorer")[["spearman", "regret1", "regret5"]].mean()
    held = found.intervals[found.intervals["teacher"].isin(every["teacher"])]
    held = held.groupby("scorer")[["coverage", "width", "half"]].mean()
    tops = wide.index.map(lambda t: found.ceilings.get(t, np.nan)).to_numpy(float)
    rows = []
    for scorer in wide.mean().sort_values(ascending=False).index:
        values = wide[scorer].dropna()
        fractions = wide[scorer].to_numpy() / np.where(tops > 0, tops, np.nan)
        ceiling = "–" if np.isnan(fractions).all() else f"{np.nanmean(fractions):.2f}"
        all_, first, fifth = means.loc[scorer].tolist()
        there = held.loc[scorer].tolist() if scorer in held.index else ()
        rows.append(
            [
                str(scorer),
                str(bootstrap(values.to_numpy())),
                ceiling,
                *_behind(own, str(scorer)),
                f"{all_:.3f}",
                f"{100 * first:.2f}",
                f"{100 * fifth:.2f}",
                *_held(*there),
            ]
        )
    return rows


def _held(
    coverage: float = math.nan, width: float = math.nan, half: float = math.nan
) -> list[str]:
    """Write coverage and width of intervals, in percent and points."""
    if math.isnan(coverage):
        return ["–", "–", "–"]
    return [f"{100 * coverage:.0f} %", f"{100 * width:.1f}", f"{100 * half:.0f} %"]


def _behind(own: pd.DataFrame, scorer: str) -> tuple[str, str]:
    """Return the difference to the judged predictor, task by task, and its p by origin."""
    judged = next((s for s in (INFORMED, SURROGATE) if (own["scorer"] == s).any()), DEAF)
    wide = own.pivot(index=["origin", "teacher"], columns="scorer", values="spearman")
    if scorer == judged or judged not in wide:
        return "–", "–"
    each = (wide[judged] - wide[scorer]).dropna()
    means = each.groupby("origin").mean().to_numpy()
    p = f"{sign_flip(means):.3f}" if 1 <= len(means) <= 20 else "–"
    return (str(bootstrap(each.to_numpy())) if len(each) else "–"), p


SHOWN = (INFORMED, SURROGATE, f"{SURROGATE}, 8 measured", "surrogate without DaSS", "DaSS",
         "Gaussian process", "extremely random trees", "one epoch of KD", "FLOPs")  # fmt: skip


def per_task(found: LeftOut) -> str:
    """Return a table of Spearman among own draws, a row for each task."""
    own = pd.concat([judged_by_own(found, sealed=sealed) for sealed in (False, True)])
    wide = own.pivot(index=["sealed", "origin", "task"], columns="scorer", values="spearman")
    teachers = own.drop_duplicates("task").set_index("task")["teacher"]
    shown = [name for name in SHOWN if name in wide]
    rows = []
    values = wide[shown].to_numpy(float).tolist()
    for (sealed, group, task), row in zip(wide.index, values, strict=True):
        top = found.ceilings.get(teachers[task])
        cells = ["–" if math.isnan(value) else f"{value:.2f}" for value in row]
        mark = f"{group} (sealed)" if sealed else str(group)
        rows.append([str(task), mark, "–" if top is None else f"{top:.2f}", *cells])
    return _markdown(rows, ("task", "origin", "ceiling", *shown))


def _markdown(rows: list[list[str]], head: tuple[str, ...] = HEAD) -> str:
    return tabulate(rows, head, tablefmt="github", disable_numparse=True, colglobalalign="left")
