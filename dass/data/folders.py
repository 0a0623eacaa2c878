"""Folders of pictures: a folder per class, in one heap or in parts of any usual names.

What is passed over, guessed or counted once is told in a line. Knows nothing of tasks or caps.
"""

import logging
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from dass.data.decoded import Decoded, Listed, decode, loose, tell_passed, without_copies
from dass.data.files import by_suffix, folders, readable, walk
from dass.data.images import Images, Part
from dass.data.parts import PARTS, PartName, check_names, name_parts, part_of, understood
from dass.data.pictures import suffixes
from dass.data.reader import BACKGROUND
from dass.errors import InvalidData

logger = logging.getLogger(__name__)


def read_folder(
    path: Path,
    *,
    image_size: int,
    background: str = BACKGROUND,
    held_out: Mapping[PartName, Path] = MappingProxyType({}),
) -> Images:
    """Read a folder of class folders, or of parts (train, validation, test) of class folders.

    Args:
        path: The folder.
        image_size: Rows and columns of the result, in pixels.
        background: Colour under transparent pixels.
        held_out: Folders of parts that lie elsewhere, of the same classes; they take the place of
            parts in `path`.

    Raises:
        InvalidData: It is no such folder, or a file in it cannot be read.
    """
    with readable(path):
        if not path.is_dir():
            file = " (a file: for arrays write `npz:PATH`)" if path.is_file() else ""
            raise InvalidData(
                f"`folder:PATH` must name a folder, but {path} is none{file}: correct it"
            )
        homes = _homes(path, named=held_out)
        class_names = _class_names(homes["train"])
        for part, home in held_out.items():
            homes[part] = _held_out(home, part, class_names, where=str(path))
        listed = {
            part: _list(home, class_names, train=homes["train"]) for part, home in homes.items()
        }
        beside = [] if homes["train"] == path else [each for each in path.iterdir() if loose(each)]
    tell_passed(path, [*beside, *(file for part in listed.values() for file in part.passed)])
    decoded = {
        part: decode(listed[part], image_size=image_size, background=background) for part in listed
    }
    parts, rows = without_copies(path, decoded)
    _check_classes(path, decoded["train"], parts["train"], class_names=class_names)
    return replace(Images.of(str(path), class_names, parts=parts), rows=rows)


def read_folder_part(
    path: Path,
    part: PartName,
    *,
    image_size: int,
    class_names: tuple[str, ...],
    background: str = BACKGROUND,
) -> Part:
    """Read a folder of class folders as one part of a source that lies elsewhere.

    Raises:
        InvalidData: Its classes are not those that are named, or a file cannot be read.
    """
    with readable(path):
        home = _held_out(path, part, class_names, where="the source")
        listed = _list(home, class_names, train=home)
    tell_passed(path, listed.passed)
    decoded = decode(listed, image_size=image_size, background=background)
    return without_copies(path, {part: decoded})[0][part]


def _held_out(path: Path, part: PartName, class_names: tuple[str, ...], *, where: str) -> Path:
    """Return the folder of the classes of a part that lies elsewhere."""
    if not path.is_dir():
        raise InvalidData(f"The {part} part must be a folder, but {path} is none: correct it")
    found = name_parts((name for name in folders(path) if folders(path / name)), where=str(path))
    if found and part not in found:
        raise InvalidData(
            f"{path} must hold a folder per class, or a {part} part, but it holds "
            f"{' and '.join(found.values())}: write `folder:{path / next(iter(found.values()))}` "
            f"if that is what you mean"
        )
    home = path / found[part] if found else path
    if found:
        logger.warning("read %s so: of it only %s, as the %s part", path, found[part], part)
    check_names(_class_names(home), class_names, here=str(home), where=where)
    return home


def _homes(path: Path, named: Collection[PartName]) -> dict[PartName, Path]:
    """Return the folder of each part; all of `path` is the train part if it is not divided.

    Parts that are `named` lie elsewhere and are not looked for.
    """
    inside = folders(path)
    found = name_parts((name for name in inside if folders(path / name)), where=str(path))
    if "train" not in found:
        # PATH/train of pictures is a class called train; PATH/train of folders is the train part
        if spelled := [name for name in inside if part_of(name)]:
            logger.warning(
                "read %s so: %s as classes, since no folder `train` holds a folder per class",
                path,
                " and ".join(spelled),
            )
        _tell_inner(path, inside)
        return {"train": path}
    notes = [
        f"nothing of {found.pop(part)}, since another {part} part is named"
        for part in PARTS
        if part in named and part in found
    ]
    notes += understood(found, named)
    for name in inside:
        if name not in found.values() and part_of(name) not in named:
            why = "holds no folder per class" if part_of(name) else "is no part"
            notes.append(f"nothing of {name}, which {why}")
    if notes:
        logger.warning("read %s so: %s", path, "; ".join(notes))
    return {part: path / name for part, name in found.items()}


def _tell_inner(path: Path, class_names: tuple[str, ...]) -> None:
    """Tell of parts below classes, PATH/cat/test, which are read as more of the class."""
    inner = [f"{name}/{each}" for name in class_names for each in folders(path / name)]
    if inner := [place for place in inner if part_of(place.rpartition("/")[2])]:
        logger.warning(
            "read %s so: %d folders such as %s as more pictures of their class. To have "
            "parts, lay them as test/CLASS",
            *(path, len(inner), inner[0]),
        )


def _class_names(home: Path) -> tuple[str, ...]:
    names = folders(home)
    if not names:
        lying = sum(file.suffix.lower() in suffixes() for file in walk(home)[0])
        raise InvalidData(
            f"{home} must hold one folder per class, but has none ({lying} pictures lie in it "
            f"directly): add them and move the pictures there"
        )
    return names


def _list(home: Path, class_names: tuple[str, ...], *, train: Path) -> Listed:
    """List the pictures of a part by class; in the train part each class must have one."""
    foreign = [name for name in folders(home) if name not in class_names]
    if foreign:
        raise InvalidData(
            f"{home} must hold the classes of {train}, but {foreign[0]!r} is no class "
            f"there: remove it or add it to train"
        )
    files: list[Path] = []
    labels: list[int] = []
    passed = [found for found in home.iterdir() if loose(found)]
    for label, class_name in enumerate(class_names):
        if not (home / class_name).is_dir():
            continue
        found, left = walk(home / class_name)
        pictures = [file for file in found if file.suffix.lower() in suffixes()]
        others = [file for file in found if file.suffix.lower() not in suffixes()]
        if home == train and not pictures:
            raise InvalidData(
                f"Every class must have an image, but {home / class_name} has no file that ends "
                f"in .jpg, .png or another ending of Pillow's formats"
                f"{', only ' + by_suffix(others) if others else ''}: add images or remove the "
                f"class"
            )
        files += pictures
        labels += [label] * len(pictures)
        passed += [*others, *left]
    return Listed(files=files, labels=labels, passed=sorted(passed))


def _check_classes(
    path: Path, train: Decoded, kept: Part, *, class_names: tuple[str, ...]
) -> None:
    counts = Counter(kept[1].tolist())
    for label, class_name in enumerate(class_names):
        if not counts[label]:
            before = train.listed.labels.count(label)
            raise InvalidData(
                f"Every class of {path} must have a picture to train on that is no copy of one "
                f"held out, but all {before} of {class_name!r} are exact copies of pictures of "
                f"the test or validation part: add others, or remove the class from every part"
            )
