"""Where images come from: a source by its name, read into uint8 tensors of one size.

    digits        scikit-learn's embedded 8×8 digits: no download, no test part
    fashion       2,300 + 2,500 embedded 32×32 pictures of clothes, out of Fashion-MNIST
    cifar100 ...  any classification dataset of torchvision that fits in memory
    folder:PATH   one folder of pictures per class, or PATH/train, PATH/val, PATH/test of such
    npz:PATH      `train_images`, `train_labels`, the same of val and test, `class_names`
    rendered:NAME a domain that is drawn from a seed: no download (`dass.data.rendered`)

PATH may be an address that fsspec reaches (`s3://...`). Grey images are repeated over three
channels. Nothing pickled is read, except what torchvision downloads itself and checks by its
digest. Knows nothing of tasks, of how they are divided, or of augmentation.
"""

import logging
import os
import time
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from dass.data.archives import read_npz
from dass.data.files import readable, stamp
from dass.data.folders import read_folder
from dass.data.images import Images, from_array, resize
from dass.data.reader import BACKGROUND
from dass.data.remote import fetch, is_remote
from dass.data.source_names import canonical
from dass.data.torchvision_sets import read_torchvision

logger = logging.getLogger(__name__)

FASHION = Path(__file__).with_name("fashion.npz")
"""Images of `fashion`; `dass.data.make_fashion` wrote them."""

REMOTE = "remote"
"""Folder below the data root for copies of what lies at an address."""


def load_source(
    source: str, *, image_size: int, data_root: str = "data", background: str = BACKGROUND
) -> Images:
    """Read a whole source as squares of `image_size` pixels.

    The last two sources are kept in memory, and are read again only if their files changed.

    Args:
        source: See the top of this file.
        image_size: Rows and columns of the result, in pixels.
        data_root: Folder that torchvision's datasets are downloaded to, and that copies of
            sources at an address are kept in; nothing else is written.
        background: Colour under transparent pixels of `folder:` sources.

    Raises:
        UnknownName: No source is called that.
        InvalidData: It cannot be downloaded or read, or contradicts itself.
    """
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
    return _load(
        kind, name, path=path, image_size=image_size, changed=changed, background=background
    )


@lru_cache(maxsize=2)
def _load(
    kind: str,
    name: str,
    *,
    path: str,
    image_size: int,
    changed: tuple[int, int] | None,
    background: str,
) -> Images:
    del changed  # only tells the cache
    start = time.monotonic()
    if kind == "npz":
        images = read_npz(Path(path), image_size=image_size)
    elif kind == "folder":
        images = read_folder(Path(path), image_size=image_size, background=background)
    elif kind == "rendered":
        from dass.data.rendered.domains import render

        images = render(name, image_size=image_size)
    elif name == "digits":
        images = _read_digits(image_size)
    elif name == "fashion":
        images = read_npz(FASHION, image_size=image_size)
    else:
        class_names, parts = read_torchvision(name, Path(path), image_size=image_size)
        images = Images.of(
            name, class_names, parts=dict(zip(("train", "test"), parts, strict=True))
        )
    counts = (len(images.train_labels), len(images.validation_labels), len(images.test_labels))
    logger.info("read %s: %d + %d + %d images in %.1f s", name, *counts, time.monotonic() - start)
    return images


def _read_digits(image_size: int) -> Images:
    from sklearn.datasets import load_digits  # 1 s to import

    digits = load_digits()
    pixels = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    images = resize(from_array(pixels, "digits"), image_size)
    labels = torch.from_numpy(digits.target).to(torch.int64)
    names = tuple(str(digit) for digit in range(10))
    return Images.of("digits", names, parts={"train": (images, labels)})
