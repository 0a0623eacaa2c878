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
"""Images per forward pass when nothing is trained."""


@torch.no_grad()
def predict_logits(network: ResNet, images: UInt8[Tensor, "n 3 s s"]) -> Float[Tensor, "n k"]:
    """Return the network's logits for all images, in eval mode; its mode is restored."""
    training = network.training
    network.eval()
    logits = [network(normalise(part)) for part in torch.split(images, EVALUATION_BATCH)]
    network.train(training)
    return torch.cat(logits)


def hits(network: ResNet, images: Split) -> Bool[Tensor, " n"]:
    """Tell which images are classified correctly."""
    return predict_logits(network, images.images).argmax(1) == images.labels


def accuracy(network: ResNet, images: Split) -> float:
    """Return the fraction of images classified correctly; every image counts."""
    return int(hits(network, images).sum()) / len(images)
