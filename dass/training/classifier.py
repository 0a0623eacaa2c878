"""Train any torch classifier on labels, as anybody would: a teacher for those who have none yet.

Knows nothing of students, distillation or spaces.
"""

from __future__ import annotations

import torch
from torch import nn

from dass.data.images import augment, normalise
from dass.data.task import Task


def fit_classifier(
    network: nn.Module,
    task: Task,
    *,
    epochs: int = 30,
    batch_size: int = 32,
    learning_rate: float = 1e-3,
    seed: int = 0,
) -> nn.Module:
    """Train a network in place on a task's training images; return it in evaluation mode.

    AdamW with a cosine per epoch, weight decay 0.05; crops from a padding of an eighth, mirrored
    where the task's images may be. Pixels are of mean and standard deviation 0.5.

    Args:
        network: images in, logits out; or an object with `logits`, as transformers has it.
        task: images at the network's size.
        epochs: passes over them.
        batch_size: images of a step.
        learning_rate: at the start.
        seed: of order and augmentation.
    """
    optimizer = torch.optim.AdamW(network.parameters(), learning_rate, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    draws, images, labels = (
        torch.Generator().manual_seed(seed),
        task.train.images,
        task.train.labels,
    )
    network.train()
    for _ in range(epochs):
        for rows in torch.split(torch.randperm(len(labels), generator=draws), batch_size):
            drawn = augment(
                images[rows], padding=task.image_size // 8, flip=task.flip, generator=draws
            )
            said = network(normalise(drawn))
            loss = nn.functional.cross_entropy(getattr(said, "logits", said), labels[rows])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        schedule.step()
    return network.eval()
