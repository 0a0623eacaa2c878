"""All rendered domains by name, and how one becomes images.

Needs nothing but what the domain says; nothing is downloaded or written. Knows nothing of tasks.
"""

import numpy as np
import torch

from dass.data.images import Images, Part, from_array, resize
from dass.data.rendered import (
    automata,
    charts,
    cloth,
    curves,
    fractals,
    glyphs,
    icons,
    nature,
    solids,
    sounds,
    speech,
    textures,
)
from dass.data.rendered.canvas import SIZE
from dass.data.rendered.catalogue import facts
from dass.data.rendered.domain import Domain

_MODULES = (glyphs, icons, curves, charts, textures, fractals, automata, solids, nature, cloth)

DOMAINS: dict[str, Domain] = {
    domain.name: domain for module in (*_MODULES, sounds, speech) for domain in module.DOMAINS
}
"""Every domain, by the name after `rendered:`."""


def render(
    name: str, *, image_size: int, train: int | None = None, test: int | None = None
) -> Images:
    """Draw a domain: seconds.

    Args:
        name: The domain.
        image_size: Rows and columns of the result, in pixels.
        train: Training images of each class, in place of the domain's own number; the first ones.
        test: The same of the test part.

    Raises:
        UnknownName: No domain is called that.
        InvalidData: What it needs is not installed.
    """
    sizes, drawn = facts(name), DOMAINS[name]
    if drawn.check is not None:
        drawn.check()
    counts = {"train": train or sizes.train, "test": test or sizes.test}
    parts = {part: _part(drawn, part, count=n, size=image_size) for part, n in counts.items()}
    return Images.of(f"rendered:{name}", drawn.class_names, parts=parts)


def _part(drawn: Domain, part: str, *, count: int, size: int) -> Part:
    classes = len(drawn.class_names)
    pixels = np.empty((classes * count, SIZE, SIZE, 3), dtype=np.uint8)
    for row in range(len(pixels)):
        pixels[row] = drawn.picture(row // count, part, index=row % count)
    labels = torch.arange(classes).repeat_interleave(count)
    return resize(from_array(pixels, f"rendered:{drawn.name}"), size), labels
