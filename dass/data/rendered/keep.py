"""Rendered domains that were drawn once and kept: files that every later process reads.

    python -m dass.data.rendered.keep flags solids --root data --image-size 32

A file is `npz:PATH` like any other. Its name changes with whatever could change its pictures, so
that none is read that this version would draw otherwise; fonts and libraries, which no name can
tell of a machine that has none, do not change it. Knows nothing of how pictures are drawn.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import os
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from dass.data import images
from dass.data.archives import read_npz
from dass.data.images import Images
from dass.data.rendered.catalogue import facts
from dass.errors import DassError, InvalidData

FOLDER = "rendered"
"""Folder below the data root."""


def place(name: str, *, image_size: int, root: Path) -> Path:
    """Return where a domain is kept, whether it is there or not.

    Args:
        name: The domain.
        image_size: Rows and columns, in pixels.
        root: The data root.

    Raises:
        UnknownName: No domain is called that.
    """
    told = [name, image_size, dataclasses.asdict(facts(name)), _drawing()]
    identity = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:12]
    return root / FOLDER / f"{name}-{identity}.npz"


@cache
def _drawing() -> str:
    """Return a digest of all sources that have a hand in a picture; none of them is imported."""
    here = Path(__file__)
    sources = [*sorted({*here.parent.glob("*.py")} - {here}), Path(images.__file__)]
    return hashlib.sha256(b"\0".join(source.read_bytes() for source in sources)).hexdigest()


def load(name: str, *, image_size: int, root: Path) -> Images:
    """Read a domain if it is kept, else draw it; nothing is written.

    Raises:
        UnknownName: No domain is called that.
        InvalidData: The file is broken; or there is none, and what is needed to draw is not
            installed.
    """
    path = place(name, image_size=image_size, root=root)
    if not path.exists():
        from dass.data.rendered.domains import render  # 1 s, and what draws need not be there

        return render(name, image_size=image_size)
    try:
        return read_npz(path, image_size=image_size)
    except InvalidData as error:
        raise InvalidData(
            f"A kept `rendered:{name}` must be whole, but: {error}. Remove {path}, or draw it "
            f"anew: `python -m dass.data.rendered.keep {name} --root {root} "
            f"--image-size {image_size}`"
        ) from error


def keep(name: str, *, image_size: int, root: Path) -> Path:
    """Draw a domain and write it, whole or not at all; return where.

    Raises:
        UnknownName: No domain is called that.
        InvalidData: What it needs is not installed.
    """
    from dass.data.rendered.domains import render

    path = place(name, image_size=image_size, root=root)
    drawn = render(name, image_size=image_size)
    arrays: dict[str, Any] = {
        "train_images": drawn.train_images.permute(0, 2, 3, 1).numpy(),
        "train_labels": drawn.train_labels.numpy(),
        "test_images": drawn.test_images.permute(0, 2, 3, 1).numpy(),
        "test_labels": drawn.test_labels.numpy(),
        "class_names": np.array(drawn.class_names),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".part-") as scratch:
        whole = Path(scratch) / path.name
        np.savez_compressed(whole, **arrays)
        os.replace(whole, path)
    return path


def main() -> None:
    """Draw and keep the domains that the command line names."""
    parser = argparse.ArgumentParser(
        prog="python -m dass.data.rendered.keep", description="Draw domains once, and keep them."
    )
    parser.add_argument("names", nargs="+", metavar="NAME", help="as in `rendered:NAME`")
    parser.add_argument("--root", type=Path, default=Path("data"), help="the data root")
    parser.add_argument("--image-size", type=int, default=32, help="rows and columns, in pixels")
    asked = parser.parse_args()
    try:
        for name in asked.names:
            path = keep(name, image_size=asked.image_size, root=asked.root)
            print(f"{path}  {path.stat().st_size / 1e6:.1f} MB", flush=True)
    except DassError as error:
        parser.exit(2, f"{type(error).__name__}: {error}\n")


if __name__ == "__main__":
    main()
