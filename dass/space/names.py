"""The names of the spaces, for whoever checks one without building it.

Knows nothing of what is in a space.
"""

from __future__ import annotations

from dass.errors import UnknownName

NAMES = ("paper", "small", "micro")
"""In the order of `dass.space.spaces`, which says what they are."""


def check_name(name: str) -> None:
    """Raise unless a space is called that.

    Raises:
        UnknownName: lists the spaces there are.
    """
    if name not in NAMES:
        raise UnknownName(f"a space must be one of {sorted(NAMES)}, but got {name!r}")
