"""A user's weights against a network of another project: filled in, or refused with the cause.

Knows nothing of where the network's architecture comes from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from dass.errors import CorruptArtifact, InvalidConfig
from dass.networks import weights as files
from dass.networks.state_dicts import AVERAGES, NESTS, Misfit, check_fit, unwrapped

Build = Callable[[int], nn.Module]
"""A network with fresh weights, by its number of classes."""

OTHER = 0.5
"""Share of a network's names that must be there, for the weights to be of its architecture."""


def read(path: str | Path) -> dict[str, Tensor]:
    """Read a safetensors file.

    Raises:
        InvalidConfig: There is no such file, or it may not be read.
        CorruptArtifact: It is a pickle, is truncated, or holds NaN or infinity.
    """
    try:
        data = Path(path).expanduser().read_bytes()
    except OSError as error:
        raise InvalidConfig(
            f"`weights` must be a safetensors file that you may read, but {error}: correct the "
            f"path"
        ) from error
    return files.tensors(data, where=str(path))


def filled(
    build: Build, weights: Mapping[str, Tensor], *, num_classes: int | None, what: str, where: str
) -> tuple[nn.Module, int]:
    """Build a network and fill it; return it and its number of classes.

    Args:
        build: The architecture.
        weights: As the user gave them: prefixes of wrappers, a nested dict, tied tensors and
            half precision are understood.
        num_classes: Outputs that the user wants; read off the weights if None.
        what: The network, for errors.
        where: The weights, for errors.

    Raises:
        CorruptArtifact: They are of another network or head; the first line names the cause.
    """
    head = _head(build)
    with torch.device("meta"):
        expected = build(num_classes or 2).state_dict()
    given = unwrapped(weights, expected)
    known = _classes_of(given, head)
    if num_classes is None and known is not None:
        num_classes = known
        with torch.device("meta"):
            expected = build(num_classes).state_dict()
        given = unwrapped(weights, expected)
    misfit = Misfit(given, expected)
    cause = _cause(misfit, head=head, known=known, asked=num_classes) if misfit else None
    check_fit(given, expected, what=what, where=where, cause=cause)
    assert num_classes is not None
    network = build(num_classes)
    network.load_state_dict(network.state_dict() | given)
    return network.eval(), num_classes


def _head(build: Build) -> frozenset[str]:
    """Return the names of the tensors whose shape the number of classes decides."""
    with torch.device("meta"):
        two, three = build(2).state_dict(), build(3).state_dict()
    return frozenset(name for name, tensor in two.items() if tensor.shape != three[name].shape)


def _classes_of(given: Mapping[str, Tensor], head: frozenset[str]) -> int | None:
    rows = {int(given[name].shape[0]) for name in head if name in given and given[name].ndim}
    return rows.pop() if len(rows) == 1 else None


def _cause(
    misfit: Misfit, *, head: frozenset[str], known: int | None, asked: int | None
) -> str | None:
    """Return what weights are that do not fit; None for the usual sentences."""
    shared = len(misfit.expected.keys() & misfit.weights.keys())
    if not misfit.weights or misfit.quantised:
        return None
    if shared < OTHER * len(misfit.expected):
        nested = {name.partition(".")[0] for name in misfit.unknown} & {*NESTS, *AVERAGES}
        more = f" (they lie in {sorted(nested)[0]!r})" if nested else ""
        return f"are of another architecture{more}: name the one that they were trained in"
    if misfit.missing and set(misfit.missing) <= head:
        return "have no head, or one of another name: give weights fine-tuned on your classes"
    if misfit.reshaped and set(misfit.reshaped) <= head and known is not None:
        return f"have a head of {known} classes where {asked} are asked for: ask for {known}"
    if misfit.reshaped:
        return "are of another width or image size: name the network that they were trained in"
    if misfit.missing or misfit.unknown:
        return "are of another depth or variant: name the network that they were trained in"
    return None


def missing_extra(package: str, extra: str, error: ImportError) -> InvalidConfig:
    """Return the sentence for an optional package that is not installed."""
    return InvalidConfig(
        f"{package} must be installed for a teacher of that kind, but {error}: "
        f"`pip install 'dass-ray[{extra}]'`"
    )


def broken(where: str, error: Exception) -> CorruptArtifact:
    """Return the sentence for a teacher that the library that reads it refuses."""
    first = str(error).strip().splitlines() or [type(error).__name__]
    return CorruptArtifact(f"{where} must be readable, but got: {first[0][:300]}")
