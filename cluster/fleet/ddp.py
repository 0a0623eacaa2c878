"""One long training by several workers together, on Ray Train (DDP).

The training is a generator that every worker runs in step, one value an epoch. It keeps its own
checkpoints and goes on from them, so a group that Train restarts loses an epoch at most. Knows
nothing of what is trained.
"""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from cluster.fleet.job import Placement

TrainingFunction = Callable[[int, int], Iterator[Mapping[str, float]]]
"""Given rank and number of workers, trains and yields what an epoch brought; must pickle."""


def train_data_parallel(
    training: TrainingFunction, *, workers: int, placement: Placement, restarts: int = 8
) -> None:
    """Run a training on several workers in one process group, to its end.

    Args:
        workers: processes that average their gradients; >= 1.
        placement: what each takes of a node; whole accelerators only (NCCL's rule).
        restarts: of the whole group, after a worker or its node died; >= 0.

    Raises:
        ray.train.TrainingFailedError: the training raised, or the group died too often.
    """
    from ray.train.torch import TorchConfig
    from ray.train.v2.api.config import FailureConfig, RunConfig, ScalingConfig
    from ray.train.v2.torch.torch_trainer import TorchTrainer

    if placement.gpus % 1:
        raise ValueError(
            "workers of one process group must have whole accelerators, but got "
            f"gpus={placement.gpus} a worker; use 1"
        )
    resources = {"CPU": placement.cpus} | ({"GPU": placement.gpus} if placement.gpus else {})
    with tempfile.TemporaryDirectory(prefix="ddp-") as folder:
        TorchTrainer(
            _run,
            train_loop_config={"training": training},
            torch_config=TorchConfig(backend="nccl" if placement.gpus else "gloo"),
            scaling_config=ScalingConfig(
                num_workers=workers,
                use_gpu=placement.gpus > 0,
                resources_per_worker=resources,
            ),
            run_config=RunConfig(
                name=f"ddp-{uuid.uuid4().hex[:8]}",
                storage_path=folder,
                failure_config=FailureConfig(max_failures=restarts),
            ),
        ).fit()


def _run(settings: Mapping[str, Any]) -> None:
    from ray import train

    context = train.get_context()
    for values in settings["training"](context.get_world_rank(), context.get_world_size()):
        train.report(dict(values))  # a barrier, which an epoch of all workers is anyway
