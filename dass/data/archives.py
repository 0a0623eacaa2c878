"""Archives: `npz` files of images and labels, by the names that people give their arrays.

Nothing pickled is read. What had to be understood is told in a line. Knows nothing of tasks.
"""

import logging
import re
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from dass.data.arrays import Array, labels_of, pixels_of, texts
from dass.data.files import denied, readable
from dass.data.images import Images, Part, from_array, resize
from dass.data.parts import PARTS, PartName, name_parts, part_of, understood
from dass.errors import InvalidData

logger = logging.getLogger(__name__)

NAMED = re.compile(r"(?P<part>[A-Za-z]+)_(?P<what>images|labels)", re.IGNORECASE)
"""An array of a part, `train_images` say; `class_names` is optional beside them."""

_NEEDED = ("train_images", "train_labels")
_BROKEN = (OSError, EOFError, zipfile.BadZipFile, zlib.error, ValueError, KeyError)

_OBJECTS = {
    "names": "save `np.array(names, dtype=str)`",
    "labels": "save `np.array(labels, dtype=int)`",
    "images": "resize them to one size and save `np.stack(images)`, if they are of mixed size",
}


def read_npz(path: Path, *, image_size: int) -> Images:
    """Read an archive of arrays.

    Raises:
        InvalidData: It is none, may not be read, or its arrays contradict themselves.
    """
    arrays = _load(path)
    notes: list[str] = []
    parts = _parts(arrays, path, notes=notes)
    where = str(path)
    names = None
    if "class_names" in arrays:
        names = texts(arrays["class_names"], f"class_names of {where}")
    images = pixels_of(_only(arrays, parts, "images"), where=where, notes=notes)
    labels, names = labels_of(
        _only(arrays, parts, "labels"), names=names, where=where, notes=notes
    )
    read: dict[str, Part] = {}
    for part, keys in parts.items():
        name, label_name = keys["images"], keys["labels"]
        pixels = from_array(images[name], f"{name} of {where}")
        numbers = labels[label_name]
        if numbers.shape != (len(pixels),):
            raise InvalidData(
                f"{label_name} of {where} must be {len(pixels)} integers, one for each image, "
                f"but it is {arrays[label_name].dtype} of shape {arrays[label_name].shape}: "
                f"convert it"
            )
        read[part] = resize(pixels, image_size), torch.from_numpy(numbers)
    if len(read["train"][0]) == 0:
        raise InvalidData(f"train_images of {path} must hold images, but has no rows: add some")
    if notes:
        logger.warning("read %s so: %s", path, "; ".join(notes))
    if names is None:
        count = 1 + max(int(each.max()) for each in labels.values() if each.size)
        names = tuple(map(str, range(count)))
    return Images.of(where, names, parts=read)


def _load(path: Path) -> dict[str, Array]:
    """Read the arrays that are understood, and tell which are not."""
    with readable(path):
        if path.is_file():
            path.open("rb").close()  # whether it may be read: is_zipfile does not tell
        if not zipfile.is_zipfile(path):
            what = "is none" if path.exists() else "does not exist"
            what = "is a folder (for pictures write `folder:PATH`)" if path.is_dir() else what
            raise InvalidData(
                f"`npz:PATH` must name an archive of arrays as numpy.savez writes it, but {path} "
                f"{what}: correct the path or the file"
            )
    arrays: dict[str, Array] = {}
    key = "The list of arrays"
    try:
        with np.load(path, allow_pickle=False) as archive:
            foreign = [each for each in archive.files if not _is_understood(each)]
            for key in archive.files:
                if key not in foreign:
                    arrays[key] = archive[key]
    except PermissionError as error:
        raise denied(path, error) from error
    except _BROKEN as error:
        raise _unread(path, key, error) from error
    if foreign:
        logger.warning("passed over arrays of %s: %s", path, ", ".join(foreign))
    return arrays


def _unread(path: Path, key: str, error: Exception) -> InvalidData:
    if isinstance(error, ValueError) and "allow_pickle" in str(error):
        kind = key.rpartition("_")[2].lower()
        return InvalidData(
            f"{key} of {path} must be whole and not pickled, but it is an array of Python objects "
            f"(dtype object), which can be read only with allow_pickle and then may run any code: "
            f"{_OBJECTS[kind]}"
        )
    return InvalidData(
        f"{key} of {path} must be whole and not pickled, but got: {error}: write the file again"
    )


def _is_understood(key: str) -> bool:
    found = NAMED.fullmatch(key)
    return key == "class_names" or (found is not None and part_of(found["part"]) is not None)


def _only(
    arrays: Mapping[str, Array], parts: Mapping[PartName, dict[str, str]], what: str
) -> dict[str, Array]:
    return {keys[what]: arrays[keys[what]] for keys in parts.values()}


def _parts(
    arrays: Mapping[str, Array], path: Path, *, notes: list[str]
) -> dict[PartName, dict[str, str]]:
    """Return the names of images and labels of each part.

    Raises:
        InvalidData: One of them is missing.
    """
    by_what: dict[str, dict[str, str]] = {"images": {}, "labels": {}}
    for key in arrays:
        if found := NAMED.fullmatch(key):
            by_what[found["what"].lower()][found["part"]] = key
    named = {what: name_parts(keys, where=f"{what} of {path}") for what, keys in by_what.items()}
    images, labels = (
        {part: by_what[what][name] for part, name in named[what].items()} for what in named
    )
    missing = [
        f"{part}_{what}"
        for part in PARTS
        for what, has, other in (("images", images, labels), ("labels", labels, images))
        if part not in has and (part in other or part == "train")
    ]
    if missing:
        raise InvalidData(
            f"{path} must hold the arrays {', '.join(_NEEDED)}, and the same of val and test if "
            f"you like, but {', '.join(missing)} is missing: add it"
        )
    notes += understood(named["images"])
    return {part: {"images": images[part], "labels": labels[part]} for part in images}
