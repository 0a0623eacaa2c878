"""What jobs print: what they were told, tables, where the result is and what to run next.

Knows nothing of what a job does.
"""

from __future__ import annotations

import dataclasses
import json
import shlex
import sys
from collections.abc import Sequence
from typing import Any

from tabulate import tabulate
from tqdm import tqdm

from dass.space.names import NAMES
from dass.store.store import Store


def differences(preset: str, before: Any, config: Any) -> str:
    """Return in a line what a config differs in from the preset it was made from."""
    former, latter = _leaves(before), _leaves(config)
    changed = [f"{name} = {value}" for name, value in latter.items() if former[name] != value]
    return f"preset {preset}" + (f", but {', '.join(changed)}" if changed else ", unchanged")


def _leaves(value: Any, name: str = "") -> dict[str, Any]:
    """Return the settings of a config by the names that the command line gives them."""
    if dataclasses.is_dataclass(value):
        inner = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    elif isinstance(value, tuple) and any(map(dataclasses.is_dataclass, value)):
        inner = {str(place): part for place, part in enumerate(value)}
    else:
        return {name: value}
    found: dict[str, Any] = {}
    for key, part in inner.items():
        found |= _leaves(part, f"{name}.{key}" if name else key)
    return found


def keep(store: Store, key: str, config: Any) -> None:
    """Write a job's whole config beside its result."""
    text = json.dumps(dataclasses.asdict(config), indent=2, default=str)
    store.write(key, text.encode())


def bar(*, total: int, title: str, unit: str) -> tqdm[Any]:
    """Return a progress bar: alive on a terminal, a line every ten seconds in a log."""
    live = sys.stderr.isatty()
    return tqdm(
        total=total, desc=title, unit=f" {unit}", mininterval=0.1 if live else 10.0, ascii=not live
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay text out in columns, the first to the left and the others to the right."""
    sides = ["left", *["right"] * (len(head) - 1)]
    return tabulate(rows, head, tablefmt="simple", disable_numparse=True, colalign=sides)


def interval(ends: tuple[float, float] | None) -> str:
    """Write where an accuracy lies, in percent; nothing where there is no opinion."""
    return "" if ends is None else f"{100 * ends[0]:.1f} to {100 * ends[1]:.1f} %"


def line(verb: str, *words: str, **options: object) -> str:
    """Write a command as a shell takes it: quoted, options spelled with dashes."""
    named = [
        word
        for name, value in options.items()
        for word in (f"--{name.replace('_', '-')}", str(value))
    ]
    return shlex.join(["dass", verb, *words, *named])


def preset_of(space: str) -> str:
    """Return the preset to name for a space: its own, or a derived one's nearest."""
    return space if space in NAMES else "small"


def comparison_of(space: str) -> str:
    """Return the preset of `evaluate` that shows the labels of a space."""
    return "paper-domains" if space == "paper" else "evidence"


def finish(where: str, *, next_line: str) -> None:
    """Say where the result is and what to run next."""
    print(f"\nresult: {where}\nnext:   {next_line}", flush=True)
