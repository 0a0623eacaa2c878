"""Where images come from: a source by its name, read into uint8 tensors of one size.

    digits        scikit-learn's embedded 8×8 digits: no download, no test part
    fashion       2,300 + 2,500 embedded 32×32 pictures of clothes, out of Fashion-MNIST
    cifar100 ...  any classification dataset of torchvision that fits in memory
    folder:PATH   one folder of pictures per class, or PATH/train, PATH/val, PATH/test of such
    npz:PATH      `train_images`, `train_labels`, the same of val and test, `class_names`
    rendered:NAME a domain that is drawn from a seed: no download (`dass.data.rendered`); one
                  that was kept below the data root is read (`dass.data.rendered.keep`)

PATH may be an address that fsspec reaches (`s3://...`). Grey images are repeated over three
channels. Nothing pickled is read, except what torchvision downloads itself and checks by its
digest. Knows nothing of tasks, of how they are divided, or of augmentation.
"""

import logging
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch

from dass.data.archives import read_npz, read_npz_part
from dass.data.files import readable, stamp
from dass.data.folders import read_folder, read_folder_part
from dass.data.heaps import read_heap
from dass.data.images import Images, as_rgb, from_array, resize
from dass.data.parts import PartName
from dass.data.reader import BACKGROUND
from dass.data.remote import fetch, is_remote
from dass.data.rendered import keep
from dass.data.source_names import canonical
from dass.data.torchvision_sets import read_torchvision

logger = logging.getLogger(__name__)

FASHION = Path(__file__).with_name("fashion.npz")
"""Images of `fashion`; `dass.data.make_fashion` wrote them."""

REMOTE = "remote"
"""Folder below the data root for copies of what lies at an address."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Place:
    """Where a source or a part of it is read, and what tells that it changed."""

    kind: str
    name: str
    path: Path
    changed: tuple[int, int] | None


def load_source(
    source: str,
    *,
    image_size: int,
    data_root: str = "data",
    background: str = BACKGROUND,
    held_out: Mapping[PartName, str] = MappingProxyType({}),
    unlabelled: bool = False,
) -> Images:
    """Read a whole source as squares of `image_size` pixels.

    The last two sources are kept in memory, and are read again only if their files changed.

    Args:
        source: See the top of this file.
        image_size: Rows and columns of the result, in pixels.
        data_root: Folder that torchvision's datasets are downloaded to, and that copies of
            sources at an address are kept in; nothing else is written. Domains that were kept
            lie there too.
        background: Colour under transparent pixels of `folder:` sources.
        held_out: Parts that lie elsewhere, `folder:PATH` or `npz:PATH`; they take the place of
            the source's own.
        unlabelled: Read all pictures below a `folder:` as one class, whatever folders they lie
            in; parts that lie elsewhere too.

    Raises:
        UnknownName: No source is called that.
        InvalidData: It cannot be downloaded or read, or contradicts itself.
    """
    return _load(
        _place(source, data_root),
        tuple((part, _place(named, data_root)) for part, named in held_out.items()),
        image_size=image_size,
        background=background,
        unlabelled=unlabelled,
    )


def _place(source: str, data_root: str) -> _Place:
    kind, name = canonical(source)
    filed = kind in ("folder", "npz")
    path = source.partition(":")[2] if filed else data_root
    if filed and is_remote(path):
        path = str(fetch(path, Path(data_root) / REMOTE, folder=kind == "folder"))
    path = os.path.abspath(os.path.expanduser(path))
    changed = None
    if filed:
        with readable(Path(path)):
            changed = stamp(Path(path))
    return _Place(kind=kind, name=name, path=Path(path), changed=changed)


@lru_cache(maxsize=2)
def _load(
    place: _Place,
    held_out: tuple[tuple[PartName, _Place], ...],
    *,
    image_size: int,
    background: str,
    unlabelled: bool,
) -> Images:
    start = time.monotonic()
    name, path = place.name, place.path
    together: dict[PartName, Path] = {}
    if place.kind == "npz":
        images = read_npz(path, image_size=image_size)
    elif place.kind == "folder":
        together = {part: held.path for part, held in held_out if held.kind == "folder"}
        read = read_heap if unlabelled else read_folder
        images = read(path, image_size=image_size, background=background, held_out=together)
    elif place.kind == "rendered":
        images = keep.load(name, image_size=image_size, root=path)
    elif name == "digits":
        images = _read_digits(image_size)
    elif name == "fashion":
        images = read_npz(FASHION, image_size=image_size)
    else:
        class_names, parts = read_torchvision(name, path, image_size=image_size)
        images = Images.of(
            name, class_names, parts=dict(zip(("train", "test"), parts, strict=True))
        )
    for part, held in held_out:
        if part not in together:
            images = _with_part(images, part, held, background=background)
    counts = (len(images.train_labels), len(images.validation_labels), len(images.test_labels))
    logger.info("read %s: %d + %d + %d images in %.1f s", name, *counts, time.monotonic() - start)
    return images


def _with_part(images: Images, part: PartName, held: _Place, *, background: str) -> Images:
    """Return images whose part is the one that lies elsewhere."""
    if len(getattr(images, f"{part}_labels")):
        logger.warning(
            "read nothing of the %s part of the source, since %s is named", part, held.path
        )
    names, size = images.class_names, images.train_images.shape[-1]
    if held.kind == "npz":
        pixels, labels = read_npz_part(held.path, part, image_size=size, class_names=names)
    else:
        pixels, labels = read_folder_part(
            held.path, part, image_size=size, class_names=names, background=background
        )
    pixels = as_rgb(pixels)
    images = replace(
        images,
        rows={
            path: tuple(row for row in rows if row[0] != part)
            for path, rows in images.rows.items()
        },
    )
    if part == "test":
        return replace(images, test_images=pixels, test_labels=labels)
    return replace(images, validation_images=pixels, validation_labels=labels)


def _read_digits(image_size: int) -> Images:
    from sklearn.datasets import load_digits  # 1 s to import

    digits = load_digits()
    pixels = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    images = resize(from_array(pixels, "digits"), image_size)
    labels = torch.from_numpy(digits.target).to(torch.int64)
    names = tuple(str(digit) for digit in range(10))
    return Images.of("digits", names, parts={"train": (images, labels)})
