"""Inference: a network's logits and accuracy, over every image given.

Knows nothing of training. Dimension letters: n images, k classes, s pixels.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from dass.data.images import normalise
from dass.data.task import Split
from dass.networks.resnet import ResNet

EVALUATION_BATCH = 500
"""Images per forward pass when nothing is trained, on a CPU."""

PIXELS_AT_ONCE = 2**22
"""Pixels per forward pass on a GPU, where few large ones beat many: 4,096 images of 32 pixels."""


def _at_once(images: UInt8[Tensor, "n 3 s s"]) -> int:
    """Return how many images to take at once."""
    if images.device.type == "cpu":
        return EVALUATION_BATCH
    return max(1, PIXELS_AT_ONCE // images.shape[-1] ** 2)


@torch.no_grad()
def predict_logits(network: ResNet, images: UInt8[Tensor, "n 3 s s"]) -> Float[Tensor, "n k"]:
    """Return the network's logits for all images, in eval mode; its mode is restored."""
    training = network.training
    network.eval()
    logits = [network(normalise(part)) for part in torch.split(images, _at_once(images))]
    network.train(training)
    return torch.cat(logits)


def hits(network: ResNet, images: Split) -> Bool[Tensor, " n"]:
    """Tell which images are classified correctly."""
    return predict_logits(network, images.images).argmax(1) == images.labels


def accuracy(network: ResNet, images: Split) -> float:
    """Return the fraction of images classified correctly; every image counts."""
    return int(hits(network, images).sum()) / len(images)
