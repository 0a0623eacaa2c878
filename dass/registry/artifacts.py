"""The format of artifacts: tensors in `weights.safetensors` and, last, facts in `config.json`.

An artifact is a mapping from file name to bytes, so that any store can hold it; `config.json` is
the manifest, and its existence means that the artifact is whole. Nothing is ever pickled, and no
pickle is ever loaded. Knows nothing of what is kept so, nor of where.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save as save_tensors
from torch import Tensor

from dass.errors import CorruptArtifact
from dass.networks.weights import fill as fill
from dass.networks.weights import tensors as tensors

FORMAT = 1
"""Raised when an old reader could misread a new file."""

MANIFEST = "config.json"
WEIGHTS = "weights.safetensors"

_WEIGHTS_FILE = re.compile(r"weights(-[0-9a-f]{1,64})?\.safetensors")

Files = Mapping[str, bytes]
"""An artifact: bytes by file name, in the order of writing."""


def pack(kind: str, config: Mapping[str, Any], weights: Mapping[str, Tensor]) -> dict[str, bytes]:
    """Make an artifact of JSON values and tensors."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    manifest = {"format": FORMAT, "kind": kind} | dict(config)
    text = json.dumps(manifest, indent=2, allow_nan=False)
    return {WEIGHTS: save_tensors(tensors), MANIFEST: text.encode()}


def unpack(
    files: Files, *, kind: str, where: str = "artifact"
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read an artifact's config and tensors.

    Raises:
        CorruptArtifact: a file is missing, broken or of another kind or format.
    """
    for name in (MANIFEST, WEIGHTS):
        if name not in files:
            raise CorruptArtifact(f"{where} must have {name}, but has only {sorted(files)}")
    config = facts(files[MANIFEST], kind=kind, where=where)
    return config, tensors(files[WEIGHTS], where=where)


def facts(manifest: bytes, *, kind: str, where: str = "artifact") -> dict[str, Any]:
    """Read an artifact's manifest alone.

    Raises:
        CorruptArtifact: it is no JSON, or of another kind or format.
    """
    try:
        config = json.loads(manifest)
    except (ValueError, RecursionError) as error:
        raise CorruptArtifact(f"{MANIFEST} of {where} must be JSON, but got: {error}") from error
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        found = config.get("format") if isinstance(config, dict) else type(config).__name__
        raise CorruptArtifact(
            f"{where} must have format {FORMAT}, but has {found!r}; it was written by another "
            "version of this project"
        )
    if config.get("kind") != kind:
        raise CorruptArtifact(f"{where} must be a {kind}, but is a {config.get('kind')!r}")
    return config


def weights_file(config: Mapping[str, Any]) -> str:
    """Return the name of the file that an artifact's weights are in, as its manifest says.

    One that was created among rivals has a name of its own, so that none writes over another's.

    Raises:
        CorruptArtifact: it is no file's name.
    """
    name = config.get("weights_file", WEIGHTS)
    if not (isinstance(name, str) and _WEIGHTS_FILE.fullmatch(name)):
        raise CorruptArtifact(
            f"`weights_file` of a manifest must be a file's name, but is {name!r}"
        )
    return name


# --- folders -------------------------------------------------------------------------------


def save_folder(folder: Path, files: Files) -> None:
    """Write an artifact to a local folder, the manifest last."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in sorted(files.items(), key=lambda item: item[0] == MANIFEST):
        (folder / name).write_bytes(data)


def load_folder(folder: Path) -> dict[str, bytes]:
    """Read an artifact from a local folder.

    Raises:
        CorruptArtifact: there is no manifest, so the artifact is not there or not whole; or a
            file cannot be read.
    """
    try:
        if not (folder / MANIFEST).exists():
            raise CorruptArtifact(f"{folder} must hold {MANIFEST}, but does not")
        return {
            name: (folder / name).read_bytes()
            for name in (WEIGHTS, MANIFEST)
            if (folder / name).exists()
        }
    except OSError as error:
        raise CorruptArtifact(
            f"the files of {folder} must be readable, but {error}; give yourself the right to "
            "read them"
        ) from error
