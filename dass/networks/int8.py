"""ONNX models in int8: static quantisation as an exported student gets it.

Knows nothing of students or clocks.

Letters in shapes: n images, s pixels.
"""

from __future__ import annotations

import logging
import tempfile
import warnings
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor


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
