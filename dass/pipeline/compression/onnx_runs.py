"""ONNX models by onnxruntime: on many images, quantised to int8, and against the clock.

Knows nothing of students or teachers.

Letters in shapes: n images, s pixels, k classes.
"""

from __future__ import annotations

import logging
import tempfile
import time
import warnings
from pathlib import Path
from statistics import median
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from dass.data.images import normalise
from dass.networks.oracles.oracle import Classifier, logits_of

CHUNK = 100
"""Pictures that a model is given at a time."""

RUNS = 50
"""Runs of one picture whose median is a model's time."""


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


def milliseconds(data: bytes, *, size: int) -> float:
    """Return the median time of one picture, of `size` pixels, on one thread."""
    running = session(data)
    (taken,) = running.get_inputs()
    picture = torch.zeros(1, 3, size, size).numpy()
    seconds = []
    for _ in range(RUNS + 5):
        started = time.perf_counter()
        running.run(None, {taken.name: picture})
        seconds.append(time.perf_counter() - started)
    return 1000 * median(seconds[5:])


def int8_onnx(data: bytes, images: Float[Tensor, "n 3 s s"]) -> bytes:
    """Return a model in int8, statically quantised: ranges are those on the given images.

    Weights are symmetric and per channel; the nodes are QDQ, which every runtime reads.
    """
    from onnxruntime import quantization as q
    from onnxruntime.quantization.shape_inference import quant_pre_process

    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)  # it advises on what is done already
    try:
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            whole, ready, small = (Path(folder) / f"{n}.onnx" for n in ("whole", "ready", "small"))
            whole.write_bytes(data)
            quant_pre_process(str(whole), str(ready), skip_symbolic_shape=True)
            q.quantize_static(
                str(ready),
                str(small),
                _Pictures(images),
                quant_format=q.QuantFormat.QDQ,
                per_channel=True,
                activation_type=q.QuantType.QUInt8,
                weight_type=q.QuantType.QInt8,
            )
            return small.read_bytes()
    finally:
        root.setLevel(level)


class _Pictures:
    """Calibration pictures, a batch at a time, as onnxruntime asks for them."""

    def __init__(self, images: Float[Tensor, "n 3 s s"]) -> None:
        self._parts = iter(torch.split(images, 16))

    def get_next(self) -> dict[str, Any] | None:
        """Return the next batch; None after the last."""
        part = next(self._parts, None)
        return None if part is None else {"images": part.numpy()}

    def __iter__(self) -> _Pictures:
        """Return itself: onnxruntime iterates too."""
        return self

    def __next__(self) -> dict[str, Any]:
        """Return the next batch."""
        part = self.get_next()
        if part is None:
            raise StopIteration
        return part


def teacher_milliseconds(oracle: Classifier) -> tuple[float, str]:
    """Return a teacher's time for one picture, and how it was run.

    As ONNX, at its own size, where it is a module that can be exported; else as it is asked.
    """
    size = oracle.preprocessing.size
    if isinstance(oracle.forward, nn.Module):
        try:
            return milliseconds(_exported(oracle.forward, size), size=size), "onnxruntime"
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
