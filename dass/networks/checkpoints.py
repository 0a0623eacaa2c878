"""Checkpoints of torch, read with its restricted loader, and written as safetensors.

The restricted loader builds tensors and plain values and calls nothing that a file names, so a
pickle with code in it is refused. Knows nothing of networks.
"""

from __future__ import annotations

import argparse
import pickle
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save as save_tensors
from torch import Tensor

from dass.errors import CorruptArtifact, InvalidConfig, NameTaken
from dass.networks.state_dicts import AVERAGES, WRAPPERS

PLAIN = ("state_dict", "model_state_dict", "model", "network", "net", "params", "module")
"""Where checkpoints keep a network, in the order in which it is looked for."""

PICKLED = b"\x80"
"""How a pickle begins that is in no archive."""

COUNTERS = frozenset({"n_averaged"})
"""What wrappers count beside a network's tensors."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkpoint:
    """The tensors of one network out of a checkpoint, and what had to be understood."""

    tensors: dict[str, Tensor]
    """By name, each with memory of its own."""
    notes: list[str]
    """What was taken and what was left, a line each."""


def read_checkpoint(path: Path, *, entry: str | None = None) -> Checkpoint:
    """Read a network's tensors out of a checkpoint.

    Args:
        path: Whatever `torch.save` wrote.
        entry: Name of the entry to take; by default the network, not its average.

    Raises:
        InvalidConfig: There is no such file or entry, or the file may not be read.
        CorruptArtifact: It holds code, or no tensors, or is no checkpoint.
    """
    loaded = _load(path)
    notes: list[str] = []
    found = _entry(loaded, entry, path) if entry else _unwrapped(loaded, notes)
    if entry:
        notes.append(f"took {entry!r}, as asked")
        found = _unwrapped(found, notes)
    tensors = {str(name): each for name, each in found.items() if isinstance(each, Tensor)}
    if not tensors:
        kinds = ", ".join(f"{name!r}: {type(each).__name__}" for name, each in found.items())
        raise CorruptArtifact(
            f"{path} must hold a network's tensors by their names, but holds {kinds or 'nothing'}"
            f": save them, `torch.save(network.state_dict(), FILE)`"
        )
    if left := sorted(set(map(str, found)) - tensors.keys()):
        notes.append(f"left {len(left)} entries that are no tensors: {', '.join(left[:5])}")
    tensors = _bare({n: t for n, t in tensors.items() if n not in COUNTERS}, notes)
    return Checkpoint(tensors=_own(tensors, path, notes), notes=notes)


def write_safetensors(path: Path, tensors: Mapping[str, Tensor]) -> bool:
    """Write a file that is seen whole or not at all; return whether it was not there before.

    Raises:
        NameTaken: Another file has that name.
        InvalidConfig: It may not be written.
    """
    data = save_tensors(dict(tensors), metadata={"format": "pt"})
    try:
        if path.exists():
            if path.read_bytes() == data:
                return False
            raise NameTaken(
                f"{path} must be free, but is another file: name another, or remove it"
            )
        half = path.with_name(f".{path.name}.half")
        half.write_bytes(data)
        half.replace(path)
    except OSError as error:
        raise InvalidConfig(
            f"{path} must be a place that you may write to, but {error}: name another"
        ) from error
    return True


def _load(path: Path) -> Mapping[Any, Any]:
    from numpy import dtypes

    # Numbers of numpy and argparse's settings, which many checkpoints hold: data alone.
    scalar = type(np.float64(0)).__reduce__(np.float64(0))[0]  # its module has moved over time
    kinds = (dtypes.Float64DType, dtypes.Float32DType, dtypes.Int64DType, dtypes.Int32DType)
    harmless: list[Any] = [argparse.Namespace, scalar, np.dtype, *kinds]
    try:
        safetensors = path.read_bytes()[8:9] == b"{"
        with warnings.catch_warnings(), torch.serialization.safe_globals(harmless):
            warnings.simplefilter("ignore")  # of protocols, and of what checks cost
            loaded = (
                None if safetensors else torch.load(path, map_location="cpu", weights_only=True)
            )
    except OSError as error:
        raise InvalidConfig(
            f"the file to convert must be one that you may read, but {error}: correct the path"
        ) from error
    except pickle.UnpicklingError as error:
        raise CorruptArtifact(_refusal(path, str(error))) from error
    except (RuntimeError, EOFError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise CorruptArtifact(_refusal(path, "")) from error
    if safetensors:
        raise InvalidConfig(f"{path} is safetensors already: give it as it is")
    if not isinstance(loaded, Mapping):
        raise CorruptArtifact(
            f"{path} must hold tensors by their names, but holds a {type(loaded).__name__}: save "
            f"the whole, `torch.save(network.state_dict(), FILE)`"
        )
    return loaded


def _refusal(path: Path, error: str) -> str:
    """Return why a file is no checkpoint that the restricted loader reads."""
    inside: list[str] = []
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            inside = [name.rpartition("/")[2] for name in archive.namelist()]
    if "constants.pkl" in inside or "archive_format" in inside:
        return (
            f"{path} must be a checkpoint, but is an archive of TorchScript or torch.export, "
            f"which is a program: export it as ONNX where you trust it, and give `onnx:FILE`"
        )
    coded = any(sign in error for sign in ("GLOBAL", "unrecognized function", "Can only"))
    if coded or path.read_bytes()[:1] == PICKLED:
        named = error.partition("GLOBAL ")[2].split(" ")[0]
        what = "with code in it" if coded else "that may have code in it"
        return (
            f"{path} must hold tensors alone, but is a pickle {what}"
            f"{f' ({named})' if named else ''}, which could do anything when loaded: where you "
            f"trust it, load it yourself and save `torch.save(network.state_dict(), FILE)`"
        )
    return (
        f"{path} must be a checkpoint that `torch.save` wrote, but is broken or something else: "
        f"copy it again, or save it anew"
    )


def _entry(loaded: Mapping[Any, Any], entry: str, path: Path) -> Mapping[Any, Any]:
    found = loaded.get(entry)
    if not isinstance(found, Mapping):
        nested = [str(name) for name, each in loaded.items() if isinstance(each, Mapping)]
        raise InvalidConfig(
            f"the entry to take must be one of {', '.join(nested) or 'none: there is no entry'} "
            f"in {path}, but got {entry!r}: name one of them, or none"
        )
    return found


def _unwrapped(loaded: Mapping[Any, Any], notes: list[str]) -> Mapping[Any, Any]:
    """Return the innermost network of nested dicts, and note the way there."""
    there = [name for name in (*PLAIN, *AVERAGES) if _holds_tensors(loaded.get(name))]
    if not there:
        return loaded
    taken = there[0]
    notes.append(f"took {taken!r} of {len(loaded)} entries")
    for other in there[1:]:
        notes.append(f"there is {other!r} too: name it as a third word to take it instead")
    inner: Mapping[Any, Any] = loaded[taken]
    return _unwrapped(inner, notes)


def _holds_tensors(value: Any) -> bool:
    return isinstance(value, Mapping) and any(
        isinstance(each, Tensor) or _holds_tensors(each) for each in value.values()
    )


def _bare(tensors: dict[str, Tensor], notes: list[str]) -> dict[str, Tensor]:
    """Return tensors without prefixes of wrappers that all of them share."""
    while True:
        first = {name.partition(".")[0] for name in tensors}
        if len(first) != 1 or not first <= WRAPPERS or not all("." in name for name in tensors):
            return tensors
        prefix = f"{first.pop()}."
        notes.append(f"took the prefix {prefix!r} off every name")
        tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}


def _own(tensors: dict[str, Tensor], path: Path, notes: list[str]) -> dict[str, Tensor]:
    """Return tensors that share no memory, as safetensors asks."""
    seen: set[int] = set()
    tied = []
    for name, tensor in tensors.items():
        if tensor.layout != torch.strided or tensor.is_quantized:
            raise CorruptArtifact(
                f"tensors of {path} must be plain, but {name!r} is sparse or quantised: save the "
                f"network as it was trained"
            )
        place = tensor.untyped_storage().data_ptr()
        if place in seen and tensor.numel():
            tied.append(name)
        seen.add(place)
    if tied:
        notes.append(f"wrote {len(tied)} tied tensors under each of their names: {tied[0]}, ...")
    return {name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}
