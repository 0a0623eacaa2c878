"""Measure a latency table of a space on a device: this machine, or one that gets a copied folder.

python -m jobs.latency small --into device.json
python -m jobs.latency small --pack pack      (copy it, run `python pack/measure.py` there)
python -m jobs.latency small --from pack/measurements.json --into device.json
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any

from dass.errors import InvalidConfig
from dass.networks import measure
from dass.networks.latency import LatencyTable, pack_table, plain_json, read_file
from dass.networks.packs import write_pack
from dass.networks.pricing import table_of
from dass.space.spaces import by_name
from jobs import console
from jobs.configs.latency import LatencyConfig

BUSY = 0.5
"""Programs that wait for a core, of all cores, from which a machine is called busy."""


def make(config: LatencyConfig) -> LatencyTable:
    """Measure this machine, or take what another one has measured; return the fitted table.

    Raises:
        InvalidConfig: measurements cannot be read, or are of another space.
        CorruptArtifact: they are no measurements.
    """
    where = config.measured or "this machine"
    if config.measured:
        data = read_file(config.measured, what="`measured`")
        plain = plain_json(data, what="measurements", where=where)
    else:
        plain = _measure(config)
    table = table_of(plain, device=config.device, where=where)
    if table.space != config.space:
        raise InvalidConfig(
            f"measurements must be of the space that is asked for, {config.space!r}, but "
            f"{where} has those of {table.space!r}; give `--space {table.space}`"
        )
    return table


def _measure(config: LatencyConfig) -> dict[str, Any]:
    cores = os.cpu_count() or 1
    if hasattr(os, "getloadavg") and (load := os.getloadavg()[0]) > BUSY * cores:
        print(
            f"this machine is busy ({load:.1f} programs on {cores} cores): time is taken in turn "
            "and by the thread's own clock, but a quiet machine measures better"
        )
    with tempfile.TemporaryDirectory() as scratch:
        folder, started = Path(scratch), time.perf_counter()
        write_pack(by_name(config.space), folder, config=config.members)
        written = time.perf_counter()
        print(f"members written in {written - started:.0f} s; measuring takes some 80 s")
        found = measure.measurements(folder)
    print(f"measured in {time.perf_counter() - written:.0f} s")
    return {name: value for name, value in found.items() if name != "format"}


HEAD = ["precision, batch", "median error", "95 % within", "Spearman", "repeatability"]


def rows(table: LatencyTable) -> list[list[str]]:
    """Lay out how well each price list predicts members that it was not fitted to."""
    return [
        [
            f"{prices.precision}, {prices.batch}",
            f"{100 * prices.held_out.median:.1f} %",
            f"{100 * prices.held_out.p95:.1f} %",
            f"{prices.held_out.spearman:.3f}",
            f"{100 * prices.repeatability.median:.1f} %, 95 % within "
            f"{100 * prices.repeatability.p95:.1f} %",
        ]
        for prices in table.prices
    ]


def main(config: LatencyConfig) -> None:
    """Write a pack, or a table and how good it is."""
    if config.pack:
        folder = Path(config.pack)
        write_pack(by_name(config.space), folder, config=config.members)
        print(
            f"\ncopy {folder} to the device; `pip install onnxruntime numpy` and "
            "`python measure.py` there write measurements.json"
        )
        measured = folder / "measurements.json"
        again = console.line(
            "latency", console.preset_of(config.space), space=config.space, into=config.into
        )
        console.finish(str(folder), next_line=f"{again} --from {measured}")
        return
    table = make(config)
    into = Path(config.into)
    into.parent.mkdir(parents=True, exist_ok=True)
    into.write_bytes(pack_table(table))
    print(f"\n{table.device}, onnxruntime {table.onnxruntime}; members that were held out:")
    print(console.table(HEAD, rows(table)))
    space, model = by_name(table.space), table.at(batch=table.prices[0].batch)
    fastest = model.milliseconds(space.shallowest, num_classes=table.num_classes).min()
    slowest = model.milliseconds([space.largest], num_classes=table.num_classes)[0]
    print(f"\nbatch {model.prices.batch}: {fastest:.3g} to {slowest:.3g} ms a pass")
    console.finish(
        str(into),
        next_line=console.line(
            "search",
            console.preset_of(config.space),
            teacher="NAME",
            max_latency_ms=f"{(fastest * slowest) ** 0.5:.2g}",
            latency=config.into,
        ),
    )


if __name__ == "__main__":
    from jobs.cli import run_module

    run_module(__file__)
