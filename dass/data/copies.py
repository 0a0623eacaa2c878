"""Copies: which of pictures with the same pixels are kept, so that none is trained and tested on.

Decisions only. Knows nothing of pictures, files or tensors.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field

from dass.data.parts import PartName

HELD_OUT_FIRST: tuple[PartName, ...] = ("test", "validation", "train")
"""Where a picture that lies in several parts stays: where no network is trained on it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sorted:
    """Rows of each part, by what is to become of them."""

    kept: dict[PartName, list[int]] = field(default_factory=dict)
    """What stays."""
    left: dict[PartName, list[int]] = field(default_factory=dict)
    """Copies, which go."""
    contradictory: dict[PartName, list[int]] = field(default_factory=dict)
    """What has another label than a copy of it that stays, whether it stays too or goes."""


def sort_copies(parts: Mapping[PartName, Sequence[tuple[Hashable, int]]]) -> Sorted:
    """Keep each picture in one part, and there once in each class.

    A copy beside its twin goes too, since dividing the part would put one on either side.

    Args:
        parts: A digest of the pixels and a label for each row of each part.
    """
    sorted_rows = Sorted()
    elsewhere: dict[Hashable, int] = {}
    for part in (part for part in HELD_OUT_FIRST if part in parts):
        here: dict[Hashable, int] = {}
        kept: set[tuple[Hashable, int]] = set()
        rows: dict[str, list[int]] = {"kept": [], "left": [], "contradictory": []}
        for row, (digest, label) in enumerate(parts[part]):
            goes = digest in elsewhere or (digest, label) in kept
            rows["left" if goes else "kept"].append(row)
            if label != elsewhere.get(digest, here.get(digest, label)):
                rows["contradictory"].append(row)
            kept.add((digest, label))
            here.setdefault(digest, label)
        elsewhere = here | elsewhere
        for fate, those in rows.items():
            getattr(sorted_rows, fate)[part] = those
    return sorted_rows
