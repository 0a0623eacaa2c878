"""Time two ways of doing the same work in turn, and print both figures and the ratio."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch


def seconds(work: Callable[[], object], device: str) -> float:
    """Return the wall time of one call, the device's queued work included."""
    _settle(device)
    started = time.perf_counter()
    work()
    _settle(device)
    return time.perf_counter() - started


def _settle(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def compare(
    title: str,
    unit: str,
    *,
    ours: Callable[[], float],
    published: Callable[[], float],
    repeats: int,
) -> float:
    """Measure both speeds in turn after a warm-up; print medians and the ratio pair by pair."""
    ours(), published()
    pairs = [(ours(), published()) for _ in range(repeats)]
    ratios = sorted(a / b for a, b in pairs)
    middle = statistics.median(ratios)
    print(
        f"{title}: ours {statistics.median(a for a, _ in pairs):,.1f} {unit}, published way "
        f"{statistics.median(b for _, b in pairs):,.1f} {unit}, ratio {middle:.1f}× "
        f"({ratios[0]:.1f}–{ratios[-1]:.1f}, n = {repeats})",
        flush=True,
    )
    return middle
