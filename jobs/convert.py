"""Make a safetensors file of a checkpoint of torch, without running what is in it.

    dass convert FILE.pth FILE.safetensors

Knows nothing of networks, nor of what the tensors are for.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from dass.errors import DassError, InvalidConfig

USAGE = """\
usage: dass convert FILE.pth FILE.safetensors [ENTRY]

Reads a checkpoint with torch's restricted loader (weights_only=True) and writes its tensors.
ENTRY names what to take where there are several, a network and its average (`model_ema`) say."""

SUFFIX = ".safetensors"


def convert(source: Path, target: Path, *, entry: str | None = None) -> list[str]:
    """Convert a file; return what was done, a line each.

    Raises:
        DassError: The source is no checkpoint, or the target no place for the result.
    """
    if target.suffix != SUFFIX:
        raise InvalidConfig(
            f"the second file must end in {SUFFIX}, but got {target.name!r}: name it "
            f"{target.with_suffix(SUFFIX).name}"
        )
    from dass.networks import checkpoints  # torch takes two seconds to import

    found = checkpoints.read_checkpoint(source, entry=entry)
    new = checkpoints.write_safetensors(target, found.tensors)
    numbers = sum(tensor.numel() for tensor in found.tensors.values())
    return [
        "read with torch's restricted loader: no code of the file was run",
        *found.notes,
        f"{'wrote' if new else 'was there already:'} {len(found.tensors)} tensors, "
        f"{numbers:,} numbers",
    ]


def main(arguments: Sequence[str]) -> int:
    """Convert the files that are named; return the exit code."""
    from jobs import console

    asked = list(arguments) in (["-h"], ["--help"])
    if len(arguments) not in (2, 3) or any(each.startswith("-") for each in arguments):
        print(USAGE, file=sys.stdout if asked else sys.stderr)
        return 0 if asked else 2
    source, target, *entry = arguments
    try:
        lines = convert(
            Path(source).expanduser(),
            Path(target).expanduser(),
            entry=entry[0] if entry else None,
        )
    except DassError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 2
    print("\n".join(lines))
    console.finish(
        target, next_line=f'dass.load_oracle("torchvision:NAME", weights={str(target)!r})'
    )
    return 0


if __name__ == "__main__":
    from jobs.cli import run_module

    run_module(__file__)
