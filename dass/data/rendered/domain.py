"""A domain: classes of pictures and the function that draws one of them from a seed.

Knows nothing of which domains there are, or of how a picture is drawn.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dass.data.rendered.canvas import Picture

Draw = Callable[[int, np.random.Generator, bool], Picture]
"""Draws a picture of a class, by its label, for the test part if the last argument is true."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Domain:
    """A set of images that is computed. Its images never change: a better one gets a new name."""

    name: str
    """Short name, after `rendered:`."""
    group: str
    """Origin: domains of one group resemble each other, and are left out together."""
    shows: str
    """What its pictures show, in a few words."""
    class_names: tuple[str, ...]
    """Names of the classes, in the order of the labels."""
    draw: Draw
    """Draws one picture."""
    train: int
    """Images of each class in the train part."""
    test: int
    """Images of each class in the test part."""
    flip: bool = False
    """Does a mirrored picture stay in its class?"""
    needs: str = ""
    """What must be installed, as Debian calls it; empty if nothing must."""
    check: Callable[[], None] | None = None
    """Raises `InvalidData` if what is needed is not installed."""

    def picture(self, label: int, part: str, *, index: int) -> Picture:
        """Draw one picture: a function of domain, class, part and index, and of nothing else."""
        words = f"{self.name}/{self.class_names[label]}/{part}/{index}"
        seed = int.from_bytes(hashlib.sha256(words.encode()).digest()[:16], "big")
        return self.draw(label, np.random.default_rng(seed), part == "test")
