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

from dass.data.images import Views, augment, draw_views, normalise
from dass.data.task import Split
from dass.errors import InvalidConfig
from dass.networks.resnet import ResNet
from dass.training.inference import predict_logits
from dass.training.recipe import Recipe

Batch = tuple[Float[Tensor, "n 3 s s"], Int64[Tensor, " n"], Float[Tensor, "n k"] | None]

Draws = tuple[Tensor, ...]
"""All that is random in one pass: tensors with a row for each batch."""


@runtime_checkable
class Batches(Protocol):
    """Where training batches come from."""

    def steps(self, size: int) -> int:
        """Count the batches of one pass."""
        ...

    def batches(self, size: int, *, generator: torch.Generator) -> Iterator[Batch]:
        """Yield normalised images, labels and teacher logits of one pass, shuffled."""
        ...


@runtime_checkable
class Foreseen(Batches, Protocol):
    """Batches whose every draw can be made before a pass, so that making one draws nothing.

    A device can then be told a whole pass at once, and makes each batch itself.
    """

    def draw(self, size: int, *, generator: torch.Generator) -> Draws:
        """Draw a pass on the CPU: what `batches` draws, in its order; rows of images first."""
        ...

    def make(self, *drawn: Tensor) -> Batch:
        """Make a batch of its rows of the draws, which may lie on the images' device."""
        ...


def foreseen(source: Foreseen, size: int, generator: torch.Generator) -> Iterator[Batch]:
    """Yield the batches of a pass that was drawn at once."""
    for drawn in zip(*source.draw(size, generator=generator), strict=True):
        yield source.make(*drawn)


def count_steps(number: int, size: int) -> int:
    """Count the full batches among so many images; at least one."""
    return max(1, number // size)


def shuffled(number: int, size: int, generator: torch.Generator) -> Int64[Tensor, "steps b"]:
    """Cut a fresh permutation into full batches; a last partial one waits for the next pass."""
    order, steps = torch.randperm(number, generator=generator), count_steps(number, size)
    return order[: steps * size].view(steps, -1)


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
        return foreseen(self, size, generator)

    def draw(self, size: int, *, generator: torch.Generator) -> Draws:
        """Draw the images of each batch, their crops and flips."""
        rows = shuffled(len(self._images), size, generator)
        views = [
            draw_views(len(own), padding=self._padding, flip=self._flip, generator=generator)
            for own in rows
        ]
        offsets = torch.stack([view.offsets for view in views])
        return rows, offsets, torch.stack([view.mirrored for view in views])

    def make(self, *drawn: Tensor) -> Batch:
        """Augment the images of a batch, and ask the teacher if there is one."""
        rows, offsets, mirrored = (each.to(self._images.labels.device) for each in drawn)
        views = Views(padding=self._padding, offsets=offsets, mirrored=mirrored)
        images = self._images.images[rows]
        x = normalise(views.of(images, size=images.shape[-1]))
        with torch.no_grad():
            logits = None if self._teacher is None else self._teacher(x)
        return x, self._images.labels[rows], logits


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
        return foreseen(self, size, generator)

    def draw(self, size: int, *, generator: torch.Generator) -> Draws:
        """Draw the images of each batch, and a view of each."""
        views, number = self._images.shape[:2]
        view = torch.randint(views, (number,), generator=generator)
        rows = shuffled(number, size, generator)
        return rows, view[rows]

    def make(self, *drawn: Tensor) -> Batch:
        """Take the views of a batch and the teacher's logits of them."""
        rows, view = (each.to(self._labels.device) for each in drawn)
        x = normalise(self._images[view, rows])
        return x, self._labels[rows], self._logits[view, rows]


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
