"""How pictures are read, as far as a task says it: version of the reader, and background.

Knows nothing of files.
"""

READER = 2
"""Version of what is read out of a picture and a folder; it enters the names of their tasks.

1 did not turn by EXIF, showed what was under transparent pixels, refused 16 bits, and counted
copies in side folders.
"""

BACKGROUND = "white"
"""What transparent pictures are laid on, unless a task says otherwise."""


def colour(name: str) -> tuple[int, int, int]:
    """Return red, green and blue of a colour's name, 0..255.

    Raises:
        ValueError: No colour is called that.
    """
    from PIL import ImageColor  # Pillow need not be loaded to name a task on white

    red, green, blue = ImageColor.getrgb(name)[:3]
    return red, green, blue
