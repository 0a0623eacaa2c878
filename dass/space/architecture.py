"""An architecture: output channels of each block, per stage, as a value with a name that parses.

Knows nothing of spaces, costs or weights.
"""

from __future__ import annotations

from dataclasses import dataclass

from dass.errors import InvalidArchitecture


@dataclass(frozen=True, slots=True)
class Architecture:
    """Output channels of each block, per stage; the depth of a stage is its length.

    `str()` is the identity used in files, requests and records, and `parse` reads it back:
    `32-24_64_128-96_256` has two blocks in the first stage, of 32 and 24 channels.
    """

    widths: tuple[tuple[int, ...], ...]

    def __str__(self) -> str:
        return "_".join("-".join(str(width) for width in stage) for stage in self.widths)

    @classmethod
    def parse(cls, text: str) -> Architecture:
        """Read what `str()` wrote.

        Raises:
            InvalidArchitecture: the text is not block widths joined by `-` and stages by `_`.
        """
        stages = [stage.split("-") for stage in text.split("_")]
        # isdecimal alone lets other scripts' digits through, and int() reads "1_0" as 10.
        if not all(w.isascii() and w.isdecimal() and w[0] != "0" for s in stages for w in s):
            raise InvalidArchitecture(
                "an architecture must be positive block widths joined by '-' and stages joined by "
                f"'_', such as 32-24_64_128-96_256, but got {text[:80]!r}"
            )
        return cls(tuple(tuple(int(width) for width in stage) for stage in stages))

    @property
    def depth(self) -> int:
        """Number of blocks in all stages."""
        return sum(len(stage) for stage in self.widths)
