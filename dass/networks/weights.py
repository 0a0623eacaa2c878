"""Weights of networks: read out of a safetensors file, and filled into a module.

Nothing pickled is ever read. Knows nothing of stores, nor of what a network is for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from torch import Tensor, nn

from dass.data.files import posing
from dass.errors import CorruptArtifact
from dass.networks.state_dicts import check_fit


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
            "`dass convert FILE.pth FILE.safetensors` reads them with torch's restricted loader"
        )
    try:
        loaded = load_tensors(data)
    except (SafetensorError, ValueError, KeyError) as error:
        raise CorruptArtifact(
            f"weights of {where} must be a whole safetensors file, but got {len(data)} bytes that "
            f"are truncated or something else: {error}.{posing(data[:128])}"
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
