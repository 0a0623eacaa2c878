"""Any teacher in, a finished student out: searched, verified, distilled, exported, reported.

    dass compress --teacher torchvision:resnet18 --weights W.safetensors --data folder:F --into R

Students are trained in this process, in several of this machine or on a Ray cluster; all else is
done here. Killed at any time, the same line goes on where it was.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence

from cluster.fleet.child import Child, kept_children
from cluster.fleet.job import Outcome, Placement
from cluster.fleet.local import run_inline
from cluster.session import connect
from dass.errors import DassError
from dass.pipeline.compression.folder import Folder
from dass.pipeline.compression.material import Elsewhere, Training
from dass.pipeline.compression.steps import run
from dass.space.architecture import Architecture
from dass.space.spaces import by_name
from jobs import console
from jobs.configs.compress import CompressConfig
from jobs.planning.compressed import CompressionWorker, asked_of, job_of


def main(config: CompressConfig) -> None:
    """Do all of it, and say where the result is.

    Raises:
        DassError: what is given does not fit; nothing that was made before is lost.
    """
    asked, oracle = asked_of(config)
    folder = Folder(config.into)
    with connect() if on_ray(config) else contextlib.nullcontext(), kept_children() as kept:
        run(asked, oracle, into=config.into, say=_say, elsewhere=elsewhere(config, kept))
    console.keep(folder.store, "work/job.json", config)
    script = folder.path("infer.py")
    console.finish(folder.store.url("report.html"), next_line=f"python {script} PICTURE")


def on_ray(config: CompressConfig) -> bool:
    """Return whether Ray trains students."""
    return config.engine == "ray" or (config.engine == "auto" and "RAY_ADDRESS" in os.environ)


def elsewhere(config: CompressConfig, kept: list[Child] | None = None) -> Elsewhere | None:
    """Return what does trainings as jobs of a fleet; None where this process does them.

    Processes of this machine are `kept` from call to call: each has loaded all that it needs.
    """
    if not on_ray(config) and config.workers == 1:
        return None

    def do(trainings: Sequence[Training]) -> None:
        outcome = _run(config, trainings, kept)
        if outcome.failed:
            lines = "\n".join(f"  {f.label}: {f.error}" for f in outcome.failed)
            raise DassError(
                f"every training must end, but {len(outcome.failed)} failed; run the same line to "
                f"try them again:\n{lines}"
            )

    return do


def _run(
    config: CompressConfig, trainings: Sequence[Training], kept: list[Child] | None
) -> Outcome:
    folder = Folder(config.into)
    jobs = [job_of(each, flops=_flops(folder, each)) for each in trainings]
    worker = CompressionWorker(config)
    if not on_ray(config):
        return run_inline(jobs, worker, workers=min(config.workers, len(jobs)), kept=kept)
    from cluster.fleet.groups import run_on_ray  # where nothing runs on Ray, it need not be there

    return run_on_ray(jobs, worker, placement=Placement(cpus=config.cpus_per_worker))


def _flops(folder: Folder, training: Training) -> int:
    found = folder.of(training.part).found("searchable")
    assert found is not None, "a student is searched first"
    (flops,) = by_name(found["space"]).flops([Architecture.parse(training.architecture)])
    return int(flops)


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    from jobs.cli import run_module

    run_module(__file__)
