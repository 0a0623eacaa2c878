"""What jobs print: their config first, tables, where the result is and what to run next."""

from __future__ import annotations

import dataclasses
import json
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import tyro
from tqdm import tqdm

from cluster.deploy.submit import line
from cluster.fleet.job import FleetError
from dass.errors import DassError, StorageError

C = TypeVar("C")


STORE = "--store s3://..."


def run(
    main: Callable[[C], None],
    recipes: Mapping[str, tuple[str, C]],
    name: str,
    *,
    options: str | None = STORE,
    cores: int = 1,
) -> None:
    """Parse the command line and run a job; an error meant for the user is one line, exit 2.

    Args:
        main: the job.
        recipes: its whole configs by name, each with what it is for.
        name: of the job's module.
        options: what the job must be told on a cluster; `None` if it is not one for a cluster.
        cores: that it computes on itself; 0 if it leaves that to workers.
    """
    recipe, *_ = recipes
    advice = "Not for a cluster: it writes to a folder of this machine."
    if options is not None:
        submitted = line(f"python -m jobs.{name} {recipe} {options}", cores=cores)
        advice = f"On a cluster: {submitted}"
    config = tyro.extras.overridable_config_cli(
        dict(recipes),
        prog=f"python -m jobs.{name}",
        description=advice,
    )
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        main(config)
    except (DassError, StorageError, FleetError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        raise SystemExit(2) from error


def announce(config: Any) -> None:
    """Print a job's whole config as JSON."""
    print(json.dumps(dataclasses.asdict(config), indent=2, default=str), flush=True)


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
