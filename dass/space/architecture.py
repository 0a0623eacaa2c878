"""An architecture: channels of each block, per stage, as a value with a name that parses.

Knows nothing of spaces, costs or weights.
"""

from __future__ import annotations

from dataclasses import dataclass

from dass.errors import InvalidArchitecture


@dataclass(frozen=True, slots=True)
class Architecture:
    """Channels of each block, per stage; the depth of a stage is its length.

    `str()` is the identity used in files, requests and records, and `parse` reads it back:
    `32-24_64_128-96_256` has two blocks in the first stage, of 32 and 24 channels. Where blocks
    add to a stream of a width of its own, as in torchvision's ResNets, a stage begins with that:
    `64=48-64_128=96` has a first stage of 64 channels, whose two blocks have 48 and 64 inside.
    """

    widths: tuple[tuple[int, ...], ...]
    """Channels that a block puts out or, where there are streams, has inside."""
    streams: tuple[int, ...] = ()
    """Channels that all blocks of a stage put out; empty where each block has its own."""

    def __str__(self) -> str:
        blocks = ["-".join(map(str, stage)) for stage in self.widths]
        if self.streams:
            blocks = [f"{w}={stage}" for w, stage in zip(self.streams, blocks, strict=True)]
        return "_".join(blocks)

    @classmethod
    def parse(cls, text: str) -> Architecture:
        """Read what `str()` wrote.

        Raises:
            InvalidArchitecture: the text is not block widths joined by `-` and stages by `_`.
        """
        heads = [stage.rpartition("=") for stage in text.split("_")]
        streams = [head for head, sign, _ in heads if sign]
        stages = [stage.split("-") for _, _, stage in heads]
        if not all(map(_is_width, [*streams, *(w for stage in stages for w in stage)])) or (
            streams and len(streams) != len(stages)
        ):
            raise InvalidArchitecture(
                "an architecture must be positive block widths joined by '-' and stages joined by "
                "'_', such as 32-24_64, or with streams 64=48-64_128=96, "
                f"but got {text[:80]!r}"
            )
        return cls(
            tuple(tuple(int(width) for width in stage) for stage in stages),
            tuple(int(width) for width in streams),
        )

    @property
    def path(self) -> tuple[tuple[int, ...], ...]:
        """All widths in the order that an image meets them: of a stage the stream, then blocks.

        Sorted by it, neighbours share their first blocks.
        """
        if not self.streams:
            return self.widths
        return tuple((w, *stage) for w, stage in zip(self.streams, self.widths, strict=True))

    @property
    def depth(self) -> int:
        """Number of blocks in all stages."""
        return sum(len(stage) for stage in self.widths)


def _is_width(text: str) -> bool:
    # isdecimal alone lets other scripts' digits through, and int() reads "1_0" as 10.
    return text.isascii() and text.isdecimal() and text[0] != "0"
