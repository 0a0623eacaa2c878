"""Compare predictors with every baseline on unseen tasks, as docs/protocol.md says.

    python -m jobs.evaluate evidence

Writes `evaluations/NAME.json`, `.md` and `.html` into the store, or where `--into` says.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
from tabulate import tabulate

from dass.errors import InvalidData
from dass.evaluation.comparison import Comparison, evaluate
from dass.evaluation.comparison_config import EvaluateConfig
from dass.evaluation.left_out_tables import LeftOut, left_out
from dass.evaluation.plots import plots as plots_of
from dass.evaluation.report import page
from dass.evaluation.statistics import bootstrap, sign_flip
from dass.registry.registry import Registry
from dass.space.sampling import stratified
from dass.space.spaces import by_name
from dass.store.store import Store
from jobs import console
from jobs.planning.left_out_text import section

HEAD = ["scorer", "Spearman", "of ceiling", "Kendall", "τ equal FLOPs", "residual", "regret@1",
        "regret@5", "ms/student", "p vs best"]  # fmt: skip

AWARENESS, CORRELATIONS = ("task", "across", "students"), ("spearman", "ceiling")
"""Columns of the awareness table: words and counts, then correlations."""


def summary(found: Comparison, *, group: str = "all", role: str = "unseen") -> list[list[str]]:
    """Return a row per scorer: means over datasets, the first with its interval."""
    rows = found.tasks[(found.tasks["role"] == role) & (found.tasks["group"] == group)]
    if role == "unseen":
        rows = rows[rows["teacher"].isin(found.headline)]
    if not len(rows):
        return []
    wide = rows.pivot(index="teacher", columns="scorer", values="spearman").dropna(axis=1)
    reference = found.chosen.get("any")
    lines = []
    for scorer in wide.mean().sort_values(ascending=False).index:
        own = rows[rows["scorer"] == scorer].set_index("teacher").loc[wide.index]
        values = own["spearman"].to_numpy()
        tops = np.array([found.ceilings.get(t, np.nan) for t in wide.index])
        p = "–"
        if reference in wide and scorer != reference:
            p = f"{sign_flip(values - wide[reference].to_numpy()):.3f}"
        means = own[["kendall", "tau_equal_flops", "residual_spearman"]].mean()
        of_ceiling = f"{np.mean(values / tops):.2f}" if role == "unseen" else "–"
        lines.append(
            [
                str(scorer),
                str(bootstrap(values)),
                of_ceiling,
                *(f"{value:.3f}" for value in means),
                f"{100 * own['regret1'].mean():.2f}",
                f"{100 * own['regret5'].mean():.2f}",
                f"{1000 * own['seconds'].mean():.1f}",
                p,
            ]
        )
    return lines


def per_task(found: Comparison, scorers: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """Return head and rows of every unseen dataset's Spearman, in or out of the headline."""
    rows = found.tasks[(found.tasks["role"] == "unseen") & (found.tasks["group"] == "all")]
    wide = rows.pivot(index="teacher", columns="scorer", values="spearman")
    names = rows.drop_duplicates("teacher").set_index("teacher")
    shown = [s for s in scorers if s in wide]
    lines = []
    for teacher in wide.index:
        top = found.ceilings.get(teacher)
        cells = [f"{wide.loc[teacher, s]:.2f}" for s in shown]
        note = "" if teacher in found.headline else " (no headline)"
        students = str(names.loc[teacher, "students"])
        shown_top = "–" if top is None else f"{top:.2f}"
        lines.append([f"{names.loc[teacher, 'task']}{note}", students, shown_top, *cells])
    return ["dataset", "students", "ceiling", *shown], lines


def losses(found: Comparison) -> str:
    """Name the unseen datasets on which the chosen baseline orders better."""
    rows = found.tasks[(found.tasks["role"] == "unseen") & (found.tasks["group"] == "all")]
    wide = rows.pivot(index="task", columns="scorer", values="spearman")
    ours, theirs = "DaSS as first shipped", found.chosen.get("any")
    if theirs is None or ours not in wide or theirs not in wide:
        return "Nothing to compare."
    lost = wide[wide[ours] < wide[theirs]]
    named = [
        f"{task} ({row[ours]:.2f} against {row[theirs]:.2f})" for task, row in lost.iterrows()
    ]
    return f"Datasets on which {theirs} orders better: {', '.join(named) or 'none'}."


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay rows out as a Markdown table."""
    return tabulate(rows, head, tablefmt="github", disable_numparse=True, colglobalalign="left")


def _percent(fraction: float | None) -> str:
    return "no interval" if fraction is None else f"{100 * fraction:.0f} %"


GROUPS = {
    "others": "Architectures that no other task labelled: those that a search works among",
    "all": "All architectures",
    "pool": "Architectures of the pool",
}
"""Titles of the groups of architectures, the most telling one first."""


def introduction(found: Comparison) -> str:
    """Say in a paragraph what was compared, and what counts."""
    return (
        f"{len(found.headline)} of {found.facts['unseen_datasets']} unseen datasets in the "
        f"headline; {found.facts['train_students']} students of {found.facts['train_teachers']} "
        f"meta-training teachers. Regret in points of test accuracy, mean of three budgets. "
        f"Strongest on validation tasks: {found.chosen}; p is the exact sign-flip test against "
        f"the strongest of all. Coverage of the ensemble's 90 % intervals: "
        f"{_percent(found.facts['coverage'])}. Teachers out of the distribution of "
        f"meta-training, whose intervals are wider: "
        f"{', '.join(found.facts['out_of_distribution']) or 'none'}."
    )


def text(found: Comparison) -> str:
    """Return the whole result as Markdown."""
    parts = [introduction(found)]
    for group, title in GROUPS.items():
        parts += [f"**{title}**", markdown(HEAD, summary(found, group=group))]
    parts += ["**Validation tasks**", markdown(HEAD, summary(found, role="validation"))]
    order = [row[0] for row in summary(found)]
    parts += ["**Spearman per dataset**", markdown(*per_task(found, order[:8]))]
    if len(found.equal_time):
        spent = [
            [
                str(r[0]),
                f"{r[1]:.1f}",
                f"{r[2]:.0f}",
                *(f"{100 * value:.2f}" for value in r[3:]),
            ]
            for r in found.equal_time.itertuples(index=False)
        ]
        head = list(found.equal_time.columns)
        parts += ["**At equal time: one epoch of KD**", markdown(head, spent)]
    parts += ["**Losses**", losses(found)]
    aware = [
        [
            str(r["task"]),
            str(r["across"]),
            str(r["students"]),
            *(f"{r[c]:.2f}" for c in CORRELATIONS),
        ]
        for r in found.awareness.to_dict("records")
    ]
    parts += [
        "**Distillation-awareness: rank correlation of labels**",
        markdown(list(found.awareness.columns), aware) if aware else "No such labels yet.",
    ]
    return "\n\n".join(parts) + "\n"


def second_of(config: EvaluateConfig) -> LeftOut | None:
    """Return the second comparison, of the scores that a cross-validation kept in the store."""
    pool = stratified(by_name(config.space), config.pool, seed=config.pool_seed)
    return left_out(
        Registry(Store(config.store)),
        recipe=config.student.name,
        pool={str(architecture) for architecture in pool},
    )


def whole_text(found: Comparison, second: LeftOut | None) -> str:
    """Return both comparisons as Markdown, the second one first where there is one."""
    if second is None:
        return text(found)
    return f"{section(second)}\n**First comparison, ten spent sets**\n\n{text(found)}"


def publish(config: EvaluateConfig, found: Comparison, *, second: LeftOut | None = None) -> str:
    """Write JSON, Markdown and HTML; return where."""
    store = Store(config.into or config.store)
    facts = {
        "facts": dict(found.facts),
        "headline": list(found.headline),
        "ceilings": dict(found.ceilings),
        "chosen": dict(found.chosen),
        "awareness": found.awareness.to_dict("records"),
        "equal_time": found.equal_time.to_dict("records"),
        "tasks": found.tasks.to_dict("records"),
    }
    prefix = f"evaluations/{config.name}"
    store.write(f"{prefix}.json", json.dumps(facts, indent=1).encode())
    store.write(f"{prefix}.md", whole_text(found, second).encode())
    drawn = {}
    if len(found.students):
        shown = (
            "DaSS as first shipped",
            *found.chosen.values(),
            "FLOPs",
            "one epoch of KD",
            "random",
        )
        present = set(found.students["scorer"])
        names = [name for name in dict.fromkeys(shown) if name in present]
        drawn = plots_of(found.students, shipped="DaSS as first shipped", scorers=names)
    note = "Means over the unseen datasets of the headline; see docs/protocol.md."
    html = page("Evidence", note=note, head=HEAD, rows=summary(found), plots=drawn)
    store.write(f"{prefix}.html", html.encode())
    return store.url(f"{prefix}.html")


def publish_second(config: EvaluateConfig) -> tuple[str, str]:
    """Write the second comparison as Markdown; return it, and where it is.

    Raises:
        InvalidData: no scores are kept.
    """
    second = second_of(config)
    if second is None:
        raise InvalidData(
            f"{config.store} must have scores of a cross-validation, but has none: run "
            "`dass cross_validate` there first"
        )
    store, key = Store(config.into or config.store), f"evaluations/{config.name}.md"
    store.write(key, section(second).encode())
    return section(second), store.url(key)


def main(config: EvaluateConfig) -> None:
    """Evaluate, print the table and say where the report is."""
    if not config.first:
        tables, where = publish_second(config)
        print("\n" + tables)
        console.finish(where, next_line="docs/protocol.md says what every column is")
        return
    with console.bar(total=0, title="proxies", unit="teachers") as bar:

        def advance(total: int) -> None:
            bar.total = total
            bar.update()

        found = evaluate(config, advance=advance)
    second = second_of(config)
    where = publish(config, found, second=second)
    into = Store(config.into or config.store)
    console.keep(into, f"evaluations/{config.name}.job.json", config)
    print("\n" + whole_text(found, second))
    console.finish(where, next_line="docs/protocol.md says what every column is")


if __name__ == "__main__":
    from jobs.cli import run_module

    run_module(__file__)
