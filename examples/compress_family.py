"""Compress a ResNet of one's own, trained here on photographs of flowers, into a smaller one.

    python examples/compress_family.py

Needs the flowers of 64 px, `FLOWERS` or ../shared/data/images64/flowers5.npz; says so and stops
where they are not there. Takes half an hour on two cores.
"""

import os
import tempfile
from pathlib import Path

import torch
from torch import nn

import dass
from dass.data.images import augment, normalise
from dass.networks.oracles.oracle import classifier_of
from dass.networks.oracles.preprocessing import Preprocessing

SIZE, HALF = 64, (0.5, 0.5, 0.5)
SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "images64" / "flowers5.npz"
FLOWERS = Path(os.environ.get("FLOWERS", SHARED))


def narrow_resnet(classes: int) -> nn.Module:
    """Return torchvision's ResNet with a quarter of its channels: 16, 32, 64 and 128."""
    from torchvision.models.resnet import BasicBlock, ResNet

    class Narrow(ResNet):
        def _make_layer(self, block, planes, blocks, stride=1, dilate=False):
            self.inplanes = min(self.inplanes, 16) if planes == 64 else self.inplanes
            return super()._make_layer(block, planes // 4, blocks, stride, dilate)

    network = Narrow(BasicBlock, [2, 2, 2, 2], num_classes=classes)
    network.conv1, network.bn1 = nn.Conv2d(3, 16, 7, 2, 3, bias=False), nn.BatchNorm2d(16)
    network.fc = nn.Linear(128, classes)
    return network


if not FLOWERS.exists():
    print(f"flowers must lie in {FLOWERS}\nbut do not: give FLOWERS=FILE.npz\nnothing was done")
    raise SystemExit
images = dass.TaskConfig(source=f"npz:{FLOWERS}")
task = dass.load_task(images, image_size=SIZE)
network, draws = narrow_resnet(task.num_classes), torch.Generator().manual_seed(0)
epochs = int(os.environ.get("EPOCHS", "12"))
optimizer = torch.optim.SGD(network.parameters(), 0.05, momentum=0.9, nesterov=True)
rate = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
for _ in range(epochs):
    for rows in torch.randperm(len(task.train), generator=draws).split(64):
        pixels = augment(task.train.images[rows], padding=8, flip=True, generator=draws)
        loss = nn.functional.cross_entropy(network(normalise(pixels)), task.train.labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    rate.step()
before = Preprocessing(size=SIZE, resize=SIZE, mean=HALF, std=HALF)
oracle = classifier_of(network, name="narrow ResNet-18", preprocessing=before)
into = os.environ.get("INTO") or tempfile.mkdtemp()
dass.compress(
    oracle, images, budget=0.5, into=into, minutes=float(os.environ.get("MINUTES", "15"))
)
