"""A pack: members as ONNX files, and the script that times them on whatever device they are put.

Knows nothing of prices.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch

from dass.networks import measure
from dass.networks.graphs import draft
from dass.networks.int8 import int8_onnx
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
    generator = torch.Generator().manual_seed(0)
    return int8_onnx(model, torch.randn(2, 3, image_size, image_size, generator=generator))
