"""A teacher that knows its images: of what jobs of the service train on."""

from functools import cache

import torch

from dass.data.task import load_task
from dass.data.task_config import TaskConfig
from dass.networks.resnet import ResNet, initialise
from dass.networks.teacher import Teacher
from dass.space.spaces import by_name


@cache
def learner():
    """Return a micro teacher that was shown the digits: it knows some. Nobody changes it."""
    space, task = by_name("micro"), load_task(TaskConfig(source="digits"), image_size=8)
    network = ResNet(space, space.largest, num_classes=10)
    generator = torch.Generator().manual_seed(0)
    initialise(network, generator=generator)
    optimizer = torch.optim.Adam(network.parameters(), lr=5e-3)
    pixels = (task.train.images.float() / 255 - 0.5) / 0.5
    for _ in range(120):
        rows = torch.randint(len(pixels), (128,), generator=generator)
        loss = torch.nn.functional.cross_entropy(network(pixels[rows]), task.train.labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return Teacher(name="learner", network=network.eval(), accuracy=0.9)
