"""What the layers of many members ask of a processor: sums that a latency is linear in.

Every feature counts work of one image (multiply-adds, values moved, layers), so that none has a
negative price. Knows nothing of clocks, prices or weights.

Dimension letters: n architectures, s stages, b block slots per stage.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int64

from dass.space.architecture import Architecture
from dass.space.space import Space

VECTORS = (16, 8, 0)
"""Channels of a block in which a runtime lays images out, widest first; 0 where it has none."""

ALIGNED = 4
"""Channels that a convolution must take a multiple of for the runtime to block them."""

GEMM = 16
"""Output channels of one tile of a matrix product."""

STEPS_MB = (0.5, 1.0, 4.0, 16.0)
"""Sizes of caches that weights may outgrow, in MB: from there each byte costs more."""

Column = Int64[np.ndarray, " n"]


def up(channels: Column, multiple: int) -> Column:
    """Round up to a multiple."""
    return -(-channels // multiple) * multiple


class Features:
    """Named sums over layers, a column each; layers are added one slot at a time."""

    def __init__(self, number: int, *, vector: int) -> None:
        """Begin without any layer.

        Args:
            number: of architectures n.
            vector: channels of a block, or 0.
        """
        self.vector = vector
        self.columns: dict[str, Float[np.ndarray, " n"]] = {"networks": np.ones(number)}
        self.weights = np.zeros(number, dtype=np.int64)
        self.peak = np.zeros(number, dtype=np.int64)

    def add(self, name: str, values: Column) -> None:
        """Add to a column."""
        self.columns[name] = self.columns.get(name, 0.0) + values

    def conv(self, place: str, channels: tuple[Column, Column], **sizes: int) -> None:
        """Add a convolution, in those architectures where both its numbers of channels are > 0.

        onnxruntime has three ways for one on a CPU: of blocked channels; straight from unblocked
        ones, where they are less than a block; and as a matrix product, where they are not aligned
        or where there are no blocks at all.

        Args:
            place: what its price may depend on: the stage, as stages differ in resolution.
            channels: that it takes and puts out.
            sizes: `kernel`, and the sides `before` and `after` of the image, in pixels.
        """
        kernel, before, after = sizes["kernel"] ** 2, sizes["before"] ** 2, sizes["after"] ** 2
        there = ((channels[0] > 0) & (channels[1] > 0)).astype(np.int64)
        taken, given = channels[0] * there, channels[1] * there
        direct = there * (taken < self.vector)
        product = there * (1 - direct) * ((taken % ALIGNED > 0) | (self.vector == 0))
        blocked = there - direct - product
        block = self.vector or 1
        inside = kernel * after * up(taken, block) * blocked
        self.add("layers", there)
        self.add("products", product)
        self.add("direct", kernel * after * taken * up(given, block) * direct)
        self.add(f"blocked.{place}", inside * up(given, block))
        self.add(f"sets.{place}", inside * up(given, 4 * block))  # four blocks at a time
        self.add(f"product.{place}", kernel * after * taken * up(given, GEMM) * product)
        self.add("patches", kernel * after * taken * product)
        self.add("reads", taken * before)
        self.add("writes", up(given, block) * after)
        self.add("reorders", taken * before * (direct + product) + given * after * product)
        self.weights += kernel * taken * given
        self.peak = np.maximum(self.peak, taken * before + given * after)

    def finish(self) -> dict[str, Float[np.ndarray, " n"]]:
        """Add what depends on all layers, and return every column."""
        megabytes = 4e-6 * self.weights
        self.columns["weights"] = megabytes
        for step in STEPS_MB:
            self.columns[f"weights.{step}"] = np.maximum(0.0, megabytes - step)
        self.columns["peak"] = self.peak.astype(np.float64)
        return self.columns


class _Widths(NamedTuple):
    """Channels of all block slots, 0 where there is no block."""

    inner: Int64[np.ndarray, "n s b"]
    outer: Int64[np.ndarray, "n s b"]
    streams: bool


def _widths(space: Space, architectures: Sequence[Architecture]) -> _Widths:
    shape = (-1, space.num_stages, max(space.depths))
    blank = (0,) * shape[-1]
    rows = [[(*stage, *blank)[: shape[-1]] for stage in a.widths] for a in architectures]
    inner = np.array(rows, dtype=np.int64).reshape(shape)
    streams = bool(architectures) and bool(architectures[0].streams)
    if not streams:
        return _Widths(inner, inner, False)
    wide = np.array([a.streams for a in architectures], dtype=np.int64)
    return _Widths(inner, wide[:, :, None] * (inner > 0), True)


def features(
    space: Space, architectures: Sequence[Architecture], *, num_classes: int, vector: int
) -> dict[str, Float[np.ndarray, " n"]]:
    """Return what members ask of a processor, a column a feature.

    Args:
        space: of all of them.
        architectures: its members.
        num_classes: of the classifier.
        vector: channels of the runtime's blocks: 16, 8 or 0.
    """
    found = Features(len(architectures), vector=vector)
    widths = _widths(space, architectures)
    before, stem = widths.outer[:, 0, 0], space.stem
    side, *sides = space.sides(space.image_size)
    colours = np.full_like(before, 3)
    found.conv("stem", (colours, before), kernel=stem.kernel, before=space.image_size, after=side)
    if stem.pool:
        found.add("pooled", before * side**2)
        side = -(-side // 2)
    for stage, after in enumerate(sides):
        for slot in range(widths.inner.shape[2]):
            block = (before, widths.inner[:, stage, slot], widths.outer[:, stage, slot])
            stride = space.strides[stage] if slot == 0 else 1
            shortcut = _projection if widths.streams else _fitting
            _block(found, block, place=str(stage), before=side, after=after)
            shortcut(found, block, stride=stride, before=side, after=after)
            before, side = np.where(block[1] > 0, block[2], before), after
    found.add("classifier", before * num_classes)
    return found.finish()


Block = tuple[Column, Column, Column]
"""Channels before, inside and after; the latter two 0 where there is no block."""


def _block(found: Features, block: Block, *, place: str, before: int, after: int) -> None:
    taken, inner, outer = block
    found.conv(place, (taken * (inner > 0), inner), kernel=3, before=before, after=after)
    found.conv(place, (inner, outer), kernel=3, before=after, after=after)
    found.add("added", outer * after**2)


def _projection(found: Features, block: Block, *, stride: int, before: int, after: int) -> None:
    """Add torchvision's shortcut: a 1×1 convolution where the shape changes."""
    taken, _, outer = block
    there = (outer > 0) & ((taken != outer) | (stride != 1))
    found.conv("shortcut", (taken * there, outer * there), kernel=1, before=before, after=after)


def _fitting(found: Features, block: Block, *, stride: int, before: int, after: int) -> None:
    """Add the published shortcut: pool, then widen by a 1×1 convolution or crop."""
    taken, _, outer = block
    wider, narrower = (outer > taken).astype(np.int64), (taken > outer) & (outer > 0)
    if stride > 1:
        found.add("pooled", taken * before**2 * (outer > 0))
    found.conv("shortcut", (taken * wider, outer * wider), kernel=1, before=after, after=after)
    found.add("crops", narrower.astype(np.int64))
    found.add("cropped", outer * after**2 * narrower)
