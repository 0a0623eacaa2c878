"""Milliseconds of a space's members on a device: a table of some, and a price list for all.

A table holds what was measured and, for each precision and batch size, non-negative prices of the
features of `dass.networks.layers`. Knows nothing of how time is measured.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from dass.decoding import decode
from dass.errors import CorruptArtifact, InvalidConfig, UnknownName
from dass.networks.layers import VECTORS, features
from dass.space.architecture import Architecture
from dass.space.space import Space
from dass.space.spaces import by_name

FORMAT = 1
"""Of a table and of a pack of files; another one is refused."""

Precision = Literal["float32", "int8"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Measurement:
    """One member's time at one batch size."""

    architecture: str
    """Its id."""
    precision: Precision
    """Of its weights and activations."""
    batch: int
    """Images of a pass."""
    rounds: tuple[float, ...]
    """Milliseconds of a pass, a figure for each visit; visits to other members lie between."""

    @property
    def milliseconds(self) -> float:
        """The least: other work on the machine can only slow a visit."""
        return min(self.rounds)


@dataclass(frozen=True, kw_only=True, slots=True)
class Spread:
    """How far positive numbers lie from those they should equal, relatively."""

    median: float
    """Of the absolute relative differences."""
    p95: float
    """That 95 % of them do not exceed."""
    spearman: float
    """Rank correlation of the two."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Prices:
    """What the features cost at one precision and batch size."""

    precision: Precision
    """Of weights and activations."""
    batch: int
    """Images of a pass."""
    vector: int
    """Channels of the runtime's blocks: the one that predicts best."""
    coefficients: dict[str, Any] = field(hash=False)
    """Milliseconds per unit of each feature that costs anything; > 0."""
    held_out: Spread
    """Predicted against measured, each member predicted by prices of the others (ten folds)."""
    repeatability: Spread
    """Two halves of one member's visits against each other."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LatencyModel:
    """Predicts milliseconds of a pass; what `Budget.latency` takes."""

    device: str
    """Name of the device."""
    space: str
    """Name of the space whose members it knows."""
    prices: Prices
    """At one precision and batch size."""

    def milliseconds(
        self, architectures: Sequence[Architecture], *, num_classes: int
    ) -> Float[np.ndarray, " n"]:
        """Predict milliseconds of one pass of `prices.batch` images through each member."""
        found = features(
            by_name(self.space),
            architectures,
            num_classes=num_classes,
            vector=self.prices.vector,
        )
        total = np.zeros(len(architectures))
        for name, price in self.prices.coefficients.items():
            total += price * found[name]
        return total


@dataclass(frozen=True, kw_only=True, slots=True)
class LatencyTable:
    """What was measured on a device, and the prices that follow."""

    device: str
    """Name of the device, as its owner calls it."""
    cpu: str
    """What its processor calls itself."""
    onnxruntime: str
    """Version of the runtime."""
    space: str
    """Name of the space."""
    num_classes: int
    """Of the classifiers that were measured."""
    measurements: tuple[Measurement, ...]
    """A few dozen members, at each precision and batch size."""
    prices: tuple[Prices, ...]
    """For each precision and batch size."""

    def at(self, *, batch: int = 1, precision: str = "float32") -> LatencyModel:
        """Return the predictor of one precision and batch size.

        Raises:
            UnknownName: lists what was measured.
        """
        for prices in self.prices:
            if (prices.batch, prices.precision) == (batch, precision):
                return LatencyModel(device=self.device, space=self.space, prices=prices)
        measured = ", ".join(f"{p.precision} at batch {p.batch}" for p in self.prices)
        raise UnknownName(
            f"a latency must be of what the table of {self.device!r} has measured, {measured}, "
            f"but got {precision} at batch {batch}; measure it with `dass latency`"
        )


# --- bytes ---------------------------------------------------------------------------------


def pack_table(table: LatencyTable) -> bytes:
    """Write a table as JSON."""
    return json.dumps({"format": FORMAT} | asdict(table), indent=1).encode()


def read_table(data: bytes, *, where: str) -> LatencyTable:
    """Read what `pack_table` wrote.

    Args:
        data: the bytes.
        where: they come from, for errors.

    Raises:
        CorruptArtifact: it is no table, of another format, or of no space; says which.
    """
    plain = plain_json(data, what="a latency table", where=where)
    table = decode(LatencyTable, plain, what=f"a latency table, {where},", error=CorruptArtifact)
    space = space_of(table.space, where=where)
    known = features(space, [space.smallest], num_classes=table.num_classes, vector=16)
    if not table.prices:
        raise CorruptArtifact(f"a latency table must have prices, but {where} has none")
    for prices in table.prices:
        wrong = {
            name: price
            for name, price in prices.coefficients.items()
            if name not in known or not _is_price(price)
        }
        if wrong or prices.vector not in VECTORS or prices.batch < 1:
            raise CorruptArtifact(
                f"prices must be positive, of {sorted(known)} in blocks of {VECTORS}, but {where} "
                f"has {wrong} in blocks of {prices.vector} at batch {prices.batch}; measure again"
            )
    return table


def load_latency(path: str | Path) -> LatencyTable:
    """Read a latency table out of a file.

    Raises:
        InvalidConfig: there is no such file, or it cannot be read.
        CorruptArtifact: it is no table; says why.
    """
    return read_table(read_file(path, what="a latency table"), where=str(path))


def read_file(path: str | Path, *, what: str) -> bytes:
    """Return the bytes of a file.

    Raises:
        InvalidConfig: there is no such file, or it cannot be read.
    """
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InvalidConfig(
            f"{what} must be a file that you may read, but {error}; make it with `dass latency`"
        ) from error


def _is_price(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) and value > 0


def plain_json(data: bytes, *, what: str, where: str) -> dict[str, Any]:
    """Read JSON of `FORMAT`, and return it without that field.

    Raises:
        CorruptArtifact: it is no object of JSON, or of another format.
    """
    try:
        plain = json.loads(data)
    except ValueError as error:
        raise CorruptArtifact(
            f"{what} must be JSON, but {where} is none: {error}; make it with `dass latency`"
        ) from error
    found = plain.get("format") if isinstance(plain, dict) else None
    if found != FORMAT:
        raise CorruptArtifact(
            f"{what} must have format {FORMAT}, but {where} has {found!r}; "
            "make it again with `dass latency` of this version"
        )
    return {name: value for name, value in plain.items() if name != "format"}


def space_of(name: str, *, where: str) -> Space:
    """Return the space that a file names.

    Raises:
        CorruptArtifact: there is none of that name.
    """
    try:
        return by_name(name)
    except UnknownName as error:
        raise CorruptArtifact(f"{where} must be of a space, but {error}") from error
