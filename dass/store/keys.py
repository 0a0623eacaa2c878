"""What a key of a store may look like. Knows nothing of where its bytes are."""

import re

from dass.errors import InvalidKey

SCRATCH = ".tmp"
"""First part of the names of unfinished writes; no key's."""

_PART = re.compile(r"[A-Za-z0-9._=+@,~-]+")


def is_key(key: str) -> bool:
    """Return whether a text may be a key."""
    parts = key.split("/")
    return parts[0] != SCRATCH and all(
        _PART.fullmatch(part) and part not in {".", ".."} for part in parts
    )


def checked(key: str) -> str:
    """Return the key.

    Raises:
        InvalidKey: it is none; says what one looks like.
    """
    if not is_key(key):
        raise InvalidKey(
            f"a key must be a relative path of parts made of letters, digits and ._=+@,~- (none "
            f"of them empty, '.' or '..', and the first not {SCRATCH!r}), but got {key!r}; "
            "rename it, or use the hash of its name"
        )
    return key
