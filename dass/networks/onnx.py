"""Export a trained network as ONNX, and run it back to see that it computes the same.

The exported graph takes normalised images, any number of them, and tells in its metadata how they
are made. Knows nothing of stores.
"""

from __future__ import annotations

import copy
import json
import logging
import warnings
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from dass.errors import CorruptArtifact
from dass.networks.resnet import BasicBlock, ResidualBlock, ResNet, Shortcut
from dass.networks.usage import usage


class WideningShortcut(nn.Module):
    """A shortcut that adds zero channels by a fixed 1×1 convolution: the identity, then zeros.

    Runtimes fuse a convolution with what is around it, and some refuse to pad channels
    (https://github.com/NVIDIA/TensorRT/issues/195).
    """

    def __init__(self, shortcut: Shortcut, *, before: int) -> None:
        super().__init__()
        self.pool = shortcut.pool
        self.weight = nn.Buffer(torch.eye(shortcut.channels, before)[:, :, None, None])

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c2 h2 w2"]:
        return F.conv2d(self.pool(x), self.weight)


def to_onnx(network: ResNet, facts: Mapping[str, Any] | None = None) -> bytes:
    """Return the network, in eval mode, as an ONNX model: `images` (n 3 s s) to `logits` (n k).

    Args:
        network: the one to export; it is put in eval mode and left as it is.
        facts: JSON values for the model's metadata, beside those of `dass.networks.usage`; text
            as it is, all else as JSON.

    Raises:
        CorruptArtifact: the model, run by onnxruntime, disagrees with the network.
    """
    size = network.space.image_size
    images = torch.randn(3, 3, size, size, generator=torch.Generator().manual_seed(0))
    device = network.conv1.weight.device
    network.eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns of its own internals
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        program = torch.onnx.export(
            _without_padding(network),
            (images.to(device),),
            input_names=["images"],
            output_names=["logits"],
            dynamic_shapes={"x": {0: torch.export.Dim("n")}},
            dynamo=True,
            verbose=False,
        )
        assert program is not None
    model = program.model_proto
    for name, value in (usage(network) | dict(facts or {})).items():
        text = value if isinstance(value, str) else json.dumps(value)
        model.metadata_props.add(key=name, value=text)
    data: bytes = model.SerializeToString()
    with torch.no_grad():
        expected = network(images.to(device)).cpu()
    error = float((run_onnx(data, images) - expected).abs().max() / expected.abs().max())
    if error > 1e-4:
        raise CorruptArtifact(
            f"an exported model must compute what its network does, but differs by {error:.1e}"
        )
    return data


def _without_padding(network: ResNet) -> ResNet:
    """Return a copy of which no shortcut pads channels."""
    exported = copy.deepcopy(network)
    for block in exported.modules():
        if isinstance(block, ResidualBlock) or not isinstance(block, BasicBlock):
            continue
        if block.conv1.in_channels < block.conv1.out_channels:
            assert isinstance(block.shortcut, Shortcut)
            wider = WideningShortcut(block.shortcut, before=block.conv1.in_channels)
            block.shortcut = wider.to(block.conv1.weight)
    return exported


def run_onnx(data: bytes, images: Float[Tensor, "n 3 s s"]) -> Float[Tensor, "n k"]:
    """Run an exported model on the CPU."""
    import onnxruntime  # heavy, and needed for exports only

    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    (logits,) = session.run(["logits"], {"images": images.numpy()})
    return torch.from_numpy(logits)
