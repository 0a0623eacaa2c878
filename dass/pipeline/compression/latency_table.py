"""Milliseconds of the searched space: of a given table, else of one that is measured here, a step
of the compression. What it leaves and takes is foreseen from two members.

Knows nothing of how students are chosen within a limit.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from dass.errors import InvalidConfig
from dass.networks import measure
from dass.networks.graphs import draft
from dass.networks.latency import LatencyModel, LatencyTable, pack_table, read_table
from dass.networks.pack_config import PackConfig
from dass.networks.packs import quantised, write_pack
from dass.networks.pricing import table_of
from dass.pipeline.compression.asked import Asked
from dass.pipeline.compression.clock import times
from dass.pipeline.compression.material import Material
from dass.space.architecture import Architecture
from dass.space.cost import Latency
from dass.space.space import Space
from dass.space.spaces import by_name

TABLE = "latency.json"
"""In the result folder: a table as `dass latency` makes it."""

SHARE = 0.08
"""Of the minutes, that visits to the members of a table may take."""

LEAST_S, MOST_S = 5.0, 70.0


def measured_here(asked: Asked) -> bool:
    """Return whether the limit is one of this machine, whose table must be measured."""
    return asked.max_latency_ms is not None and asked.latency is None


# --- before work starts --------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Foreseen:
    """What two members tell of a limit, before a table is there."""

    flops: int
    """About what a student has that takes as long as the limit."""
    seconds: float
    """About what a table takes to be measured; 0 where one is given."""


def foreseen(asked: Asked, space: Space, *, num_classes: int) -> Foreseen:
    """Time the smallest and the largest member, where no table is given, or predict them."""
    assert asked.max_latency_ms is not None
    ends = [space.smallest, space.largest]
    seconds = 0.0
    if asked.table is not None:
        low, high = asked.table.milliseconds(ends, num_classes=num_classes).tolist()
    else:
        models, drafted = drafts(asked, space, ends, num_classes=num_classes)
        started = time.perf_counter()
        low, high = (
            each.milliseconds for each in times(models, batch=asked.latency_batch, seconds=0.0)
        )
        visit = (time.perf_counter() - started) / (2 * measure.LEAST_ROUNDS)
        members, most = _size(asked)
        seconds = members * drafted / 2 + max(most, members * measure.LEAST_ROUNDS * visit)
    least, whole = (int(n) for n in space.flops(ends, num_classes=num_classes))
    share = (asked.max_latency_ms - low) / max(high - low, 1e-9)
    return Foreseen(flops=int(least + min(1.0, max(0.0, share)) * (whole - least)),
                    seconds=seconds)  # fmt: skip


def drafts(
    asked: Asked, space: Space, members: Sequence[Architecture], *, num_classes: int
) -> tuple[list[bytes], float]:
    """Return members with random weights at the precision of the limit, and seconds it took."""
    started = time.perf_counter()
    models = [draft(space, each, num_classes=num_classes) for each in members]
    if asked.latency_precision == "int8":
        models = [quantised(each, image_size=space.image_size) for each in models]
    return models, time.perf_counter() - started


def _size(asked: Asked) -> tuple[int, float]:
    """Return how many members a table is of, and the seconds of the visits to them."""
    seconds = min(MOST_S, max(LEAST_S, SHARE * 60 * asked.minutes))
    return (48 if seconds >= 40 else 32 if seconds >= 15 else 24), seconds


def check_table(asked: Asked, space: Space) -> None:
    """Raise unless a given table is of the space that is searched, at the student's size.

    Raises:
        InvalidConfig: it is of another space or size; says which.
    """
    if asked.table is None or asked.table.space == space.name:
        return
    family, _, size = asked.table.space.partition("@")
    other = space.name.partition("@")[0] != family
    what = "space" if other else "size of pictures"
    rather = "" if other or not size else f", or give `--student-size {size}`"
    raise InvalidConfig(
        f"a latency table must be of the {what} that is searched, {space.name!r}, but that of "
        f"{asked.table.device!r} is of {asked.table.space!r}: measure it there, `dass latency "
        f"small --space {space.name} --pack pack`{rather}"
    )


# --- the step ------------------------------------------------------------------------------


def measure_table(material: Material) -> tuple[dict[str, Any], str]:
    """Measure a table of the searched space here, and keep it; refuse a limit that nobody keeps.

    Raises:
        InfeasibleBudget: no student keeps the limit; says what the fastest takes.
    """
    asked, folder = material.asked, material.folder
    space, classes = by_name(material.plan.space), material.task.num_classes
    key = folder.named(TABLE)
    if not folder.store.exists(key):
        folder.store.write(key, pack_table(_measured(asked, space, num_classes=classes)))
    model = model_of(material)
    assert isinstance(model, LatencyModel)
    others = asked.budget(_Largest(*_costs(space, num_classes=classes)))
    budget = replace(others, latency=model, max_latency_ms=asked.max_latency_ms)
    space.check_budget(budget, num_classes=classes)
    fast = model.milliseconds(space.shallowest, num_classes=classes).min()
    (slow,) = model.milliseconds([space.largest], num_classes=classes)
    error = model.prices.held_out
    facts = {
        "device": model.device,
        "fastest": float(fast),
        "largest": float(slow),
        "error": error.median,
        "repeatability": model.prices.repeatability.median,
    }
    return facts, (
        f"{len(table_in(material).measurements)} members of {space.name} measured here: "
        f"{fast:.3g} to {slow:.3g} ms a pass; a member that was held out is predicted within "
        f"{100 * error.median:.1f} %, 95 of 100 within {100 * error.p95:.0f} %"
    )


class _Largest(NamedTuple):
    """What the largest member costs."""

    flops: int
    parameters: int


def _costs(space: Space, *, num_classes: int) -> tuple[int, int]:
    flops = space.flops([space.largest], num_classes=num_classes)
    return int(flops[0]), int(space.parameters([space.largest], num_classes=num_classes)[0])


def _measured(asked: Asked, space: Space, *, num_classes: int) -> LatencyTable:
    members, seconds = _size(asked)
    config = PackConfig(
        members=members,
        batches=(asked.latency_batch,),
        int8=asked.latency_precision == "int8",
        num_classes=num_classes,
    )
    with tempfile.TemporaryDirectory() as scratch:
        write_pack(space, Path(scratch), config=config)
        found = measure.measurements(Path(scratch), seconds=seconds)
    plain = {name: value for name, value in found.items() if name != "format"}
    return table_of(plain, device="", where="this machine")


def table_in(material: Material) -> LatencyTable:
    """Return the table that was measured for this compression."""
    if "latency table" not in material.kept:
        name = material.folder.named(TABLE)
        data = material.folder.store.read(name)
        material.kept["latency table"] = read_table(data, where=name)
    made: LatencyTable = material.kept["latency table"]
    return made


def model_of(material: Material) -> Latency | None:
    """Return what predicts milliseconds; None where nobody limits them."""
    asked = material.asked
    if not measured_here(asked):
        return asked.table
    return table_in(material).at(batch=asked.latency_batch, precision=asked.latency_precision)
