"""Claim: a table of a few dozen members predicts milliseconds of members never measured.

    python -m benchmarks.latency [--space small resnet18@64] [--held-out 48] [--int8]

One run measures members of the table and others in turn; the table is fitted to the former alone.
Beside each error stands the repeatability: two halves of the same member's visits. Run it on a
quiet machine: what other work does to the clock is in both figures.
"""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

from dass.networks import measure
from dass.networks.latency import LatencyTable, Spread
from dass.networks.pack_config import PackConfig
from dass.networks.packs import choose, write_pack
from dass.networks.pricing import repeatability, spread, table_of
from dass.space.architecture import Architecture
from dass.space.spaces import by_name


@dataclass(frozen=True, kw_only=True)
class Config:
    """What to measure."""

    space: tuple[str, ...] = ("small", "resnet18@64")
    """Search spaces, a table each."""
    members: int = 48
    """Members that the table is fitted to."""
    held_out: int = 48
    """Members that it is judged by."""
    int8: bool = False
    """Quantised ones as well."""
    seconds: float = 2 * measure.SECONDS
    """Measuring takes at most, a space, if four rounds fit in."""


def judge(config: Config, name: str) -> None:
    """Print a row for each precision and batch size of one space."""
    space = by_name(name)
    chosen = choose(space, config.members, seed=0)
    drawn = choose(space, config.members + config.held_out + 2, seed=1)
    others = [member for member in drawn if member not in chosen][: config.held_out]
    pack = PackConfig(members=config.members, int8=config.int8)
    with tempfile.TemporaryDirectory() as scratch:
        folder, started = Path(scratch), time.perf_counter()
        write_pack(space, folder, config=pack, members=[*chosen, *others])
        measured = measure.measurements(folder, seconds=config.seconds)
    measured.pop("format")
    fitted = set(map(str, chosen))
    everything = measured["measurements"]
    measured["measurements"] = [each for each in everything if each["architecture"] in fitted]
    table = table_of(measured, device="", where="this machine")
    measured["measurements"] = [each for each in everything if each["architecture"] not in fitted]
    unseen = table_of(measured, device="", where="this machine")
    print(
        f"{name}: {len(chosen)} members fitted, {len(others)} held out, "
        f"{len(everything[0]['rounds'])} rounds, {time.perf_counter() - started:.0f} s; "
        f"{table.cpu}, onnxruntime {table.onnxruntime}, load {os.getloadavg()[0]:.1f}"
    )
    _report(table, unseen)


def _report(table: LatencyTable, unseen: LatencyTable) -> None:
    for prices in table.prices:
        model = table.at(batch=prices.batch, precision=prices.precision)
        kept = [
            each
            for each in unseen.measurements
            if (each.batch, each.precision) == (prices.batch, prices.precision)
        ]
        members = [Architecture.parse(each.architecture) for each in kept]
        expected = np.array([each.milliseconds for each in kept])
        found = model.milliseconds(members, num_classes=table.num_classes)
        print(
            f"  {prices.precision}, batch {prices.batch}, {expected.min():.3g} to "
            f"{expected.max():.3g} ms: error {_words(spread(found, expected))}; "
            f"repeatability {_words(repeatability(kept))}",
            flush=True,
        )


def _words(of: Spread) -> str:
    return f"{of.median:.1%} median, {of.p95:.1%} p95, Spearman {of.spearman:.4f}"


def main(config: Config) -> None:
    """Print rows of each space."""
    for name in config.space:
        judge(config, name)


if __name__ == "__main__":
    main(tyro.cli(Config))
