"""ONNX models by onnxruntime on many images, and a teacher as one against the clock.

Knows nothing of students.

Letters in shapes: n images, s pixels, k classes.
"""

from __future__ import annotations

import logging
import time
import warnings
from statistics import median
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from dass.data.images import normalise
from dass.networks.onnx import to_onnx
from dass.networks.oracles.oracle import Classifier, logits_of
from dass.networks.resnet import ResNet
from dass.pipeline.compression.clock import times

CHUNK = 100
"""Pictures that a model is given at a time."""


def session(data: bytes, *, threads: int = 1) -> Any:
    """Return a session on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def onnx_logits(data: bytes, images: UInt8[Tensor, "n 3 s s"]) -> Float[Tensor, "n k"]:
    """Return the logits of a student's model for all images."""
    running = session(data)
    parts = [
        running.run(["logits"], {"images": normalise(part).contiguous().numpy()})[0]
        for part in torch.split(images.cpu(), CHUNK)
    ]
    return torch.cat([torch.from_numpy(part) for part in parts])


def largest_difference(one: Float[Tensor, "n k"], other: Float[Tensor, "n k"]) -> float:
    """Return the largest difference of any logit of any image."""
    return float((one.cpu() - other.cpu()).abs().max())


def teacher_milliseconds(oracle: Classifier) -> tuple[float, str]:
    """Return a teacher's time for one picture, and how it was run.

    As ONNX, at its own size, where it is a module that can be exported; else as it is asked.
    """
    size = oracle.preprocessing.size
    if isinstance(oracle.forward, nn.Module):
        try:
            (taken,) = times([_exported(oracle.forward, size)])
            return taken.milliseconds, "onnxruntime"
        except Exception:  # the exporter raises anything; then it is timed as it is
            logging.getLogger(__name__).info("the teacher cannot be exported", exc_info=True)
    picture = torch.zeros(1, 3, size, size, dtype=torch.uint8)
    seconds = []
    for _ in range(8):
        started = time.perf_counter()
        oracle.logits(picture)
        seconds.append(time.perf_counter() - started)
    return 1000 * median(seconds[3:]), "as it is asked, its preprocessing included"


class _Logits(nn.Module):
    """A network whose output is its logits alone."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Float[Tensor, "n 3 s s"]) -> Float[Tensor, "n k"]:
        return logits_of(self.network(x))


def _exported(network: nn.Module, size: int) -> bytes:
    if isinstance(network, ResNet) and network.space.image_size == size:
        return to_onnx(network)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            _Logits(network).eval(),
            (torch.zeros(1, 3, size, size),),
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    data: bytes = program.model_proto.SerializeToString()
    return data
