"""Where training batches come from: augmented on the fly, or drawn from views made once.

With a teacher, its logits come along: asked on every step (the published way), or once for a
fixed number of views. Knows nothing of losses or optimisers.

Dimension letters: n images, v views, k classes, s pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from dass.data.images import augment, normalise
from dass.data.task import Split
from dass.errors import InvalidConfig
from dass.networks.resnet import ResNet
from dass.training.inference import predict_logits
from dass.training.recipe import Recipe

Batch = tuple[Float[Tensor, "n 3 s s"], Int64[Tensor, " n"], Float[Tensor, "n k"] | None]


@runtime_checkable
class Batches(Protocol):
    """Where training batches come from."""

    def steps(self, size: int) -> int:
        """Count the batches of one pass."""
        ...

    def batches(self, size: int, *, generator: torch.Generator) -> Iterator[Batch]:
        """Yield normalised images, labels and teacher logits of one pass, shuffled."""
        ...


def count_steps(number: int, size: int) -> int:
    """Count the full batches among so many images; at least one."""
    return max(1, number // size)


def shuffled(number: int, size: int, generator: torch.Generator) -> Iterator[Int64[Tensor, " b"]]:
    """Cut a fresh permutation into full batches; a last partial one waits for the next pass."""
    order = torch.randperm(number, generator=generator)
    for step in range(count_steps(number, size)):
        yield order[step * size : (step + 1) * size]


class Online:
    """Augments on the fly and, if there is a teacher, asks it on every step."""

    def __init__(
        self, images: Split, *, teacher: ResNet | None = None, padding: int, flip: bool
    ) -> None:
        self._images, self._teacher = images, teacher
        self._padding, self._flip = padding, flip
        if teacher is not None:
            teacher.eval()

    def steps(self, size: int) -> int:
        """Count the batches of one pass."""
        return count_steps(len(self._images), size)

    def batches(self, size: int, *, generator: torch.Generator) -> Iterator[Batch]:
        """Yield batches of freshly augmented images."""
        for rows in shuffled(len(self._images), size, generator):
            rows = rows.to(self._images.labels.device)
            drawn = augment(
                self._images.images[rows],
                padding=self._padding,
                flip=self._flip,
                generator=generator,
            )
            x = normalise(drawn)
            with torch.no_grad():
                logits = None if self._teacher is None else self._teacher(x)
            yield x, self._images.labels[rows], logits


class Drawn:
    """Draws from augmented copies made once, with the teacher's logits beside them.

    One instance serves all students of a teacher: they differ in order and choice of views only.
    """

    def __init__(
        self,
        images: UInt8[Tensor, "v n 3 s s"],
        labels: Int64[Tensor, " n"],
        logits: Float[Tensor, "v n k"],
    ) -> None:
        self._images, self._labels, self._logits = images, labels, logits

    def steps(self, size: int) -> int:
        """Count the batches of one pass."""
        return count_steps(len(self._labels), size)

    def batches(self, size: int, *, generator: torch.Generator) -> Iterator[Batch]:
        """Yield batches with a random view of each image."""
        views, number = self._images.shape[:2]
        view = torch.randint(views, (number,), generator=generator)
        for rows in shuffled(number, size, generator):
            rows, drawn = (i.to(self._labels.device) for i in (rows, view[rows]))
            x = normalise(self._images[drawn, rows])
            yield x, self._labels[rows], self._logits[drawn, rows]


class Cached(Drawn):
    """Copies whose logits are those of a teacher of the images' own size."""

    def __init__(
        self, images: Split, *, teacher: ResNet, padding: int, flip: bool, views: int, seed: int
    ) -> None:
        generator = torch.Generator().manual_seed(seed)
        copies = torch.stack(
            [
                augment(images.images, padding=padding, flip=flip, generator=generator)
                for _ in range(views)
            ]
        )
        logits = [predict_logits(teacher, view) for view in copies]
        super().__init__(copies, images.labels, torch.stack(logits))


def training_batches(
    images: Split, recipe: Recipe, *, teacher: ResNet | None, flip: bool, seed: int = 0
) -> Online | Cached:
    """Make the feed that a recipe asks for.

    Args:
        images: the training part.
        recipe: decides between live and precomputed teacher logits.
        teacher: needed unless the recipe learns from labels alone.
        flip: whether the task's images may be mirrored.
        seed: of the precomputed views, shared by all students of a teacher.
    """
    if recipe.hard_weight == 1:
        return Online(images, padding=recipe.padding, flip=flip)
    if teacher is None:
        raise InvalidConfig(
            "a recipe with `hard_weight < 1` must be given a teacher, but got none"
        )
    if recipe.teacher_logits == "live":
        return Online(images, teacher=teacher, padding=recipe.padding, flip=flip)
    return Cached(
        images, teacher=teacher, padding=recipe.padding, flip=flip, views=recipe.views, seed=seed
    )


class Shard:
    """One worker's rows of all workers' batches: every `world`-th row, beginning at `rank`.

    All workers draw the same batches, so that their rows are disjoint and are the batch together.
    """

    def __init__(self, source: Batches, *, rank: int, world: int) -> None:
        if not 0 <= rank < world:
            raise InvalidConfig(f"`0 <= rank < world` must hold, but got {rank} of {world}")
        self._source, self._rank, self._world = source, rank, world

    def steps(self, size: int) -> int:
        """Count the batches of one pass: as many as the whole has."""
        return self._source.steps(size)

    def batches(self, size: int, *, generator: torch.Generator) -> Iterator[Batch]:
        """Yield this worker's rows of each batch."""
        own = slice(self._rank, None, self._world)
        for x, labels, logits in self._source.batches(size, generator=generator):
            yield x[own], labels[own], None if logits is None else logits[own]
