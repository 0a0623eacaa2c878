"""Any teacher in, a finished student out: searched, verified, distilled, exported, reported.

    dass compress --teacher torchvision:resnet18 --weights W.safetensors --data folder:F --into R

Everything is done in this process. Killed at any time, the same line goes on where it was.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from dass.data.seen import read_names
from dass.networks.latency import LatencyModel, load_latency
from dass.networks.oracles.address import load_oracle
from dass.pipeline.compression.asked import Asked
from dass.pipeline.compression.folder import Folder
from dass.pipeline.compression.steps import run
from jobs import console
from jobs.configs.compress import CompressConfig

ASKED = ("max_flops", "max_flops_fraction", "max_parameters", "max_latency_ms",
         "latency_precision", "latency_batch", "minutes", "student_size", "verify", "epochs",
         "views", "rivals", "candidates", "seed", "data_root", "balanced",
         "unlabelled")  # fmt: skip
"""Settings of a compression itself."""

PIXELS = ("size", "resize", "fit", "mean", "std", "channels")
"""Settings of what the teacher sees."""


def main(config: CompressConfig) -> None:
    """Do all of it, and say where the result is.

    Raises:
        DassError: what is given does not fit; nothing that was made before is lost.
    """
    config.check()
    folder, task = Folder(config.into), config.task()
    if config.teacher_split:
        task = replace(task, seen=read_names(config.teacher_split))
    asked = Asked(task=task, latency=_latencies(config), **config.given(*ASKED))  # type: ignore[arg-type]
    oracle = load_oracle(
        config.teacher,
        weights=config.weights or None,
        classes=Path(config.classes) if config.classes else None,
        **config.given(*PIXELS),  # type: ignore[arg-type]
    )
    run(asked, oracle, into=config.into, say=_say)
    console.keep(folder.store, "work/job.json", config)
    script = folder.path("infer.py")
    console.finish(folder.store.url("report.html"), next_line=f"python {script} PICTURE")


def _latencies(config: CompressConfig) -> tuple[LatencyModel, ...]:
    """Return what predicts another device's milliseconds, of each table that was given."""
    return tuple(
        load_latency(file).at(batch=config.latency_batch, precision=config.latency_precision)
        for file in config.latency
    )


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    from jobs.cli import run_module

    run_module(__file__)
