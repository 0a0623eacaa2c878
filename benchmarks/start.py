"""Claim: help, refusals and a search answer in little more than what Python and torch take.

    python -m benchmarks.start [--repeats 5] [--store zoo]

Core-seconds, user and system, of whole processes on one thread. A command is run in turn with a
process that does nothing but import what it must: tyro for help and refusals, torch for a search.
"""

from __future__ import annotations

import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

TEACHER = "small.fashion-2f723e7a.label16-4791e311.0"
RUN = "import sys; from jobs.cli import main; sys.exit(main())"


@dataclass(frozen=True, kw_only=True)
class Config:
    """What to measure."""

    repeats: int = 5
    """Pairs of runs of each command."""
    store: str = "zoo"
    """A store with the shipped files; a copy of it is searched."""


def core_seconds(code: str, arguments: Sequence[str] = ()) -> float:
    """Return the processor time of a fresh interpreter that runs some code."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "100"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def row(title: str, arguments: Sequence[str], *, needs: str, repeats: int) -> None:
    """Time a command in turn with the import it cannot do without, and print both."""
    core_seconds(RUN, arguments), core_seconds(needs)
    pairs = [(core_seconds(RUN, arguments), core_seconds(needs)) for _ in range(repeats)]
    ratios = sorted(a / b for a, b in pairs)
    print(
        f"{title}: {statistics.median(a for a, _ in pairs):.2f} core-seconds, `{needs}` alone "
        f"{statistics.median(b for _, b in pairs):.2f}, ratio {statistics.median(ratios):.1f}× "
        f"({ratios[0]:.1f}–{ratios[-1]:.1f}, n = {repeats})",
        flush=True,
    )


def main(config: Config) -> None:
    """Print a row per command."""
    commands = {
        "dass --help": ("import argparse", ["--help"]),
        "dass search --help": ("import tyro", ["search", "--help"]),
        "dass search small --help": ("import tyro", ["search", "small", "--help"]),
        "dass build evidence --help": ("import tyro", ["build", "evidence", "--help"]),
        "a refused setting": ("import tyro", ["search", "small", "--max-flops-fraction", "3"]),
    }
    for title, (needs, arguments) in commands.items():
        row(title, arguments, needs=needs, repeats=config.repeats)
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder, "zoo")
        shutil.copytree(config.store, store)
        search = ["search", "small", "--store", str(store), "--teacher", TEACHER]
        row("dass search small", search, needs="import torch", repeats=config.repeats)


if __name__ == "__main__":
    main(tyro.cli(Config))
