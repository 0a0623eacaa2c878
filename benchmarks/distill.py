"""Claim: distilling from uint8 tensors and shared teacher answers beats the published way.

    python -m benchmarks.distill [--space small] [--device cuda]

The published way asks the teacher on every step and feeds images through PIL transforms in a
DataLoader with one worker, in contiguous layout. Both train the same students from the same
remapped weights. The shared answers are timed apart and spread over the students of a task.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
import tyro
from torch.utils.data import DataLoader, Dataset

from benchmarks.embed import fresh_teacher
from benchmarks.timing import compare, seconds
from dass.data.task import Split
from dass.networks.remap import student
from dass.networks.resnet import ResNet
from dass.space.architecture import Architecture
from dass.space.sampling import stratified
from dass.space.spaces import by_name
from dass.training.batches import training_batches
from dass.training.distillation import train
from dass.training.losses import kd_loss
from dass.training.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Config:
    """What to measure."""

    space: str = "small"
    """Search space."""
    images: int = 640
    """Training images."""
    epochs: int = 2
    """Passes per timing; the published worker process is started once per pass."""
    students_per_task: int = 32
    """Students that share one computation of the teacher's answers."""
    repeats: int = 5
    """Pairs of timings, each of another student."""
    device: str = "cpu"
    """cpu or cuda."""


class Pictures(Dataset[tuple[torch.Tensor, int]]):
    """Images through PIL transforms, one at a time."""

    def __init__(self, images: Split, padding: int) -> None:
        from torchvision import transforms

        size = images.images.shape[-1]
        self._images, self._labels = images.images, images.labels
        self._transform = transforms.Compose(
            [
                transforms.ToPILImage(),
                transforms.RandomHorizontalFlip(),
                transforms.RandomCrop(size, padding=padding),
                transforms.ToTensor(),
                transforms.Normalize((0.5,) * 3, (0.5,) * 3),
            ]
        )

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self._transform(self._images[index]), int(self._labels[index])


def published(
    network: ResNet, teacher: ResNet, images: Split, recipe: Recipe, device: str
) -> Iterator[None]:
    """Train with a live teacher and a per-image loader, an epoch at a time."""
    loader = DataLoader(
        Pictures(images, recipe.padding),
        batch_size=recipe.batch_size,
        shuffle=True,
        num_workers=1,
        drop_last=True,
    )
    optimizer = torch.optim.SGD(
        network.parameters(),
        lr=recipe.learning_rate,
        momentum=recipe.momentum,
        nesterov=True,
        weight_decay=recipe.weight_decay,
    )
    network.train()
    for _ in range(recipe.epochs):
        for x, labels in loader:
            x, labels = x.to(device), labels.to(device)
            with torch.no_grad():
                soft = teacher(x)
            loss = kd_loss(
                network(x),
                soft,
                labels,
                temperature=recipe.temperature,
                hard_weight=recipe.hard_weight,
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        yield


def main(config: Config) -> None:
    """Print images trained on per second, both ways."""
    torch.set_num_threads(1)
    space = by_name(config.space)
    generator = torch.Generator().manual_seed(0)
    teacher = fresh_teacher(config.space, config.device, generator=generator)
    shape = (config.images, 3, space.image_size, space.image_size)
    pixels = torch.randint(256, shape, dtype=torch.uint8, generator=generator)
    labels = torch.randint(10, (config.images,), generator=generator)
    host = Split(pixels, labels)
    images = host.to(config.device)
    recipe = Recipe(epochs=config.epochs, padding=4, teacher_logits="views")
    whole = replace(recipe, epochs=8)
    made = seconds(
        lambda: training_batches(images, whole, teacher=teacher, flip=True), config.device
    )
    source = training_batches(images, recipe, teacher=teacher, flip=True)
    # A student's share of the views, per epoch trained here (the recipe in use has 8 epochs).
    share = made / config.students_per_task * config.epochs / 8
    count = config.images // recipe.batch_size * recipe.batch_size * config.epochs
    drawn = stratified(space, config.repeats + 1, seed=0)
    ours_turn, published_turn = iter([*drawn]), iter([*drawn])

    def ours(architecture: Architecture) -> float:
        network = student(teacher, architecture)
        run = train(network, source, recipe=recipe, seed=0)
        return count / (share + seconds(lambda: list(run), config.device))

    def theirs(architecture: Architecture) -> float:
        network = student(teacher, architecture)
        run = published(network, teacher, host, recipe, config.device)
        return count / seconds(lambda: list(run), config.device)

    print(f"views of {config.images} images made in {made:.2f} s")
    compare(
        f"distill, {config.space}, {config.device}",
        "images/s",
        ours=lambda: ours(next(ours_turn)),
        published=lambda: theirs(next(published_turn)),
        repeats=config.repeats,
    )


if __name__ == "__main__":
    main(tyro.cli(Config))
