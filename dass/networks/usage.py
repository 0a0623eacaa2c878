"""How a network's input is made from a picture, and what its output means: what an export tells.

Knows nothing of file formats, nor of how the network was trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from dass.data.images import normalise
from dass.errors import InvalidConfig
from dass.networks.resnet import ResNet

PACKAGE = "dass-ray"


def usage(network: ResNet, *, class_names: Sequence[str] | None = None) -> dict[str, Any]:
    """Return what somebody needs who has the exported network alone, as values of JSON.

    Pixels are scaled to `value_range`, then `(pixels - mean) / std` is the input, channel by
    channel. These names are promises: they stand in `config.json` and in the ONNX metadata.

    Args:
        network: the one that is exported.
        class_names: names of its outputs, in their order; left out where they are not known.

    Raises:
        InvalidConfig: there are more or fewer names than outputs.
    """
    mean, std = normalisation()
    facts = {
        "image_size": network.space.image_size,
        "mean": mean,
        "std": std,
        "channel_order": "RGB",
        "layout": "NCHW",
        "value_range": [0.0, 1.0],
        "resize": "bilinear, antialiased; what is not square is stretched",
        "version": _version(),
    }
    if class_names is None:
        return facts
    if len(class_names) != network.num_classes:
        raise InvalidConfig(
            f"`class_names` must name the {network.num_classes} outputs of the network, but got "
            f"{len(class_names)}; give those of the task that it was trained on"
        )
    return facts | {"class_names": list(class_names)}


def normalisation() -> tuple[list[float], list[float]]:
    """Return mean and standard deviation of each channel, for pixels of 0 to 1.

    Read off what `normalise` does to black and to white, so that they cannot differ from it.
    """
    black, white = normalise(
        torch.tensor([0, 255], dtype=torch.uint8)[:, None, None, None].repeat(1, 3, 1, 1)
    ).flatten(1)
    std = 1 / (white - black)
    return (-black * std).tolist(), std.tolist()


def _version() -> str:
    try:
        return version(PACKAGE)
    except PackageNotFoundError:  # a checkout that is run without being installed
        return "unknown"
