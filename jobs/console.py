"""What jobs print: their config first, tables, where the result is and what to run next."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from tqdm import tqdm


def difference(config: Any, preset: Any) -> list[str]:
    """Return what a config changes of its preset, as `field.of.field=value`."""
    changed, former = _flat(dataclasses.asdict(config)), _flat(dataclasses.asdict(preset))
    return [f"{name}={value}" for name, value in changed.items() if former.get(name) != value]


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = value
    return found


def bar(*, total: int, title: str, unit: str) -> tqdm[Any]:
    """Return a progress bar: alive on a terminal, a line every ten seconds in a log."""
    live = sys.stderr.isatty()
    return tqdm(
        total=total, desc=title, unit=f" {unit}", mininterval=0.1 if live else 10.0, ascii=not live
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay text out in columns, the first to the left and the others to the right."""
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    lines = [
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (head, ["-" * width for width in widths], *rows)
    ]
    return "\n".join(lines)


def finish(where: str, *, next_line: str) -> None:
    """Say where the result is and what to run next."""
    print(f"\nresult: {where}\nnext:   {next_line}", flush=True)
