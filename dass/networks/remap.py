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

    A block's input channels follow the block before it, its output channels its own width or its
    stage's stream; the classifier keeps the columns of the channels that are left. The result
    shares no memory with the teacher.

    Args:
        teacher: state dict of the space's largest member.
        space: the space of both networks.
        architecture: the student's.
        policy: which blocks and channels are inherited.
    """
    space.check(architecture)
    state: dict[str, Tensor] = {}
    for cut in _cuts(space, architecture, policy):
        weight = teacher[f"{cut.of}.weight"]
        rows, columns = cut.outputs, cut.inputs
        state[f"{cut.to}.weight"] = _taken(_taken(weight, 0, rows), 1, columns)
        norm_of, norm_to = _norm(cut.of), _norm(cut.to)
        for name in ("weight", "bias", "running_mean", "running_var"):
            state[f"{norm_to}.{name}"] = _taken(teacher[f"{norm_of}.{name}"], 0, rows)
        state[f"{norm_to}.num_batches_tracked"] = teacher[f"{norm_of}.num_batches_tracked"]
    # The last cut is of the last block, whose output rows the classifier reads.
    state["fc.weight"] = _taken(teacher["fc.weight"], 1, rows)
    state["fc.bias"] = teacher["fc.bias"]
    return {
        name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in state.items()
    }


def _taken(tensor: Tensor, dim: int, kept: list[int]) -> Tensor:
    """Select indices, neighbours without telling a device which: that would wait for it."""
    if kept == list(range(kept[0], kept[0] + len(kept))):
        return tensor.narrow(dim, kept[0], len(kept))
    return tensor.index_select(dim, torch.tensor(kept, device=tensor.device))


@dataclass(frozen=True, slots=True)
class _Cut:
    """One convolution of the student (`to`) as rows and columns of one of the teacher (`of`)."""

    to: str
    of: str
    inputs: list[int]
    outputs: list[int]


def _norm(convolution: str) -> str:
    """Return the name of the batch norm after a convolution."""
    if convolution.endswith("downsample.0"):
        return convolution.removesuffix("0") + "1"
    return convolution.replace("conv", "bn")


def _cuts(space: Space, architecture: Architecture, policy: Policy) -> Iterator[_Cut]:
    full = space.largest
    streams = architecture.streams
    whole = (full.streams or full.widths[0])[0]
    outputs = chosen((streams or architecture.widths[0])[0], whole, policy)
    yield _Cut("conv1", "conv1", [0, 1, 2], outputs)
    for index, (stage, widths) in enumerate(zip(architecture.widths, full.widths, strict=True)):
        sources = _sources(len(stage), len(widths), policy, first_stays=bool(streams))
        for slot, (width, source) in enumerate(zip(stage, sources, strict=True)):
            to, of = f"layer{index + 1}.{slot}", f"layer{index + 1}.{source}"
            inputs, inner = outputs, chosen(width, widths[source], policy)
            outputs = inner
            if streams:
                outputs = chosen(streams[index], full.streams[index], policy)
            yield _Cut(f"{to}.conv1", f"{of}.conv1", inputs, inner)
            if streams and slot == 0 and space.strides[index] != 1:
                yield _Cut(f"{to}.downsample.0", f"{of}.downsample.0", inputs, outputs)
            yield _Cut(f"{to}.conv2", f"{of}.conv2", inner, outputs)


def _sources(kept: int, available: int, policy: Policy, *, first_stays: bool) -> list[int]:
    """Return the blocks of a stage that are inherited; of a derived space the first one always.

    It alone has the stride and the projection.
    """
    if not first_stays:
        return chosen(kept, available, policy)
    if policy == "uniform":
        return chosen(kept, available, policy)  # has the first
    return [0, *(1 + i for i in chosen(kept - 1, available - 1, policy))]


def student(teacher: ResNet, architecture: Architecture, *, policy: Policy = "first") -> ResNet:
    """Build the network of `architecture` with weights remapped from `teacher`."""
    with torch.device("meta"):  # no weights are drawn that the remapped ones would replace
        network = ResNet(teacher.space, architecture, num_classes=teacher.num_classes)
    weights = remap(teacher.state_dict(), teacher.space, architecture, policy=policy)
    network.load_state_dict(weights, assign=True)
    return network.train(teacher.training)
