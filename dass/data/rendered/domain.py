"""A domain: classes of pictures and the function that draws one of them from a seed.

Knows nothing of which domains there are, or of how a picture is drawn.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dass.data.rendered.canvas import Picture
from dass.data.rendered.catalogue import Facts, facts

Draw = Callable[[int, np.random.Generator, bool], Picture]
"""Draws a picture of a class, by its label, for the test part if the last argument is true."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Domain:
    """A set of images that is computed. Its images never change: a better one gets a new name."""

    name: str
    """Short name, after `rendered:`; the catalogue has its facts."""
    class_names: tuple[str, ...]
    """Names of the classes, in the order of the labels."""
    draw: Draw
    """Draws one picture."""
    check: Callable[[], None] | None = None
    """Raises `InvalidData` if what is needed is not installed."""

    def __post_init__(self) -> None:
        found, stated = len(self.class_names), self.facts.classes
        assert found == stated, f"{self.name} has {found} classes, its facts say {stated}"

    @property
    def facts(self) -> Facts:
        """What the catalogue says of it."""
        return facts(self.name)

    def picture(self, label: int, part: str, *, index: int) -> Picture:
        """Draw one picture: a function of domain, class, part and index, and of nothing else."""
        words = f"{self.name}/{self.class_names[label]}/{part}/{index}"
        seed = int.from_bytes(hashlib.sha256(words.encode()).digest()[:16], "big")
        return self.draw(label, np.random.default_rng(seed), part == "test")
