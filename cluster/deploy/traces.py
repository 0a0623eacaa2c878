"""Look at a trace without a collector: the spans of a folder as a tree in text, and as a picture.

    python -m cluster.deploy.traces runs/traces --into trace.png

Shows the longest search. Knows nothing of who wrote the spans (`cluster/tracing.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import tyro


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """A span that has ended."""

    name: str
    trace: str
    key: str
    parent: str | None
    start_s: float
    """Since 1970, by the clock of its machine."""
    seconds: float
    process: str
    attributes: dict[str, object]


def read(folder: str) -> list[Seen]:
    """Return every span of the files of a folder; a line that was cut off is left out."""
    found = []
    for path in sorted(Path(folder).glob("*.jsonl")):
        for text in path.read_text().splitlines():
            try:
                line = json.loads(text)
            except json.JSONDecodeError:
                continue
            start, end = (
                datetime.fromisoformat(line[name].replace("Z", "+00:00")).timestamp()
                for name in ("start_time", "end_time")
            )
            found.append(
                Seen(
                    name=line["name"],
                    trace=line["context"]["trace_id"],
                    key=line["context"]["span_id"],
                    parent=line["parent_id"],
                    start_s=start,
                    seconds=end - start,
                    process=path.stem,
                    attributes=line["attributes"],
                )
            )
    return found


def tree(spans: Sequence[Seen]) -> Iterator[str]:
    """Yield a line for each span of one trace, parts below the whole, in order of their start."""
    for depth, span in walk(spans):
        said = ", ".join(
            f"{name} {value}"
            for name, value in span.attributes.items()
            if name in ("generation", "candidates", "scored", "parts")
        )
        yield f"{'  ' * depth}{span.name} {span.seconds:.3f} s  {said}  [{span.process}]"


def walk(
    spans: Sequence[Seen], parent: str | None = None, depth: int = 0
) -> Iterator[tuple[int, Seen]]:
    """Yield the spans of one trace and how deep each lies."""
    below = [s for s in spans if s.parent == parent] if parent else firsts(spans)
    for span in sorted(below, key=lambda span: span.start_s):
        yield depth, span
        yield from walk(spans, span.key, depth + 1)


def firsts(spans: Sequence[Seen]) -> list[Seen]:
    """Return the spans that are part of none that was kept."""
    keys = {span.key for span in spans}
    return [span for span in spans if span.parent not in keys]


def longest(spans: Sequence[Seen]) -> list[Seen]:
    """Return the spans of the trace whose first span took longest.

    Raises:
        ValueError: there is none.
    """
    roots = firsts(spans)
    if not roots:
        raise ValueError(
            "a folder of traces must have a span that has ended, but has none; ask for a search "
            "of a service that was started with DASS_TRACES"
        )
    chosen = max(roots, key=lambda span: span.seconds)
    return [span for span in spans if span.trace == chosen.trace]


def draw(spans: Sequence[Seen], into: str) -> None:
    """Draw the spans of one trace over time, a line each, coloured by process.

    Ray's own, of calls, are left out: the tree has them.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    rows = [(depth, span) for depth, span in walk(spans) if " ray.remote" not in span.name]
    began = rows[0][1].start_s
    processes = sorted({span.process for _, span in rows})
    figure, axes = plt.subplots(figsize=(9, 0.6 + 0.19 * len(rows)), layout="constrained")
    for i, (depth, span) in enumerate(rows):
        colour = f"C{processes.index(span.process)}"
        axes.barh(i, span.seconds, left=span.start_s - began, color=colour, height=0.8)
        said = "  " * depth + span.name
        if span.name in ("chunk", "scorer"):
            said += f" of {span.attributes['candidates']}"
        elif span.name == "generation":
            said += f" {span.attributes['generation']}"
        axes.text(span.start_s - began, i, f" {said}", va="center", fontsize=6)
    for i, process in enumerate(processes):
        axes.barh(0, 0, color=f"C{i}", label=process)
    axes.set(xlabel="seconds", yticks=[])
    axes.invert_yaxis()
    axes.legend(fontsize=6, loc="upper right")
    figure.savefig(into, dpi=130)
    plt.close(figure)


def main(folder: str, /, *, into: str | None = None) -> None:
    """Print the longest search of a folder of traces, and draw it.

    Args:
        folder: what DASS_TRACES named.
        into: file of the picture; none where absent.
    """
    spans = longest(read(folder))
    print("\n".join(tree(spans)))
    if into is not None:
        draw(spans, into)
        print(into)


if __name__ == "__main__":
    tyro.cli(main)
