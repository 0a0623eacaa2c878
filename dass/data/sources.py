"""Where images come from: a source by its name, read into uint8 tensors of one size.

    digits        scikit-learn's embedded 8×8 digits: no download, no test part
    fashion       2,300 + 2,500 embedded 32×32 pictures of clothes, out of Fashion-MNIST
    cifar100 ...  any classification dataset of torchvision that fits in memory
    folder:PATH   one folder of pictures per class, or PATH/train and PATH/test of such folders
    npz:PATH      `train_images`, `train_labels`, `test_images`, `test_labels`, `class_names`

Grey images are repeated over three channels. Nothing pickled is read, except what torchvision
downloads itself and checks by its digest. Knows nothing of tasks, splits or augmentation.

Letters in shapes: n images, c channels, h rows, w columns.
"""

import difflib
import logging
import os
import tarfile
import time
import zipfile
import zlib
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Shaped, UInt8
from PIL import Image
from torch import Tensor

from dass.data.images import (
    UNREADABLE,
    Images,
    Part,
    as_rgb,
    from_array,
    from_picture,
    nothing,
    resize,
    stack,
)
from dass.data.torchvision_sets import TORCHVISION, plain, read_torchvision
from dass.errors import InvalidData, UnknownName

logger = logging.getLogger(__name__)

FASHION = Path(__file__).with_name("fashion.npz")
"""Images of `fashion`; `dass.data.make_fashion` wrote them."""

PICTURES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
"""Endings of the files that `folder:` reads; others are passed over."""

NPZ_ARRAYS = ("train_images", "train_labels", "test_images", "test_labels")
"""What an `npz:` file must hold; `class_names` is optional."""

_Array = Shaped[np.ndarray, "..."]
_BROKEN_ARCHIVE = (OSError, EOFError, zipfile.BadZipFile, tarfile.TarError, zlib.error)


def canonical(source: str) -> tuple[str, str]:
    """Return kind and short name of a source, the same wherever its files lie.

    `("npz", "flowers")` for `npz:/any/path/flowers.npz`, `("named", "cifar100")` for `CIFAR-100`.

    Raises:
        UnknownName: No source is called that.
    """
    kind, colon, path = source.partition(":")
    if colon and path and kind in ("folder", "npz"):
        name = Path(os.path.abspath(path)).name
        return kind, name.removesuffix(".npz") if kind == "npz" else name
    name = plain(source)
    known = ["digits", "fashion", *map(plain, TORCHVISION)]
    if name not in known:
        close = difflib.get_close_matches(name, known, n=3) or known
        raise UnknownName(
            f"A source must be `folder:PATH`, `npz:PATH` or a dataset's name, but got {source!r}: "
            f"try {', '.join(close)}"
        )
    return "named", name


def load_source(source: str, *, image_size: int, data_root: str = "data") -> Images:
    """Read a whole source as squares of `image_size` pixels.

    The last two sources are kept in memory, and are read again only if their files changed.

    Args:
        source: See the top of this file.
        image_size: Rows and columns of the result, in pixels.
        data_root: Folder that torchvision's datasets are downloaded to; nothing else is written.

    Raises:
        UnknownName: No source is called that.
        InvalidData: It cannot be downloaded or read, or contradicts itself.
    """
    kind, name = canonical(source)
    path = data_root if kind == "named" else source.partition(":")[2]
    path = os.path.abspath(os.path.expanduser(path))
    stamp = None if kind == "named" else _stamp(Path(path))
    return _load(kind, name, path=path, image_size=image_size, stamp=stamp)


@lru_cache(maxsize=2)
def _load(
    kind: str, name: str, *, path: str, image_size: int, stamp: tuple[int, int] | None
) -> Images:
    start = time.monotonic()
    if kind == "npz":
        images = _read_npz(Path(path), image_size)
    elif kind == "folder":
        images = _read_folder(Path(path), image_size)
    elif name == "digits":
        images = _read_digits(image_size)
    elif name == "fashion":
        images = _read_npz(FASHION, image_size)
    else:
        class_names, parts = read_torchvision(name, Path(path), image_size=image_size)
        images = _images(name, class_names, parts=parts)
    counts = (len(images.train_labels), len(images.test_labels), time.monotonic() - start)
    logger.info("read %s: %d + %d images in %.1f s", name, *counts)
    return images


def _stamp(path: Path) -> tuple[int, int]:
    """Return what changes when files are added, removed or written: their number, latest time."""
    times = [found.stat().st_mtime_ns for found in (path, *path.rglob("*")) if found.exists()]
    return len(times), max(times, default=0)


def _images(where: str, class_names: tuple[str, ...], *, parts: tuple[Part, Part]) -> Images:
    (train_images, train_labels), (test_images, test_labels) = parts
    return Images(
        class_names=class_names,
        train_images=as_rgb(train_images),
        train_labels=train_labels,
        test_images=as_rgb(test_images),
        test_labels=test_labels,
    ).check(where)


def _read_digits(image_size: int) -> Images:
    from sklearn.datasets import load_digits  # 1 s to import

    digits = load_digits()
    pixels = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    images = resize(from_array(pixels, "digits"), image_size)
    labels = torch.from_numpy(digits.target).to(torch.int64)
    names = tuple(str(digit) for digit in range(10))
    return _images("digits", names, parts=((images, labels), nothing(image_size)))


def _read_npz(path: Path, image_size: int) -> Images:
    if not zipfile.is_zipfile(path):
        raise InvalidData(
            f"`npz:PATH` must name an archive of arrays as numpy.savez writes it, but {path} "
            f"{'is none' if path.exists() else 'does not exist'}: correct the path or the file"
        )
    arrays: dict[str, _Array] = {}
    key = "The list of arrays"
    try:
        with np.load(path, allow_pickle=False) as archive:
            for key in (*NPZ_ARRAYS, "class_names"):
                if key in archive:
                    arrays[key] = archive[key]
    except (*_BROKEN_ARCHIVE, ValueError) as error:
        raise InvalidData(
            f"{key} of {path} must be whole and not pickled, but got: {error}. If it holds "
            f"images of mixed size, resize them to one; else write the file again"
        ) from error
    missing = [key for key in NPZ_ARRAYS if key not in arrays]
    if missing:
        raise InvalidData(
            f"{path} must hold the arrays {', '.join(NPZ_ARRAYS)}, but {', '.join(missing)} is "
            f"missing: add it"
        )
    train, test = (_npz_part(arrays, part, where=f"of {path}") for part in ("train", "test"))
    if len(train[0]) == 0:
        raise InvalidData(f"train_images of {path} must hold images, but has no rows: add some")
    names = arrays.get("class_names", np.arange(1 + int(torch.cat((train[1], test[1])).max())))
    read = (resize(train[0], image_size), train[1]), (resize(test[0], image_size), test[1])
    return _images(str(path), tuple(map(str, names.tolist())), parts=read)


def _npz_part(arrays: dict[str, _Array], part: str, *, where: str) -> Part:
    images = from_array(arrays[f"{part}_images"], f"{part}_images {where}")
    labels = arrays[f"{part}_labels"]
    if labels.shape != (len(images),) or labels.dtype.kind not in "iu":
        raise InvalidData(
            f"{part}_labels {where} must be {len(images)} integers, one for each image, but it is "
            f"{labels.dtype} of shape {labels.shape}: convert it"
        )
    return images, torch.from_numpy(labels.astype(np.int64))


def _read_folder(path: Path, image_size: int) -> Images:
    if not path.is_dir():
        raise InvalidData(f"`folder:PATH` must name a folder, but {path} is none: correct it")
    # PATH/train of pictures is a class called train; PATH/train of folders is the train part
    divided = (path / "train").is_dir() and bool(_folders(path / "train"))
    home = path / "train" if divided else path
    class_names = _folders(home)
    if not class_names:
        raise InvalidData(f"{home} must hold one folder per class, but has none: add them")
    test = nothing(image_size)
    if divided and (path / "test").is_dir():
        foreign = [name for name in _folders(path / "test") if name not in class_names]
        if foreign:
            raise InvalidData(
                f"{path / 'test'} must hold the classes of {home}, but {foreign[0]!r} is no "
                f"class there: remove it or add it to train"
            )
        test = _folder_part(path / "test", class_names, image_size=image_size)
    train = _folder_part(home, class_names, image_size=image_size)
    return _images(str(path), class_names, parts=(train, test))


def _folders(path: Path) -> tuple[str, ...]:
    """Return the names of the folders in a folder, sorted, without hidden ones and __MACOSX."""
    names = (found.name for found in path.iterdir() if found.is_dir())
    return tuple(sorted(name for name in names if not name.startswith((".", "__"))))


def _folder_part(path: Path, class_names: tuple[str, ...], *, image_size: int) -> Part:
    files, labels = [], []
    for label, class_name in enumerate(class_names):
        found = sorted((path / class_name).rglob("[!.]*"))
        found = [file for file in found if file.suffix.lower() in PICTURES]
        if not found:
            raise InvalidData(
                f"Every class must have an image, but {path / class_name} has no file that ends "
                f"in {' '.join(PICTURES)}: add images or remove the class"
            )
        files += found
        labels += [label] * len(found)
    images = stack(map(_read_picture, files), count=len(files), image_size=image_size)
    return images, torch.tensor(labels)


def _read_picture(file: Path) -> UInt8[Tensor, "1 3 h w"]:
    try:
        with Image.open(file) as picture:
            return from_picture(picture)
    except UNREADABLE as error:
        raise InvalidData(
            f"Every picture must be a whole 8-bit image, but {file} is not ({error}): replace or "
            f"remove it"
        ) from error
