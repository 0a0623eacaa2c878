"""Batch norms: their statistics, measured anew on some images. Knows nothing of training.

Letters in shapes: n images, s pixels.
"""

from __future__ import annotations

import torch
from jaxtyping import UInt8
from torch import Tensor, nn

from dass.data.images import normalise
from dass.networks.resnet import ResNet

RECALIBRATED = 1024
"""Training pictures that batch norms are measured on again, at most."""


def recalibrate(network: ResNet, images: UInt8[Tensor, "n 3 s s"], *, batch_size: int) -> None:
    """Measure the statistics of batch norms anew on some images; weights stay."""
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all batches
    network.train()
    rows = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))[:RECALIBRATED]
    with torch.no_grad():
        for part in torch.split(rows, max(2, batch_size)):
            if len(part) > 1:
                network(normalise(images[part]))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    network.eval()
