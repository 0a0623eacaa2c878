"""A user's own state dict against the one that a network has: what fits, and why one does not.

Wrappers put prefixes before names, checkpoints nest the dict, tied tensors have two names. Knows
nothing of files, nor of what the tensors are for.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from dass.errors import CorruptArtifact

NESTS = frozenset({"state_dict", "model_state_dict"})
"""Where a training's checkpoint keeps the network; what is beside it is not the network."""

AVERAGES = ("model_ema", "state_dict_ema", "ema_state_dict", "ema", "params_ema")
"""Where it keeps a moving average of the network, which is read where nothing else is there."""

WRAPPERS = frozenset({"module", "_orig_mod", "model", *NESTS, *AVERAGES})
"""What DataParallel, `torch.compile`, Lightning and checkpoints put before a name."""

HEAD = "fc."
"""How the names of the classifier begin."""

LONGEST = 4
"""Parts of the longest name that a network of ours has: `layer1.0.conv1.weight`."""

FOREIGN = ("downsample", "conv3")
"""Parts of names that only ResNets of other shortcuts or blocks have: torchvision's own."""

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
"""Types that a network's own floating point may come in; 8 bits and fewer are quantised."""

COUNTS = (torch.int64, torch.int32)
"""Types that a counter of batch norms may come in, beside those: some exporters cast it."""

SHOWN = 4
"""Misfits of one kind that an error lists."""


def unwrapped(weights: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights under the expected names, freed of wrappers and of second names.

    A name that frees to nothing expected stays as it is, for the error that follows.
    """
    foreign = {name: tensor for name, tensor in weights.items() if name not in expected}
    averages = _inside(foreign, AVERAGES)
    plain = {name: tensor for name, tensor in weights.items() if name not in averages}
    if averages and not any(name in expected or _bare(name) in expected for name in plain):
        plain = averages
    nested = _inside(plain, NESTS)
    found: dict[str, Tensor] = {}
    for name in sorted(nested or plain, key=lambda name: (len(name), name)):
        freed = _bare(name)
        found[freed if freed in expected and freed not in found else name] = weights[name]
    return {n: t for n, t in found.items() if n in expected or not _is_second(n, found, expected)}


def _inside(weights: Mapping[str, Tensor], homes: Collection[str]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in weights.items() if {*homes} & set(name.split("."))}


def bare(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights freed of wrappers, whatever network they are of."""
    return {_bare(name): weights[name] for name in _inside(weights, NESTS) or weights}


def _bare(name: str) -> str:
    parts = name.split(".")
    while parts and parts[0] in WRAPPERS:
        parts = parts[1:]
    return ".".join(parts)


def _is_second(name: str, found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> bool:
    """Return whether a name is another one of an expected tensor that is there too.

    Of a block it is not, though its tensors may be tied: one more block is another network.
    """
    parts = name.split(".")
    known = [".".join(parts[cut:]) for cut in range(1, len(parts))][-LONGEST:]
    if len(parts) == 2:
        known.append(HEAD + parts[1])
    if name.startswith("layer"):
        return False
    there = [found[other] for other in known if other in expected and other in found]
    return any(t.dtype == found[name].dtype and t.equal(found[name]) for t in there)


@dataclass(frozen=True, slots=True)
class Misfit:
    """What is wrong with weights for a network: nothing where it is false."""

    weights: Mapping[str, Tensor]
    expected: Mapping[str, Tensor]

    @property
    def missing(self) -> list[str]:
        """Names that must be there; counters of batch norms steer nothing, and may lack."""
        needed = (name for name in self.expected if not name.endswith("num_batches_tracked"))
        return [name for name in needed if name not in self.weights]

    @property
    def unknown(self) -> list[str]:
        """Names that the network does not have."""
        return sorted(self.weights.keys() - self.expected.keys())

    @property
    def reshaped(self) -> list[str]:
        """Names of tensors of another shape."""
        shared = (name for name in self.expected if name in self.weights)
        return [n for n in shared if self.weights[n].shape != self.expected[n].shape]

    @property
    def quantised(self) -> list[str]:
        """Names of tensors that must be of floating point, or counters, and are not."""
        return [
            name
            for name, tensor in self.expected.items()
            if name in self.weights
            and self.weights[name].dtype
            not in (FLOATS if tensor.is_floating_point() else FLOATS + COUNTS)
        ]

    def __bool__(self) -> bool:
        """Return whether anything is wrong."""
        return bool(self.missing or self.unknown or self.reshaped or self.quantised)

    @property
    def cause(self) -> str:
        """What they are instead, and what to do: the end of a sentence."""
        missing, unknown, reshaped = self.missing, self.unknown, self.reshaped
        shared = len(self.expected.keys() & self.weights.keys())
        if not self.weights:
            return "there is no tensor among them; save the network's whole state dict"
        parts = {part for name in unknown for part in name.split(".")}
        if unknown and (shared < len(self.expected) / 2 or parts & set(FOREIGN)):
            return (
                "are of another family of network; distil that one into this network first, and "
                "give the weights of this one"
            )
        if self.quantised:
            return (
                "are quantised, not of floating point in 16, 32 or 64 bits; "
                "give them as they were trained"
            )
        if not missing and not unknown and all(name.startswith(HEAD) for name in reshaped):
            name = reshaped[0]
            got, needed = self.weights[name].shape[:1], self.expected[name].shape[:1]
            return (
                f"have another head size: {_rows(got)} classes where {_rows(needed)} are asked "
                "for; give the images or the number of classes that they were trained on"
            )
        if reshaped:
            return (
                f"have other widths: {_count(reshaped)} of another shape; give those of this one"
            )
        if missing and unknown:
            return "have other names or another depth; give them under the names of this one"
        if missing:
            of = len(self.expected)
            return f"are incomplete: {_count(missing)} of {of} missing; save the whole state dict"
        return f"have {_count(unknown)} too many; give those of this network alone"

    def __str__(self) -> str:
        """Names and shapes, the first few of each kind."""
        kinds = [
            [f"{n} is unknown, of shape {_shape(self.weights[n])}" for n in self.unknown],
            [f"{n} is missing" for n in self.missing],
            [
                f"{n} must be {_shape(self.expected[n])} but is {_shape(self.weights[n])}"
                for n in self.reshaped
            ],
            [
                f"{n} must be of floating point but is {self.weights[n].dtype}"
                for n in self.quantised
            ],
        ]
        lines = []
        for kind in kinds:
            lines += kind[:SHOWN]
            lines += [f"and {len(kind) - SHOWN} more such"] if len(kind) > SHOWN else []
        return "; ".join(lines)


def check_fit(
    weights: Mapping[str, Tensor],
    expected: Mapping[str, Tensor],
    *,
    what: str,
    where: str,
    cause: str | None = None,
) -> None:
    """Raise unless weights have all names and shapes of a network and no others.

    Args:
        weights: under the names they came with.
        expected: the network's state dict.
        what: the network, for the error.
        where: what the weights are called in the error.
        cause: what they are instead, where the caller knows better.

    Raises:
        CorruptArtifact: names the cause in its first line, then names and shapes.
    """
    misfit = Misfit(weights, expected)
    if misfit:
        raise CorruptArtifact(
            f"weights of {where} must be those of {what}, but {cause or misfit.cause}\n{misfit}"
        )


def _rows(shape: tuple[int, ...]) -> str:
    return str(shape[0]) if shape else "no"


def _count(names: list[str]) -> str:
    return f"{len(names)} tensor{'s' if len(names) > 1 else ''}"


def _shape(tensor: Tensor) -> str:
    return str(tuple(tensor.shape))
