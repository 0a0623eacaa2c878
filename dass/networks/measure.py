"""Time the ONNX files of a folder; a file that is copied to a device and run there.

    python measure.py

Needs onnxruntime and numpy, nothing else, and imports nothing of this project. It reads
`pack.json` beside it and writes `measurements.json`. Knows nothing of what the files compute.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

LEAST_ROUNDS, MOST_ROUNDS, SECONDS = 4, 40, 70.0
"""Visits to every file, as many as fit into the seconds; what slows the machine for a while hits
all files alike."""
WARM_UPS = 1
"""Runs of a visit that do not count."""
LEAST_RUNS, MOST_RUNS, VISIT_MS = 3, 40, 20.0
"""Runs of a visit at one batch size: as many as fit into the milliseconds, within these limits."""
QUANTILE = 0.2
"""Of a visit's runs, from below: other work can only slow a run."""
FINE_S = 1e-6
"""Resolution, in seconds, of a thread's own clock that is good enough."""

Timer = Callable[[Path, int], list[float]]
"""Takes a file and a batch size, returns milliseconds of runs."""


def _parted(line: str) -> tuple[str, str, str]:
    return line.partition(":")


def cpu_model() -> str:
    """Return what the processor calls itself."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    facts = {name.strip().lower(): value.strip() for name, _, value in map(_parted, lines)}
    for name in ("model name", "hardware", "model"):  # x86, some ARM, others
        if facts.get(name):
            return facts[name]
    return platform.processor() or platform.machine()


def clock() -> Callable[[], float]:
    """Return the clock of this thread's own work, where it is fine enough, else the wall's.

    A session of one thread computes on the thread that calls it; while the system gives the core
    to another program, its own clock stands still.
    """
    fine = time.get_clock_info("thread_time").resolution <= FINE_S
    return time.thread_time if fine else time.perf_counter


def onnxruntime_timer() -> Timer:
    """Return a timer that runs files on one thread of the CPU."""
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3  # of its own doubts about a graph
    opened: dict[str, Any] = {}
    now = clock()

    def timed(path: Path, batch: int) -> list[float]:
        if str(path) not in opened:
            opened.clear()  # one at a time: a device may have little memory
            session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
            opened[str(path)] = session
        session = opened[str(path)]
        (images,) = session.get_inputs()
        shape = (batch, *images.shape[1:])
        feed = {images.name: np.random.default_rng(0).standard_normal(shape, dtype=np.float32)}
        for _ in range(WARM_UPS):
            session.run(None, feed)
        taken: list[float] = []
        while len(taken) < LEAST_RUNS or (len(taken) < MOST_RUNS and sum(taken) < VISIT_MS):
            started = now()
            session.run(None, feed)
            taken.append(1000 * (now() - started))
        return taken

    return timed


def quantile(values: list[float]) -> float:
    """Return the value that a fraction `QUANTILE` of all lies below."""
    return sorted(values)[int(QUANTILE * len(values))]


def visits(
    folder: Path, pack: dict[str, Any], timer: Timer, *, seconds: float
) -> Iterator[dict[str, Any]]:
    """Time all files in turn, again and again; yield each visit's file, batch and time."""
    started = time.perf_counter()
    for turn in range(MOST_ROUNDS):
        spent = time.perf_counter() - started
        if turn >= LEAST_ROUNDS and spent * (turn + 1) / turn > seconds:
            return
        files = pack["files"] if turn % 2 == 0 else pack["files"][::-1]
        for file in files:
            for batch in pack["batches"]:
                milliseconds = quantile(timer(folder / file["file"], batch))
                yield {"file": file, "batch": batch, "milliseconds": milliseconds}


def measurements(
    folder: Path, *, timer: Timer | None = None, seconds: float = SECONDS
) -> dict[str, Any]:
    """Time a pack; return it with what was measured and on what.

    Args:
        folder: the pack's.
        timer: by default onnxruntime's, of one thread.
        seconds: to spend, if the least number of rounds fits in.
    """
    pack = json.loads((folder / "pack.json").read_text())
    version = "none"
    if timer is None:
        import onnxruntime

        timer, version = onnxruntime_timer(), onnxruntime.__version__
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for visit in visits(folder, pack, timer, seconds=seconds):
        file, batch = visit["file"], visit["batch"]
        entry = found.setdefault(
            (file["file"], batch),
            {
                "architecture": file["architecture"],
                "precision": file["precision"],
                "batch": batch,
                "rounds": [],
            },
        )
        entry["rounds"].append(round(visit["milliseconds"], 5))
    return {
        "format": pack["format"],
        "space": pack["space"],
        "num_classes": pack["num_classes"],
        "cpu": cpu_model(),
        "onnxruntime": version,
        "measurements": list(found.values()),
    }


def main() -> None:
    """Time the pack that this file lies in."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    folder = Path(__file__).resolve().parent
    into = folder / "measurements.json"
    into.write_text(json.dumps(measurements(folder), indent=1))
    print(f"result: {into}")


if __name__ == "__main__":
    main()
