"""Export a trained network as ONNX, and run it back to see that it computes the same.

The exported graph takes normalised images, any number of them. Knows nothing of stores.
"""

from __future__ import annotations

import logging
import warnings

import torch
from jaxtyping import Float
from torch import Tensor

from dass.errors import CorruptArtifact
from dass.networks.resnet import ResNet


def to_onnx(network: ResNet) -> bytes:
    """Return the network, in eval mode, as an ONNX model: `images` (n 3 s s) to `logits` (n k).

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
            network,
            (images.to(device),),
            input_names=["images"],
            output_names=["logits"],
            dynamic_shapes={"x": {0: torch.export.Dim("n")}},
            dynamo=True,
            verbose=False,
        )
        assert program is not None
    data: bytes = program.model_proto.SerializeToString()
    with torch.no_grad():
        expected = network(images.to(device)).cpu()
    error = float((run_onnx(data, images) - expected).abs().max() / expected.abs().max())
    if error > 1e-4:
        raise CorruptArtifact(
            f"an exported model must compute what its network does, but differs by {error:.1e}"
        )
    return data


def run_onnx(data: bytes, images: Float[Tensor, "n 3 s s"]) -> Float[Tensor, "n k"]:
    """Run an exported model on the CPU."""
    import onnxruntime  # heavy, and needed for exports only

    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    (logits,) = session.run(["logits"], {"images": images.numpy()})
    return torch.from_numpy(logits)
