"""Datasets that torchvision downloads: which there are, and how each is asked for its parts.

Nothing pickled is read, except what torchvision downloads itself and checks by its digest. Knows
nothing of other sources.
"""

import logging
import os
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dass.data.images import UNREADABLE, Part, from_picture, nothing, stack
from dass.data.source_names import TORCHVISION, plain
from dass.errors import InvalidData

logger = logging.getLogger(__name__)

_NOT_LOADED = (
    *(OSError, EOFError, zipfile.BadZipFile, tarfile.TarError, zlib.error),
    *(HTTPException, RuntimeError, ValueError, ImportError),
)


def read_torchvision(
    name: str, root: Path, *, image_size: int
) -> tuple[tuple[str, ...], tuple[Part, Part]]:
    """Read a dataset, downloading it if need be; return class names, train part and test part.

    Args:
        name: what `plain` makes of a key of `TORCHVISION`.
        root: Folder that it is in or is downloaded to.
        image_size: Rows and columns of the result, in pixels.

    Raises:
        InvalidData: It cannot be downloaded or read.
    """
    attribute = next(key for key in TORCHVISION if plain(key) == name)
    train, test = (
        [_open_torchvision(attribute, root, arguments=arguments) for arguments in part]
        for part in TORCHVISION[attribute]
    )
    images, labels = _torchvision_part(train, attribute, image_size=image_size)
    held_out = nothing(image_size)
    if test:
        held_out = _torchvision_part(test, attribute, image_size=image_size)
    names = getattr(train[0], "classes", None) or getattr(train[0], "categories", None)
    if names is None:  # SVHN, say, only numbers its classes
        names = range(1 + int(labels.max()))
    # Imagenette has several names for a class
    class_names = tuple(
        ", ".join(name) if isinstance(name, tuple) else str(name) for name in names
    )
    return class_names, ((images, labels), held_out)


def _open_torchvision(attribute: str, root: Path, *, arguments: dict[str, Any]) -> Any:
    """Open one part of a dataset, downloading it to `root` only if it is not there."""
    from torchvision import datasets  # 10 s to import

    dataset = getattr(datasets, attribute)
    try:
        root.mkdir(parents=True, exist_ok=True)
        with _alone_in(root):
            try:
                return dataset(root=root, **arguments)
            except (RuntimeError, OSError) as absent:
                logger.info("download %s to %s (%s)", attribute, root, absent)
                return dataset(root=root, **arguments, download=True)
    except _NOT_LOADED as error:
        raise InvalidData(
            f"Dataset {attribute} must be in the data root {root} or be downloadable, but got "
            f"{type(error).__name__}: {error}. Check the network and the disk, remove what is "
            f"half written, or put the files there by hand as torchvision describes"
        ) from error


@contextmanager
def _alone_in(root: Path) -> Iterator[None]:
    """Let one process at a time download: workers on one machine share a data root."""
    import fcntl  # not on Windows, and needed only here

    folder = os.open(root, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network file systems have no locks
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _torchvision_part(datasets: list[Any], attribute: str, *, image_size: int) -> Part:
    labels: list[int] = []

    def pictures() -> Iterator[Tensor]:
        for dataset in datasets:
            for place in range(len(dataset)):
                try:
                    picture, label = dataset[place]
                    pixels = from_picture(picture)
                except UNREADABLE as error:
                    raise InvalidData(
                        f"Every image of {attribute} must be readable, but image {place} of "
                        f"{dataset.root} is not ({error}): remove the folder and load it again"
                    ) from error
                labels.append(int(label))
                yield pixels

    count = sum(len(dataset) for dataset in datasets)
    return stack(pictures(), count=count, image_size=image_size), torch.tensor(labels)
