"""Latency tables on the wire: how they are put, and what is told of them.

Knows nothing of where they are kept.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from serve.wire import Base64, Model, Name

Text = Annotated[str, Field(max_length=400)]


class PutLatencyTableRequest(Model):
    """A latency table to keep."""

    name: Name
    """Name that searches ask for it by."""
    table: Base64
    """The file that `dass latency` wrote."""


class LatencyTableName(Model):
    """Which latency table."""

    name: Name


class LatencyPrices(Model):
    """How fast students are at one precision and batch size, and how surely that is known."""

    precision: str
    """Of weights and activations: `float32` or `int8`."""
    batch: int
    """Images of a pass."""
    fastest_ms: float
    """Milliseconds of a pass through the fastest student."""
    slowest_ms: float
    """The same of the slowest, the teacher's own shape."""
    median_error: float
    """Of members that the prices were not fitted to: predicted against measured, a fraction."""
    p95_error: float
    """That 95 % of them do not exceed."""


class LatencyTable(Model):
    """What is known of a latency table."""

    name: str
    device: Text
    """Name of the device, as its owner calls it."""
    cpu: Text
    """What its processor calls itself."""
    onnxruntime: Text
    """Version of the runtime."""
    space: str
    classes: int
    """Of the classifiers that were measured; predictions are for each teacher's own."""
    prices: list[LatencyPrices]


class LatencyTableList(Model):
    """The latency tables of the predictor's space."""

    tables: list[LatencyTable]
