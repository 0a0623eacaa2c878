"""Compress a ResNet of one's own, trained here on photographs of flowers, into a smaller one.

    python examples/compress_family.py
    python examples/compress_family.py flowers5.npz runs/flowers 15

The second line does it: images, where the result goes, minutes.
"""

import sys
from pathlib import Path

import torch
from torch import nn

import dass
from dass.data.images import augment, normalise
from dass.networks.oracles.oracle import classifier_of
from dass.networks.oracles.preprocessing import Preprocessing

SIZE, EPOCHS, HALF = 64, 12, (0.5, 0.5, 0.5)


def narrow_resnet(classes: int) -> nn.Module:
    """Return torchvision's ResNet-18 with a quarter of its channels: 16, 32, 64 and 128."""
    from torchvision.models.resnet import BasicBlock, ResNet

    class Narrow(ResNet):
        def _make_layer(self, block, planes, blocks, stride=1, dilate=False):
            self.inplanes = self.inplanes if planes > 64 else 16  # as the stem below
            return super()._make_layer(block, planes // 4, blocks, stride, dilate)

    net = Narrow(BasicBlock, [2, 2, 2, 2])
    net.conv1, net.bn1 = nn.Conv2d(3, 16, 7, 2, 3, bias=False), nn.BatchNorm2d(16)
    net.fc = nn.Linear(128, classes)
    return net


def trained(network: nn.Module, task: dass.Task) -> nn.Module:
    """Train it as anybody would, on labels."""
    draws, images, labels = torch.Generator(), task.train.images, task.train.labels
    optimizer = torch.optim.SGD(network.parameters(), 0.02, momentum=0.9, nesterov=True)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(labels), generator=draws).split(64):
            x = normalise(augment(images[rows], padding=8, flip=True, generator=draws))
            loss = nn.functional.cross_entropy(network(x), labels[rows])
            network.zero_grad()
            loss.backward()
            optimizer.step()
    return network


if len(sys.argv) < 4 or not Path(sys.argv[1]).is_file():
    print("give a file of images, .npz\na folder for the result\nand minutes; nothing was done")
else:
    images = dass.TaskConfig(source=f"npz:{sys.argv[1]}")
    task = dass.load_task(images, image_size=SIZE)
    net = trained(narrow_resnet(task.num_classes), task)
    before = Preprocessing(size=SIZE, resize=SIZE, mean=HALF, std=HALF)
    teacher = classifier_of(net, name="narrow ResNet-18", preprocessing=before)
    dass.compress(teacher, images, budget=0.5, into=sys.argv[2], minutes=float(sys.argv[3]))
