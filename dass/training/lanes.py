"""Streams of a GPU and recordings of its work, one of each for a thread at a time.

Threads that keep a device busy together have a lane each: a stream, and memory that one recording
after another uses. Knows nothing of networks or of training.
"""

from __future__ import annotations

import contextlib
import gc
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch

FREE = 0.2
"""Share of a device's memory to be free before a recording; else what is cached is given back."""

_RECORDING = threading.Lock()
"""Held while a thread records: the devices' random states take part in one recording at a time."""


@dataclass(slots=True)
class _Lane:
    """What a thread has on a device: its recordings share their memory, one at a time."""

    stream: torch.cuda.Stream
    pool: Any
    last: list[torch.cuda.CUDAGraph] = field(default_factory=list)
    """The recording that keeps the memory, until the next one has it."""


class _Hold:
    """A thread's lane; when the thread ends the next one gets it, with its memory."""

    def __init__(self, lane: _Lane, idle: list[_Lane]) -> None:
        self.lane, self._idle = lane, idle

    def __del__(self) -> None:
        self._idle.append(self.lane)


_idle: dict[int, list[_Lane]] = defaultdict(list)
"""Lanes of threads that have ended, by the device's number."""


class _Own(threading.local):
    """The lanes of a thread, by the device's number."""

    def __init__(self) -> None:
        self.held: dict[int, _Hold] = {}


_own = _Own()


def _lane(device: torch.device) -> _Lane:
    index = torch.cuda.current_device() if device.index is None else device.index
    if index not in _own.held:
        idle = _idle[index]
        try:
            lane = idle.pop()
        except IndexError:
            stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
            lane = _Lane(stream, torch.cuda.graph_pool_handle())
        _own.held[index] = _Hold(lane, idle)
    return _own.held[index].lane


@contextlib.contextmanager
def side_stream(device: torch.device) -> Iterator[None]:
    """Work on this thread's own stream of a device; where there are no streams, do nothing.

    What was asked for before comes before, and what is asked for after comes after.
    """
    if device.type != "cuda":
        yield
        return
    outer, own = torch.cuda.current_stream(device), _lane(device).stream
    if outer == own:
        yield
        return
    own.wait_stream(outer)
    with torch.cuda.stream(own):
        yield
    outer.wait_stream(own)


def recorded(work: Callable[[], None], device: torch.device) -> torch.cuda.CUDAGraph:
    """Record what `work` asks of the device, without doing it; other threads go on meanwhile."""
    lane, graph = _lane(device), torch.cuda.CUDAGraph()
    with _RECORDING, _no_collection():
        free, whole = torch.cuda.mem_get_info(device)
        if free < FREE * whole:  # a recording that finds no memory cannot look for any
            torch.cuda.empty_cache()
        graph.capture_begin(pool=lane.pool, capture_error_mode="thread_local")
        try:
            work()
        finally:
            graph.capture_end()
    lane.last[:] = [graph]
    return graph


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Collect no garbage meanwhile: what it destroys on the device would end the recording."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
