"""A compression's trainings as jobs of a fleet: what is asked, read off the command line's config,
and the worker that does one training.

A training is kept in the compression's folder after every epoch, so that whoever is given it next
goes on from there. Knows nothing of who runs it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from cluster.fleet.job import Job
from dass.data.seen import read_names
from dass.networks.latency import LatencyModel, load_latency
from dass.networks.oracles.address import load_oracle
from dass.networks.oracles.oracle import Classifier
from dass.pipeline.compression.asked import Asked
from dass.pipeline.compression.material import Material, Training
from dass.pipeline.compression.steps import material_of
from jobs.configs.compress import CompressConfig

ASKED = ("max_flops", "max_flops_fraction", "max_parameters", "max_latency_ms",
         "latency_precision", "latency_batch", "minutes", "student_size", "verify", "epochs",
         "views", "rivals", "candidates", "seed", "data_root", "balanced",
         "unlabelled")  # fmt: skip
"""Settings of a compression itself."""

PIXELS = ("size", "resize", "fit", "mean", "std", "channels")
"""Settings of what the teacher sees."""


def asked_of(config: CompressConfig) -> tuple[Asked, Classifier]:
    """Return what is asked, and the teacher.

    Raises:
        DassError: what is given does not fit.
    """
    config.check()
    task = config.task()
    if config.teacher_split:
        task = replace(task, seen=read_names(config.teacher_split))
    asked = Asked(task=task, latency=_latencies(config), **config.given(*ASKED))  # type: ignore[arg-type]
    oracle = load_oracle(
        config.teacher,
        weights=config.weights or None,
        classes=Path(config.classes) if config.classes else None,
        **config.given(*PIXELS),  # type: ignore[arg-type]
    )
    return asked, oracle


def _latencies(config: CompressConfig) -> tuple[LatencyModel, ...]:
    """Return what predicts another device's milliseconds, of each table that was given."""
    return tuple(
        load_latency(file).at(batch=config.latency_batch, precision=config.latency_precision)
        for file in config.latency
    )


@dataclass(frozen=True, slots=True)
class CompressionWorker:
    """Does trainings of one compression: a job's payload is a `Training`."""

    config: CompressConfig

    def __call__(self, job: Job) -> Mapping[str, float]:
        """Do a training and keep it; return the images that the student was trained on."""
        training: Training = job.payload
        material = _materials(self.config)[training.part]
        _, curve = material.done(training)
        return {"images": float(len(material.task.train) * len(curve))}


@lru_cache(maxsize=1)
def _materials(config: CompressConfig) -> dict[str, Material]:
    """Load what all trainings share, once in a process."""
    asked, oracle = asked_of(config)
    return material_of(asked, oracle, into=config.into)


def job_of(training: Training, *, flops: int) -> Job:
    """Return a training as a job."""
    at = f" at {training.part}" if training.part else ""
    return Job(
        key=f"{training.role} {training.part} {training.architecture} {training.epochs}",
        group=training.part or "pictures",
        cost=float(flops) * training.epochs,
        payload=training,
        label=f"{training.architecture}{at}, {training.role}",
        kind="student",
    )
