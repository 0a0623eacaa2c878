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
from dass.data.files import denied, posing, readable
from dass.data.images import Images, Part, from_array, resize
from dass.data.parts import PARTS, PartName, check_names, name_parts, part_of, understood
from dass.errors import InvalidData

logger = logging.getLogger(__name__)

WHATS: dict[str, tuple[str, ...]] = {"images": ("images", "x"), "labels": ("labels", "y")}
"""How images and labels are called: `train_images`, `x_train`, or `images` alone, in any case."""

NAMED = re.compile(
    r"(?P<part>[a-z]+)_(?P<what>images|labels|x|y)|(?P<before>images|labels|x|y)(_(?P<after>[a-z]+))?",
    re.IGNORECASE,
)
"""An array of a part; `class_names` is optional beside them."""

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
    names = _names(arrays, path)
    read, names = _read(arrays, parts, path, names=names, image_size=image_size, notes=notes)
    _tell(path, notes)
    if names is None:
        count = 1 + max(int(each.max()) for _, each in read.values() if each.numel())
        names = tuple(map(str, range(count)))
    return Images.of(str(path), names, parts=read)


def read_npz_part(
    path: Path, part: PartName, *, image_size: int, class_names: tuple[str, ...]
) -> Part:
    """Read an archive as one part of a source that lies elsewhere.

    Its only arrays of images and labels are that part, whatever they are called; where it holds
    several parts, that of the name is taken.

    Raises:
        InvalidData: It is none, may not be read, or its classes are not those that are named.
    """
    arrays = _load(path)
    notes: list[str] = []
    found = _parts(arrays, path, notes=[], needed=None)
    if part not in found and len(found) > 1:
        raise InvalidData(
            f"{path} must hold one part or a {part} part, but it holds {' and '.join(found)}: "
            f"save `{part}_images` and `{part}_labels` alone"
        )
    keys = found[part if part in found else next(iter(found))]
    notes.append(f"{keys['images']} as the {part} part")
    names = _names(arrays, path)
    if names is None and arrays[keys["labels"]].dtype.kind not in "SU":
        names = class_names
        notes.append(f"labels as places among the {len(names)} classes of the source")
    read, names = _read(
        arrays, {part: keys}, path, names=names, image_size=image_size, notes=notes
    )
    assert names is not None, "labels are names, or the names are those of the source"
    check_names(names, class_names, here=str(path), where="the source")
    _tell(path, notes)
    pixels, labels = read[part]
    outside = labels[(labels < 0) | (labels >= len(names))]
    if len(outside):
        raise InvalidData(
            f"Labels of {path} must be below {len(names)}, the number of classes of the source, "
            f"and not negative, but one is {int(outside[0])}: correct it"
        )
    return pixels, torch.tensor([class_names.index(name) for name in names])[labels]


def _names(arrays: Mapping[str, Array], path: Path) -> tuple[str, ...] | None:
    if "class_names" not in arrays:
        return None
    return texts(arrays["class_names"], f"class_names of {path}")


def _tell(path: Path, notes: list[str]) -> None:
    if notes:
        logger.warning("read %s so: %s", path, "; ".join(notes))


def _read(
    arrays: Mapping[str, Array],
    parts: Mapping[PartName, dict[str, str]],
    path: Path,
    *,
    names: tuple[str, ...] | None,
    image_size: int,
    notes: list[str],
) -> tuple[dict[str, Part], tuple[str, ...] | None]:
    """Read the images and labels of parts, and the names of the classes if they are known."""
    where = str(path)
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
    needed = next(iter(parts)) if "train" not in parts else "train"
    if len(read[needed][0]) == 0:
        name = parts[needed]["images"]
        raise InvalidData(f"{name} of {path} must hold images, but has no rows: add some")
    return read, names


def _load(path: Path) -> dict[str, Array]:
    """Read the arrays that are understood, and tell which are not."""
    with readable(path):
        beginning = b""
        if path.is_file():
            with path.open("rb") as opened:  # whether it may be read: is_zipfile does not tell
                beginning = opened.read(128)
        if not zipfile.is_zipfile(path):
            what = "is none" if path.exists() else "does not exist"
            what = "is a folder (for pictures write `folder:PATH`)" if path.is_dir() else what
            raise InvalidData(
                f"`npz:PATH` must name an archive of arrays as numpy.savez writes it, but {path} "
                f"{what}: correct the path or the file.{posing(beginning)}"
            )
    arrays: dict[str, Array] = {}
    key = "The list of arrays"
    try:
        with np.load(path, allow_pickle=False) as archive:
            foreign = [
                each for each in archive.files if each != "class_names" and not _understood(each)
            ]
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
        kind = (_understood(key) or ("names",))[0]
        return InvalidData(
            f"{key} of {path} must be whole and not pickled, but it is an array of Python objects "
            f"(dtype object), which can be read only with allow_pickle and then may run any code: "
            f"{_OBJECTS[kind]}"
        )
    return InvalidData(
        f"{key} of {path} must be whole and not pickled, but got: {error}: write the file again"
    )


def _understood(key: str) -> tuple[str, str] | None:
    """Return whether an array holds images or labels, and the name of their part; else None."""
    found = NAMED.fullmatch(key)
    if found is None:
        return None
    word, part = found["what"] or found["before"], found["part"] or found["after"] or "train"
    what = next(what for what, words in WHATS.items() if word.lower() in words)
    return (what, part) if part_of(part) else None


def _only(
    arrays: Mapping[str, Array], parts: Mapping[PartName, dict[str, str]], what: str
) -> dict[str, Array]:
    return {keys[what]: arrays[keys[what]] for keys in parts.values()}


def _parts(
    arrays: Mapping[str, Array],
    path: Path,
    *,
    notes: list[str],
    needed: PartName | None = "train",
) -> dict[PartName, dict[str, str]]:
    """Return the names of images and labels of each part.

    Raises:
        InvalidData: One of them is missing.
    """
    by_what: dict[str, dict[str, str]] = {"images": {}, "labels": {}}
    for key in arrays:
        if found := _understood(key):
            what, part = found
            if part in by_what[what]:
                raise InvalidData(
                    f"{path} must hold one array of {what} of each part, but "
                    f"{by_what[what][part]} and {key} both stand for those "
                    f"of {part}: remove or rename one"
                )
            by_what[what][part] = key
    named = {what: name_parts(keys, where=f"{what} of {path}") for what, keys in by_what.items()}
    images, labels = (
        {part: by_what[what][name] for part, name in named[what].items()} for what in named
    )
    missing = [
        f"{part}_{what}"
        for part in PARTS
        for what, has, other in (("images", images, labels), ("labels", labels, images))
        if part not in has and (part in other or part == needed)
    ]
    if missing or not images:
        raise InvalidData(
            f"{path} must hold the arrays {', '.join(_NEEDED)}, and the same of val and test if "
            f"you like, but {', '.join(missing) or 'all'} is missing: add it"
        )
    notes += understood(named["images"])
    keys = [key for has in (images, labels) for key in has.values()]
    if other := [key for key in keys if key.lower().rpartition("_")[2] not in WHATS]:
        notes.append(f"{', '.join(other)} as {' and '.join(WHATS)}")
    return {part: {"images": images[part], "labels": labels[part]} for part in images}
