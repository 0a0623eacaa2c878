"""Parts: train, validation and test by the names that people give them.

Knows nothing of what a part holds, or of whether it is a folder or an array.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Literal, get_args

from dass.errors import InvalidData

PartName = Literal["train", "validation", "test"]
"""What the parts are called here."""

PARTS: tuple[PartName, ...] = get_args(PartName)
"""All of them."""

SPELLINGS: dict[PartName, tuple[str, ...]] = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}
"""How each part is called elsewhere, in lower case."""


def part_of(name: str) -> PartName | None:
    """Return the part that a name stands for, in whatever case; None if it stands for none."""
    return next((part for part in PARTS if name.lower() in SPELLINGS[part]), None)


def name_parts(names: Iterable[str], *, where: str) -> dict[PartName, str]:
    """Return which of some names stands for which part.

    Raises:
        InvalidData: Two stand for the same part of what is called `where` in the error.
    """
    found: dict[PartName, str] = {}
    for name in names:
        part = part_of(name)
        if part is None:
            continue
        if part in found:
            raise InvalidData(
                f"{where} must have one {part} part, but {found[part]!r} and {name!r} both stand "
                f"for it: merge or rename one"
            )
        found[part] = name
    return found


def check_names(
    names: Collection[str], of_source: Collection[str], *, here: str, where: str
) -> None:
    """Check that a part that lies elsewhere has the classes of its source.

    Raises:
        InvalidData: It has others, more or fewer.
    """
    more, fewer = sorted(set(names) - set(of_source)), sorted(set(of_source) - set(names))
    if more or fewer:
        told = [f"lacks {', '.join(map(repr, fewer))}"] if fewer else []
        told += [f"has {', '.join(map(repr, more))} too"] if more else []
        raise InvalidData(
            f"{here} must have the classes of {where}, by the same names, but it "
            f"{' and '.join(told)}: rename, add or remove them"
        )


def understood(found: Mapping[PartName, str], named: Collection[PartName] = ()) -> list[str]:
    """Return how parts were understood, where their names leave it to be guessed.

    Parts that are `named` lie elsewhere.
    """
    notes = [
        f"{name} as the {part} part" for part, name in found.items() if name not in (part, "val")
    ]
    if {"train", "validation"} <= set(found) and "test" not in {*found, *named}:
        notes.append(
            f"{found['validation']} as what is validated on, and the test part, which is not "
            f"there, divided out of {found['train']} (`test_fraction`)"
        )
    return notes
