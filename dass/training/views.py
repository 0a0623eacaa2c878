"""Batches that learn from an oracle: students see small pictures, the oracle the same at its size.

Crops and flips are drawn once and applied to both. Knows nothing of losses or optimisers, nor of
where oracles come from.

Dimension letters: n images, v views, k classes, s pixels of a student's pictures, t of the
oracle's.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from dass.data.images import Views, draw_views, normalise
from dass.data.task import Split
from dass.errors import InvalidConfig, StorageError
from dass.networks.oracles.oracle import Oracle
from dass.training.batches import Batch, Batches, Drawn, Online, count_steps, shuffled
from dass.training.recipe import Recipe

CHUNK = 256
"""Pictures of the oracle's size that are augmented at a time, and whose logits are one file."""

Progress = Callable[[int, int], None]
"""Is told how many logits are there, of how many."""


class OracleOnline:
    """Augments on the fly and asks an oracle on every step."""

    def __init__(
        self, images: Split, source: Split, *, oracle: Oracle, padding: int, flip: bool
    ) -> None:
        _check_pair(images, source, oracle)
        self._images, self._source, self._oracle = images, source, oracle
        self._padding, self._flip = padding, flip

    def steps(self, size: int) -> int:
        """Count the batches of one pass."""
        return count_steps(len(self._images), size)

    def batches(self, size: int, *, generator: torch.Generator) -> Iterator[Batch]:
        """Yield batches of freshly augmented images."""
        side, device = self._images.images.shape[-1], self._images.labels.device
        for rows in shuffled(len(self._images), size, generator):
            drawn = draw_views(
                len(rows), padding=self._padding, flip=self._flip, generator=generator
            )
            own = rows.to(device)
            x = normalise(drawn.of(self._images.images[own], size=side))
            theirs = self._source.images[rows.to(self._source.labels.device)]
            logits = self._oracle.logits(drawn.of(theirs, size=side))
            yield x, self._images.labels[own], logits.to(device)


class OracleCached(Drawn):
    """Draws from augmented copies made once, with an oracle's logits on the same views beside.

    Of the oracle's pictures `CHUNK` views are held at a time. Logits are kept in a folder, where
    one is given: what was asked there before, of the same oracle and pictures, is not asked again.
    Students of several sizes share the views, and so the logits, that are drawn at one of them.
    """

    def __init__(
        self,
        images: Split,
        source: Split,
        *,
        oracle: Oracle,
        padding: int,
        flip: bool,
        views: int,
        seed: int,
        drawn_at: int | None = None,
        folder: Path | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Make the views, and ask the oracle about those that are not kept.

        Args:
            images: The training part at the student's size.
            source: The same part at the oracle's size.
            oracle: Outputs in the order of the labels.
            padding: Largest shift, in pixels of the size that views are drawn at.
            flip: Whether pictures may be mirrored.
            views: Copies of each picture.
            seed: Of the views.
            drawn_at: Pixels of the side that views are drawn at; None for the student's own.
                Shifts keep their share of the side at others, to half a pixel there.
            folder: Where logits are kept.
            progress: Is told how many of these are there, of how many.
        """
        _check_pair(images, source, oracle)
        side, generator = drawn_at or images.images.shape[-1], torch.Generator().manual_seed(seed)
        drawn = [
            draw_views(len(images), padding=padding, flip=flip, generator=generator)
            for _ in range(views)
        ]
        copies = torch.stack([each.of(images.images, size=side) for each in drawn])
        settings = {"padding": padding, "size": side, "flip": flip, "seed": seed}
        kept = None if folder is None else folder / _key(oracle, source, settings)
        logits = _ask(oracle, source, drawn=drawn, size=side, kept=kept, progress=progress)
        super().__init__(copies, images.labels, logits.to(images.labels.device))


def oracle_batches(
    images: Split,
    source: Split,
    recipe: Recipe,
    *,
    oracle: Oracle,
    flip: bool,
    seed: int = 0,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> Batches:
    """Make the batches that a recipe asks for, with an oracle in the place of a teacher.

    Args:
        images: The training part at the student's size.
        source: The same part at the oracle's size: `load_task` of the same config at
            `oracle.preprocessing.resize` pixels.
        recipe: Decides between logits asked on every step and those of views made once.
        oracle: Outputs in the order of the labels.
        flip: Whether the task's images may be mirrored.
        seed: Of the precomputed views, shared by all students.
        folder: Where logits of precomputed views are kept, so that a run that was stopped goes on.
        progress: Is told how many of these are there, of how many.

    Raises:
        InvalidConfig: The two parts are not of the same images, or the oracle has other classes.
    """
    if recipe.hard_weight == 1:
        return Online(images, padding=recipe.padding, flip=flip)
    if recipe.teacher_logits == "live":
        return OracleOnline(images, source, oracle=oracle, padding=recipe.padding, flip=flip)
    return OracleCached(
        images,
        source,
        oracle=oracle,
        padding=recipe.padding,
        flip=flip,
        views=recipe.views,
        seed=seed,
        folder=folder,
        progress=progress,
    )


def _check_pair(images: Split, source: Split, oracle: Oracle) -> None:
    if not images.labels.cpu().equal(source.labels.cpu()):
        raise InvalidConfig(
            f"pictures for student and oracle must be the same part of one task, but got "
            f"{len(images)} and {len(source)} of other labels: load both by the same TaskConfig"
        )
    if len(images) and int(images.labels.max()) >= oracle.num_classes:
        raise InvalidConfig(
            f"the oracle must have an output for every class, but has {oracle.num_classes} and "
            f"there is a label {int(images.labels.max())}: put its outputs in their order first"
        )


def _ask(
    oracle: Oracle,
    source: Split,
    *,
    drawn: list[Views],
    size: int,
    kept: Path | None,
    progress: Progress | None,
) -> Float[Tensor, "v n k"]:
    """Return the oracle's logits on each view, those that are kept without asking it."""
    count = len(source)
    logits = torch.empty(len(drawn), count, oracle.num_classes)
    for number, view in enumerate(drawn):
        for start in range(0, count, CHUNK):
            rows = slice(start, min(start + CHUNK, count))
            shape = (rows.stop - start, oracle.num_classes)
            path = None if kept is None else kept / f"{number:04d}-{start:08d}.safetensors"
            part = None if path is None else _read(path, shape)
            if part is None:
                part = oracle.logits(view.of(source.images[rows], size=size, rows=rows)).cpu()
                if path is not None:
                    _write(path, part)
            logits[number, rows] = part
            if progress is not None:
                progress(number * count + rows.stop, len(drawn) * count)
    return logits


def _read(path: Path, shape: tuple[int, int]) -> Float[Tensor, "n k"] | None:
    """Return the logits of a file; nothing if it is not there or not whole."""
    try:
        found = load_file(path)["logits"]
    except (OSError, SafetensorError, KeyError):
        return None
    return found if tuple(found.shape) == shape else None


def _write(path: Path, logits: Float[Tensor, "n k"]) -> None:
    """Write a file that is seen whole or not at all."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        half = path.with_suffix(f".{os.getpid()}")
        save_file({"logits": logits.contiguous()}, half)
        half.replace(path)
    except OSError as error:
        raise StorageError(
            f"logits must be kept in {path.parent}, but {error}: make room there, or name "
            f"another folder"
        ) from error


def _key(oracle: Oracle, source: Split, settings: dict[str, int | bool]) -> str:
    """Return a name for logits: of the oracle, the very pixels, and how views are drawn."""
    pixels = hashlib.sha256(str(tuple(source.images.shape)).encode())
    for part in torch.split(source.images, CHUNK):
        pixels.update(part.cpu().contiguous().numpy().tobytes())
    text = json.dumps([oracle.identity, pixels.hexdigest(), settings], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
