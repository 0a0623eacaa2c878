"""Names of sources: which there are, and what one and the same source is called everywhere.

Knows nothing of how a source is read. It imports no library of pictures or tensors, since command
lines ask it.
"""

import difflib
import os
from pathlib import Path
from typing import Any

from dass.data.remote import is_remote, remote_name
from dass.data.rendered.catalogue import facts
from dass.errors import UnknownName

_Arguments = tuple[dict[str, Any], ...]

_Parts = tuple[_Arguments, _Arguments]

_FLAT: _Parts = (({},), ())

_BY_FLAG: _Parts = (({"train": True},), ({"train": False},))

_BY_SPLIT: _Parts = (({"split": "train"},), ({"split": "test"},))

_TRAINVAL: _Parts = (({"split": "trainval"},), ({"split": "test"},))

_WITH_VAL: _Parts = (
    ({"split": "train"}, {"split": "val"}),
    ({"split": "test"},),
)

TORCHVISION: dict[str, _Parts] = {
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


def plain(name: str) -> str:
    """Return a dataset's name without case, dashes and spaces."""
    return "".join(letter for letter in name.lower() if letter not in "-_ ")


def canonical(source: str) -> tuple[str, str]:
    """Return kind and short name of a source, the same wherever its files lie.

    `("npz", "flowers")` for `npz:/any/path/flowers.npz`, `("named", "cifar100")` for `CIFAR-100`,
    `("rendered", "solids")` for `rendered:solids`.

    Raises:
        UnknownName: No source is called that.
    """
    kind, colon, path = source.partition(":")
    if colon and path and kind in ("folder", "npz"):
        name = remote_name(path) if is_remote(path) else Path(os.path.abspath(path)).name
        return kind, name.removesuffix(".npz") if kind == "npz" else name
    if colon and kind == "rendered":
        facts(path)
        return kind, path
    name = plain(source)
    known = ["digits", "fashion", *map(plain, TORCHVISION)]
    if name not in known:
        if looks := _path_kind(source):
            raise UnknownName(
                f"A source must say what a path holds, but got {source!r}: write "
                f"`{looks}:{source}`"
            )
        close = difflib.get_close_matches(name, known, n=3) or known
        raise UnknownName(
            f"A source must be `folder:PATH`, `npz:PATH`, `rendered:NAME` or a dataset's name, "
            f"but got {source!r}: try {', '.join(close)}"
        )
    return "named", name


def _path_kind(source: str) -> str | None:
    """Return what kind of source a bare path looks like; None if it looks like no path."""
    if source.lower().endswith(".npz"):
        return "npz"
    local = Path(source).expanduser()
    here = bool(source) and local.exists()
    if not here and not is_remote(source) and not set(source) & {"/", os.sep}:
        return None
    return "npz" if here and local.is_file() else "folder"
