"""How things are called that the service keeps: what a name, an id and a file may look like.

Each form is told here and nowhere else: the document of HTTP shows it, stores check it. Knows
nothing of protocols, nor of what is kept.
"""

from __future__ import annotations

import re

from serve.limits import InvalidRequest

NAME = r"^(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._=+@,~-]*$"
"""Of teachers, latency tables and images: one part of a store's key, readable in a URL."""
NAME_LETTERS = 128
"""Most letters of a name."""
ID = "^[0-9]{8}T[0-9]{12}-[0-9a-f]{8}$"
"""Of searches and jobs that are kept: when it was asked for, and a part of luck."""
FILE = r"^[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*$"
"""Of a file that came of a job."""


def has_form(form: str, text: str) -> bool:
    """Return whether all of a text has one of the forms."""
    return re.fullmatch(form, text) is not None


def check_name(name: str, *, what: str = "teacher") -> None:
    """Raise unless a teacher, or what else is kept by name, may be called that.

    Raises:
        InvalidRequest: says which names there may be.
    """
    if len(name) > NAME_LETTERS or not has_form(NAME, name):
        raise InvalidRequest(
            f"a {what}'s name must be 1 to {NAME_LETTERS} of the letters a-z, A-Z, digits and "
            f"._=+@,~-, the first a letter or digit and no two dots in a row, but got "
            f"{name[:80]!r}"
        )
