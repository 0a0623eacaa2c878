"""Origins: which sources of images are akin, so that none is evidence about another.

What is learned from splits of one set, or of another drawn in the same way, is not shown to hold
elsewhere: comparisons leave whole groups out. Knows nothing of tasks.
"""

from __future__ import annotations

from dass.data.rendered.catalogue import CATALOGUE
from dass.data.source_names import canonical

STORED = {
    "tinyimagenet": "natural objects",
    "cifar10": "natural objects",
    "flowers5": "flowers",
    "gtsrb": "signs",
    "trashnet": "rubbish",
    "neusteel": "steel",
    "dtd10": "textures",
    "fashion": "clothes",
    "fruitshapes": "outlines",
    "kannada": "glyphs",
    "omniglot": "glyphs",
    "digits": "glyphs",
    "spokendigits": "speech",
}
"""Group of each set that is stored as a file or embedded."""

GROUPS = STORED | {name: facts.group for name, facts in CATALOGUE.items()}
"""Group of each set by its short name."""

SEALED = ("icons", "fractals", "solids", "sound by formula")
"""Groups that no choice may see: labelled with two seeds, read once (docs/protocol.md)."""


def origin(source: str) -> str:
    """Return the group of a source, `npz:data/gtsrb.npz` or `rendered:thai` say.

    A source that is not in `GROUPS` is taken as akin to no other.
    """
    _, name = canonical(source)
    return GROUPS.get(name, name)
