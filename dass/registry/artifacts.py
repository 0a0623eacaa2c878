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

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from dass.errors import CorruptArtifact
from dass.registry.state_dicts import check_fit

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


def tensors(data: bytes, *, where: str = "the file") -> dict[str, Tensor]:
    """Read a safetensors file whose floating-point tensors are all finite.

    A tensor that was tied when it was saved is there under each of its names.

    Raises:
        CorruptArtifact: it is a pickle, is truncated, or holds NaN or infinity.
    """
    # A length comes first, whose lowest byte may well be a pickle's first; then a brace.
    if data[8:9] != b"{" and (data[:1] == b"\x80" or data[:2] == b"PK"):
        raise CorruptArtifact(
            f"weights of {where} must be safetensors, but are a pickle, which could run any code; "
            "convert them where you trust them: safetensors.torch.save_file(state_dict, path)"
        )
    try:
        loaded = load_tensors(data)
    except (SafetensorError, ValueError, KeyError) as error:
        raise CorruptArtifact(
            f"weights of {where} must be a whole safetensors file, but got {len(data)} bytes that "
            f"are truncated or something else: {error}"
        ) from error
    for name, tensor in loaded.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise CorruptArtifact(
                f"weights of {where} must be finite, but {name!r} has NaN or infinity"
            )
    return _second_names(data, loaded) | loaded


def _second_names(data: bytes, loaded: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors that `safetensors.torch.save_model` left out as tied to others."""
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    tied = header.get("__metadata__", {})
    return {name: loaded[kept] for name, kept in tied.items() if kept in loaded}


def fill(
    module: nn.Module, weights: Mapping[str, Tensor], *, where: str, cause: str | None = None
) -> None:
    """Load weights into a module, all of them and no others.

    Args:
        module: gets them.
        weights: under its names; counters of batch norms may lack, as many exporters drop them.
        where: what they are called in the error.
        cause: what they are instead if they do not fit, where the caller knows better.

    Raises:
        CorruptArtifact: names the cause, then what is missing, unknown or of another shape; or a
            value is not finite in the module's type.
    """
    expected = module.state_dict()
    check_fit(weights, expected, what=type(module).__name__, where=where, cause=cause)
    module.load_state_dict(expected | dict(weights))
    # A value may be finite as it came and too large for what it became.
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise CorruptArtifact(
                f"weights of {where} must be finite in {tensor.dtype}, but {name!r} has values "
                "that are too large for it"
            )


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
