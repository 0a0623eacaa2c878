"""A pack: members as ONNX files, and the script that times them on whatever device they are put.

Knows nothing of prices.
"""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dass.networks import measure
from dass.networks.drafts import draft
from dass.networks.latency import FORMAT, Precision
from dass.networks.pack_config import PackConfig
from dass.space.architecture import Architecture
from dass.space.space import Space


def choose(space: Space, number: int, *, seed: int) -> list[Architecture]:
    """Draw distinct members: the ends, as many that lean to small or large, as many of any kind.

    In random order; fewer than the number only where the space has hardly more.
    """
    generator = torch.Generator().manual_seed(seed)
    half = number // 2
    drawn = [space.smallest, space.largest, *space.spread(half, generator=generator)]
    drawn += space.sample(4 * number, generator=generator)
    distinct = list(dict.fromkeys(drawn))[:number]
    order = torch.randperm(len(distinct), generator=generator).tolist()
    return [distinct[place] for place in order]


def write_pack(
    space: Space,
    folder: Path,
    *,
    config: PackConfig,
    members: Sequence[Architecture] | None = None,
) -> None:
    """Write members, `pack.json` that lists them, and `measure.py` into a folder.

    Args:
        space: whose members.
        folder: is made if need be.
        config: which, and how.
        members: these ones instead.
    """
    folder.mkdir(parents=True, exist_ok=True)
    chosen = choose(space, config.members, seed=config.seed) if members is None else members
    files: list[dict[str, str]] = []
    for number, architecture in enumerate(chosen):
        model = draft(space, architecture, num_classes=config.num_classes)
        forms: list[tuple[Precision, bytes]] = [("float32", model)]
        if config.int8:
            forms.append(("int8", quantised(model, image_size=space.image_size)))
        for precision, data in forms:
            name = f"{number:03d}.{precision}.onnx"
            (folder / name).write_bytes(data)
            files.append({"file": name, "architecture": str(architecture), "precision": precision})
    (folder / "measure.py").write_text(Path(measure.__file__).read_text())
    pack = {
        "format": FORMAT,
        "space": space.name,
        "num_classes": config.num_classes,
        "batches": list(config.batches),
        "files": files,
    }
    (folder / "pack.json").write_text(json.dumps(pack, indent=1))


def quantised(model: bytes, *, image_size: int) -> bytes:
    """Return an ONNX model in 8 bits, its ranges from two random images: good for timing only."""
    from onnxruntime import quantization

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
        """Gives random images once."""

        def __init__(self) -> None:
            shape = (2, 3, image_size, image_size)
            images = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
            self._feeds: Iterator[dict[str, Any]] = iter([{"images": images}])

        def get_next(self) -> dict[str, Any] | None:
            return next(self._feeds, None)

    logging.getLogger().addFilter(_quiet)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            before, after = Path(scratch) / "float.onnx", Path(scratch) / "int8.onnx"
            before.write_bytes(model)
            quantization.quantize_static(str(before), str(after), Reader())
            return after.read_bytes()
    finally:
        logging.getLogger().removeFilter(_quiet)


def _quiet(record: logging.LogRecord) -> bool:
    """Drop the advice to optimise a graph first: there is nothing left to fuse in a draft."""
    return "pre-process" not in record.getMessage()
