"""Remap: a student's initial weights, copied out of its teacher.

Three ways to choose which of the teacher's blocks and channels a student inherits. `first` is the
published default: the first blocks of a stage and the first channels of each. `last` and
`uniform` (evenly spaced) are the paper's alternatives; their details are reconstructed. Nothing
is trained here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import get_args

import torch
from torch import Tensor

from dass.errors import InvalidConfig
from dass.networks.policy import Policy
from dass.networks.resnet import ResNet
from dass.space.architecture import Architecture
from dass.space.space import Space


def chosen(kept: int, available: int, policy: Policy) -> list[int]:
    """Return the indices, ascending, of the `kept` of `available` things that are inherited."""
    if policy == "first":
        return list(range(kept))
    if policy == "last":
        return list(range(available - kept, available))
    if policy == "uniform":
        # Both ends are kept: with two of five, the first and the last.
        return [round(i * (available - 1) / max(1, kept - 1)) for i in range(kept)]
    raise InvalidConfig(f"a remap policy must be one of {get_args(Policy)}, but got {policy!r}")


def remap(
    teacher: Mapping[str, Tensor],
    space: Space,
    architecture: Architecture,
    *,
    policy: Policy = "first",
) -> dict[str, Tensor]:
    """Cut a student's state dict out of its teacher's.

    A block's input channels follow the block before it, its output channels its own width; the
    classifier is inherited whole. The result shares no memory with the teacher.

    Args:
        teacher: state dict of the space's largest member.
        space: the space of both networks.
        architecture: the student's.
        policy: which blocks and channels are inherited.
    """
    space.check(architecture)
    state = {f"fc.{name}": teacher[f"fc.{name}"].clone() for name in ("weight", "bias")}
    for cut in _cuts(space, architecture, policy):
        rows, columns = (torch.tensor(c) for c in (cut.outputs, cut.inputs))
        weight = teacher[f"{cut.of}.weight"]
        rows, columns = rows.to(weight.device), columns.to(weight.device)
        state[f"{cut.to}.weight"] = weight.index_select(0, rows).index_select(1, columns)
        norm_of, norm_to = cut.of.replace("conv", "bn"), cut.to.replace("conv", "bn")
        for name in ("weight", "bias", "running_mean", "running_var"):
            state[f"{norm_to}.{name}"] = teacher[f"{norm_of}.{name}"].index_select(0, rows)
        state[f"{norm_to}.num_batches_tracked"] = teacher[f"{norm_of}.num_batches_tracked"].clone()
    return state


@dataclass(frozen=True, slots=True)
class _Cut:
    """One convolution of the student (`to`) as rows and columns of one of the teacher (`of`)."""

    to: str
    of: str
    inputs: list[int]
    outputs: list[int]


def _cuts(space: Space, architecture: Architecture, policy: Policy) -> Iterator[_Cut]:
    full = space.largest.widths
    outputs = chosen(architecture.widths[0][0], full[0][0], policy)
    yield _Cut("conv1", "conv1", [0, 1, 2], outputs)
    for number, (stage, whole) in enumerate(zip(architecture.widths, full, strict=True), 1):
        sources = chosen(len(stage), len(whole), policy)
        for slot, (width, source) in enumerate(zip(stage, sources, strict=True)):
            to, of = f"layer{number}.{slot}", f"layer{number}.{source}"
            inputs, outputs = outputs, chosen(width, whole[source], policy)
            yield _Cut(f"{to}.conv1", f"{of}.conv1", inputs, outputs)
            yield _Cut(f"{to}.conv2", f"{of}.conv2", outputs, outputs)


def student(teacher: ResNet, architecture: Architecture, *, policy: Policy = "first") -> ResNet:
    """Build the network of `architecture` with weights remapped from `teacher`."""
    network = ResNet(teacher.space, architecture, num_classes=teacher.num_classes)
    weights = remap(teacher.state_dict(), teacher.space, architecture, policy=policy)
    network.load_state_dict(weights)
    return network.to(teacher.conv1.weight.device).train(teacher.training)
