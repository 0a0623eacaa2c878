"""Export a trained network as ONNX, and run it back to see that it computes the same.

The exported graph takes normalised images, any number of them, and tells in its metadata how they
are made. It is written by `dass.networks.graphs`, in milliseconds and without torch's exporter,
whose import alone takes six core-seconds. Knows nothing of stores.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from dass.errors import CorruptArtifact
from dass.networks.graphs import Array, Weights, written
from dass.networks.resnet import ResNet
from dass.networks.usage import usage

NORMS = {"conv1": "bn1", "conv2": "bn2", "0": "1"}
"""Of each convolution the batch norm after it, by the last part of their names in `ResNet`."""


def to_onnx(network: ResNet, facts: Mapping[str, Any] | None = None) -> bytes:
    """Return the network, in eval mode, as an ONNX model: `images` (n 3 s s) to `logits` (n k).

    Args:
        network: the one to export; it is put in eval mode and left as it is.
        facts: JSON values for the model's metadata, beside those of `dass.networks.usage`; text
            as it is, all else as JSON.

    Raises:
        CorruptArtifact: the model, run by onnxruntime, disagrees with the network.
    """
    network.eval()
    model = written(
        network.space, network.architecture, _folded(network), num_classes=network.num_classes
    )
    for name, value in (usage(network) | dict(facts or {})).items():
        text = value if isinstance(value, str) else json.dumps(value)
        model.metadata_props.add(key=name, value=text)
    data: bytes = model.SerializeToString()
    size, device = network.space.image_size, network.conv1.weight.device
    images = torch.randn(3, 3, size, size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = network(images.to(device)).cpu()
    difference, most = (run_onnx(data, images) - expected).abs().max(), expected.abs().max()
    if not difference <= 1e-4 * most:  # nor where either is no number
        raise CorruptArtifact(
            "an exported model must compute what its network does, but differs by "
            f"{float(difference):.1e} where logits reach {float(most):.1e}; a network whose "
            "training diverged is to be trained again, at a lower learning rate"
        )
    return data


def _folded(network: ResNet) -> Weights:
    """Return what gives a layer's weights, the batch norm after it folded in (in 64 bits)."""
    layers = dict(network.named_modules())

    def folded(name: str, _: tuple[int, ...]) -> tuple[Array, Array]:
        layer = layers[name]
        if isinstance(layer, nn.Linear):
            return _array(layer.weight), _array(layer.bias)
        above, _dot, last = name.rpartition(".")
        norm = layers[f"{above}.{NORMS[last]}" if above else NORMS[last]]
        given = (norm.running_mean, norm.running_var, norm.weight, norm.bias)
        mean, var, scale, shift = (each.detach().double() for each in given)
        weight, bias = fuse_conv_bn_weights(
            layer.weight.detach().double(), None, mean, var, norm.eps, scale, shift
        )
        return _array(weight), _array(bias)

    return folded


def _array(tensor: Tensor) -> Array:
    return tensor.detach().float().cpu().numpy()


def run_onnx(data: bytes, images: Float[Tensor, "n 3 s s"]) -> Float[Tensor, "n k"]:
    """Run an exported model on the CPU."""
    import onnxruntime  # heavy, and needed for exports only

    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    (logits,) = session.run(["logits"], {"images": images.numpy()})
    return torch.from_numpy(logits)
