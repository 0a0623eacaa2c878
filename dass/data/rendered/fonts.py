"""Fonts of this machine, by file name; where one is missing, what to install.

Knows nothing of what is written with them.
"""

import os
from functools import lru_cache
from pathlib import Path

from PIL import ImageFont

from dass.data.rendered.catalogue import facts
from dass.errors import InvalidData

FOLDERS = (
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "/Library/Fonts",
    "~/.fonts",
    "~/.local/share/fonts",
)
"""Where fonts are looked for, at any depth."""


@lru_cache(maxsize=4)
def installed(folders: tuple[str, ...]) -> dict[str, Path]:
    """Return the font files below some folders, by their names."""
    found: dict[str, Path] = {}
    for folder in folders:
        for root, _, names in os.walk(Path(folder).expanduser()):
            fonts = [name for name in names if name.lower().endswith((".ttf", ".otf", ".ttc"))]
            found |= {name: Path(root) / name for name in fonts}
    return found


def require(names: tuple[str, ...], *, domain: str) -> None:
    """Check that fonts are there.

    Raises:
        InvalidData: One is not; the message names the package of Debian that holds it.
    """
    package = facts(domain).needs
    missing = [name for name in names if name not in installed(FOLDERS)]
    if missing:
        raise InvalidData(
            f"`rendered:{domain}` must have the fonts of {package}, but {missing[0]} is not below "
            f"{', '.join(FOLDERS)}: `apt-get install {package}`, or copy that file to "
            f"~/.local/share/fonts"
        )


@lru_cache(maxsize=256)
def font(name: str, size: int) -> ImageFont.FreeTypeFont:
    """Open a font at a size in pixels; letters are laid out one by one, without shaping."""
    path = installed(FOLDERS)[name]
    return ImageFont.truetype(str(path), size, layout_engine=ImageFont.Layout.BASIC)
