"""Numbers as people write them on a command line: 20e6, 20M, 1.5G, 300k.

Knows nothing of what is counted.
"""

from __future__ import annotations

import re
from typing import Annotated

import tyro

FACTORS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "b": 10**9}
"""By suffix, whatever its case."""

_WRITTEN = re.compile(r"([0-9][0-9_,]*(?:\.[0-9]+)?(?:e\+?[0-9]+)?)\s*([kmgb]?)", re.IGNORECASE)


def count(text: str) -> int:
    """Read a count.

    Raises:
        ValueError: it is none; says how one is written.
    """
    found = _WRITTEN.fullmatch(text.strip())
    value = None
    if found is not None:
        number, suffix = found.groups()
        value = float(re.sub("[_,]", "", number)) * FACTORS[suffix.lower()]
    if value is None or value != int(value):
        raise ValueError(
            f"a count must be a whole number such as 20000000, 20e6, 20M or 1.5G, but got {text!r}"
        )
    return int(value)


Count = Annotated[
    int,
    tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar="N|20M|1.5G",
        instance_from_str=lambda words: count(words[0]),
        is_instance=lambda value: isinstance(value, int),
        str_from_instance=lambda value: [str(value)],
    ),
]
"""A count on a command line."""
