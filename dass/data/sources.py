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
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from http.client import HTTPException
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64, Shaped, UInt8
from PIL import Image
from torch import Tensor

from dass.data.images import Images, as_rgb, from_array, from_picture, resize, stack
from dass.errors import InvalidData, UnknownName

logger = logging.getLogger(__name__)

FASHION = Path(__file__).with_name("fashion.npz")
"""Images of `fashion`; `dass.data.make_fashion` wrote them."""

PICTURES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
"""Endings of the files that `folder:` reads; others are passed over."""

NPZ_ARRAYS = ("train_images", "train_labels", "test_images", "test_labels")
"""What an `npz:` file must hold; `class_names` is optional."""

_Array = Shaped[np.ndarray, "..."]
_Read = tuple[UInt8[Tensor, "_ _ _ _"], Int64[Tensor, " _"]]
_Part = tuple[dict[str, Any], ...]
_FLAT: tuple[_Part, _Part] = (({},), ())
_BY_FLAG: tuple[_Part, _Part] = (({"train": True},), ({"train": False},))
_BY_SPLIT: tuple[_Part, _Part] = (({"split": "train"},), ({"split": "test"},))
_TRAINVAL: tuple[_Part, _Part] = (({"split": "trainval"},), ({"split": "test"},))
_WITH_VAL: tuple[_Part, _Part] = (({"split": "train"}, {"split": "val"}), ({"split": "test"},))

TORCHVISION: dict[str, tuple[_Part, _Part]] = {
    **dict.fromkeys(("CIFAR10", "CIFAR100", "FashionMNIST", "KMNIST"), _BY_FLAG),
    **dict.fromkeys(("MNIST", "QMNIST", "USPS"), _BY_FLAG),
    **dict.fromkeys(("Food101", "GTSRB", "STL10", "SVHN", "StanfordCars"), _BY_SPLIT),
    **dict.fromkeys(("FGVCAircraft", "OxfordIIITPet"), _TRAINVAL),
    **dict.fromkeys(("DTD", "Flowers102", "PCAM", "RenderedSST2"), _WITH_VAL),
    **dict.fromkeys(("Caltech101", "Caltech256", "EuroSAT", "SEMEION", "SUN397"), _FLAT),
    "Country211": (({"split": "train"}, {"split": "valid"}), ({"split": "test"},)),
    "EMNIST": (({"split": "balanced", "train": True},), ({"split": "balanced", "train": False},)),
    "Imagenette": (({"split": "train"},), ({"split": "val"},)),
}
"""Arguments that give the train part and the test part of each dataset.

Left out: what does not fit in memory whole (ImageNet, Places365, iNaturalist: take a part of it
as `folder:`) and what has no labels for testing or labels that are no classes (FER2013, CLEVR).
"""

_UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)
_BROKEN_ARCHIVE = (OSError, EOFError, zipfile.BadZipFile, tarfile.TarError, zlib.error)
_NOT_LOADED = (*_BROKEN_ARCHIVE, HTTPException, RuntimeError, ValueError, ImportError)


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
    name = _plain(source)
    known = ["digits", "fashion", *map(_plain, TORCHVISION)]
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
        images = _read_torchvision(name, Path(path), image_size)
    counts = (len(images.train_labels), len(images.test_labels), time.monotonic() - start)
    logger.info("read %s: %d + %d images in %.1f s", name, *counts)
    return images


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter not in "-_ ")


def _stamp(path: Path) -> tuple[int, int]:
    """Return what changes when files are added, removed or written: their number, latest time."""
    times = [found.stat().st_mtime_ns for found in (path, *path.rglob("*")) if found.exists()]
    return len(times), max(times, default=0)


def _images(where: str, class_names: tuple[str, ...], *, parts: tuple[_Read, _Read]) -> Images:
    (train_images, train_labels), (test_images, test_labels) = parts
    return Images(
        class_names=class_names,
        train_images=as_rgb(train_images),
        train_labels=train_labels,
        test_images=as_rgb(test_images),
        test_labels=test_labels,
    ).check(where)


def _nothing(image_size: int) -> _Read:
    """Return the test part of a source that has none."""
    images = torch.empty(0, 3, image_size, image_size, dtype=torch.uint8)
    return images, torch.empty(0, dtype=torch.int64)


def _read_digits(image_size: int) -> Images:
    from sklearn.datasets import load_digits  # 1 s to import

    digits = load_digits()
    pixels = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    images = resize(from_array(pixels, "digits"), image_size)
    labels = torch.from_numpy(digits.target).to(torch.int64)
    names = tuple(str(digit) for digit in range(10))
    return _images("digits", names, parts=((images, labels), _nothing(image_size)))


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


def _npz_part(arrays: dict[str, _Array], part: str, *, where: str) -> _Read:
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
    test = _nothing(image_size)
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


def _folder_part(path: Path, class_names: tuple[str, ...], *, image_size: int) -> _Read:
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
    except _UNREADABLE as error:
        raise InvalidData(
            f"Every picture must be a whole 8-bit image, but {file} is not ({error}): replace or "
            f"remove it"
        ) from error


def _read_torchvision(name: str, root: Path, image_size: int) -> Images:
    attribute = next(key for key in TORCHVISION if _plain(key) == name)
    train, test = (
        [_open_torchvision(attribute, root, arguments=arguments) for arguments in part]
        for part in TORCHVISION[attribute]
    )
    images, labels = _torchvision_part(train, attribute, image_size=image_size)
    held_out = _nothing(image_size)
    if test:
        held_out = _torchvision_part(test, attribute, image_size=image_size)
    names = getattr(train[0], "classes", None) or getattr(train[0], "categories", None)
    if names is None:  # SVHN, say, only numbers its classes
        names = range(1 + int(labels.max()))
    # Imagenette has several names for a class
    class_names = tuple(
        ", ".join(name) if isinstance(name, tuple) else str(name) for name in names
    )
    return _images(attribute, class_names, parts=((images, labels), held_out))


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


def _torchvision_part(datasets: list[Any], attribute: str, *, image_size: int) -> _Read:
    labels: list[int] = []

    def pictures() -> Iterator[Tensor]:
        for dataset in datasets:
            for place in range(len(dataset)):
                try:
                    picture, label = dataset[place]
                    pixels = from_picture(picture)
                except _UNREADABLE as error:
                    raise InvalidData(
                        f"Every image of {attribute} must be readable, but image {place} of "
                        f"{dataset.root} is not ({error}): remove the folder and load it again"
                    ) from error
                labels.append(int(label))
                yield pixels

    count = sum(len(dataset) for dataset in datasets)
    return stack(pictures(), count=count, image_size=image_size), torch.tensor(labels)
