"""Fit a latency table: non-negative least squares on relative error, robust to disturbed visits.

Imports scipy; who only predicts does not need this file. Knows nothing of clocks, nor of files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from jaxtyping import Bool, Float
from scipy.optimize import nnls
from scipy.stats import spearmanr

from dass.decoding import decode
from dass.errors import CorruptArtifact, InvalidConfig
from dass.networks.latency import (
    LatencyTable,
    Measurement,
    Precision,
    Prices,
    Spread,
    space_of,
)
from dass.networks.layers import VECTORS, features
from dass.space.architecture import Architecture
from dass.space.space import Space

FOLDS = 10
"""Of the cross-validation."""
LEAST_MEMBERS = 12
"""That a price list can be fitted to."""
RIDGE = 1e-4
"""Weight of the squared prices, each in units of its feature's usual part of a latency."""
TRUSTED = 2.0
"""Median residuals within which a measurement counts fully."""
REFITS = 6
"""Rounds of re-weighting."""


def spread(found: Float[np.ndarray, " n"], expected: Float[np.ndarray, " n"]) -> Spread:
    """Return how far numbers lie from those expected, relatively."""
    differences = np.abs(found / expected - 1)
    return Spread(
        median=float(np.median(differences)),
        p95=float(np.quantile(differences, 0.95)),
        spearman=float(spearmanr(found, expected).statistic),
    )


def fit(
    columns: Float[np.ndarray, "n features"], milliseconds: Float[np.ndarray, " n"]
) -> Float[np.ndarray, " features"]:
    """Return non-negative prices that keep relative errors small.

    Measurements far off are weighted down (Huber's weights), as a busy machine makes some of them.
    """
    relative = columns / milliseconds[:, None]
    scale = np.sqrt((relative**2).mean(0))
    scale[scale == 0] = np.inf
    rows, number = relative / scale, len(milliseconds)
    ridge = np.sqrt(RIDGE * number) * np.eye(columns.shape[1])
    weights = np.ones(number)
    for _ in range(REFITS):
        root = np.sqrt(weights)
        left = np.vstack([rows * root[:, None], ridge])
        right = np.concatenate([root, np.zeros(len(ridge))])
        prices, _ = nnls(left, right, maxiter=100 * len(ridge))
        residuals = np.abs(rows @ prices - 1)
        limit = TRUSTED * max(float(np.median(residuals)), 1e-6)
        weights = np.minimum(1.0, limit / np.maximum(residuals, 1e-12))
    return np.asarray(prices / scale)


def _held_out(
    columns: Float[np.ndarray, "n features"], milliseconds: Float[np.ndarray, " n"]
) -> Spread:
    order = np.random.default_rng(0).permutation(len(milliseconds))
    predicted = np.zeros_like(milliseconds)
    for fold in range(FOLDS):
        test: Bool[np.ndarray, " n"] = np.zeros(len(order), dtype=bool)
        test[order[fold::FOLDS]] = True
        predicted[test] = columns[test] @ fit(columns[~test], milliseconds[~test])
    return spread(predicted, milliseconds)


def repeatability(measurements: Sequence[Measurement]) -> Spread:
    """Return how far the two halves of each member's visits lie apart, every other one in each."""
    first = np.array([min(each.rounds[0::2]) for each in measurements])
    second = np.array([min(each.rounds[1::2] or each.rounds) for each in measurements])
    return spread(first, second)


def prices_of(space: Space, measurements: Sequence[Measurement], *, num_classes: int) -> Prices:
    """Fit the prices of one precision and batch size.

    Raises:
        InvalidConfig: too few members were measured.
        InvalidArchitecture: one is no member of the space.
    """
    if len(measurements) < LEAST_MEMBERS:
        raise InvalidConfig(
            f"at least {LEAST_MEMBERS} members must be measured at each precision and batch size, "
            f"but got {len(measurements)}"
        )
    members = [Architecture.parse(each.architecture) for each in measurements]
    for member in members:
        space.check(member)
    milliseconds = np.array([each.milliseconds for each in measurements])
    best: Prices | None = None
    for vector in VECTORS:
        found = features(space, members, num_classes=num_classes, vector=vector)
        columns = np.stack(list(found.values()), axis=1)
        held_out = _held_out(columns, milliseconds)
        if best is None or held_out.median < best.held_out.median:
            prices = zip(found, fit(columns, milliseconds).tolist(), strict=True)
            best = Prices(
                precision=measurements[0].precision,
                batch=measurements[0].batch,
                vector=vector,
                coefficients={name: price for name, price in prices if price > 0},
                held_out=held_out,
                repeatability=repeatability(measurements),
            )
    assert best is not None
    return best


@dataclass(frozen=True, kw_only=True, slots=True)
class _Measured:
    """What `dass.networks.measure` writes, and its pack says."""

    space: str
    num_classes: int
    cpu: str
    onnxruntime: str
    measurements: tuple[Measurement, ...]


def table_of(plain: Mapping[str, Any], *, device: str, where: str) -> LatencyTable:
    """Return the table of what a device measured.

    Args:
        plain: what `dass.networks.measure.measurements` returned, without its format.
        device: a name for it; empty for the processor's.
        where: it comes from, for errors.

    Raises:
        CorruptArtifact: a field is missing or wrong, or there is too little to fit.
        InvalidArchitecture: something measured is no member of the space.
    """
    got = decode(_Measured, plain, what=f"measurements, {where},", error=CorruptArtifact)
    space = space_of(got.space, where=where)
    groups: dict[tuple[Precision, int], list[Measurement]] = {}
    for each in got.measurements:
        if each.precision not in get_args(Precision) or not each.rounds or min(each.rounds) <= 0:
            raise CorruptArtifact(f"a measurement must be of positive times, but got {each}")
        groups.setdefault((each.precision, each.batch), []).append(each)
    prices = [prices_of(space, group, num_classes=got.num_classes) for group in groups.values()]
    return LatencyTable(
        device=device or got.cpu,
        cpu=got.cpu,
        onnxruntime=got.onnxruntime,
        space=got.space,
        num_classes=got.num_classes,
        measurements=got.measurements,
        prices=tuple(prices),
    )
