"""A user's own ResNet as the largest member of a space: which space, from the shapes alone.

Knows nothing of files, nor of prefixes that wrappers put before names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor

from dass.errors import InvalidArchitecture, InvalidConfig
from dass.networks.resnet import ResNet
from dass.networks.usage import normalisation
from dass.space.residual import STEMS, ResidualSpace
from dass.space.spaces import at_size, residual

_BLOCK = re.compile(r"layer(?P<stage>[1-9]\d{0,2})\.(?P<slot>\d{1,3})\.conv1\.weight", re.ASCII)

SHOWN = 3
"""Misfits that an error lists."""


def space_of_state_dict(state: Mapping[str, Tensor], *, image_size: int) -> ResidualSpace:
    """Return the space whose largest member has this state dict.

    A stem of 3×3 is taken to have stride 1 and no max-pool after it, one of 7×7 to have stride 2
    and one: neither shows in a shape.

    Args:
        state: weights under torchvision's names; counters of batch norms may lack.
        image_size: height and width of the students' images, in pixels; the teacher's own may
            differ, as weights fit every size.

    Raises:
        InvalidArchitecture: it is no torchvision ResNet of BasicBlocks; says why.
    """
    shapes = {n: tuple(t.shape) for n, t in state.items() if not n.endswith("num_batches_tracked")}
    reason = _stranger(shapes)
    if reason is None:
        try:
            space = residual(
                *_widths_and_depths(shapes),
                stem=shapes["conv1.weight"][-1],
                image_size=image_size,
            )
        except InvalidConfig as error:
            reason = f"its {error}"
        else:
            with torch.device("meta"):
                network = ResNet(space, space.largest, num_classes=shapes["fc.weight"][0])
            expected = {n: tuple(t.shape) for n, t in network.named_parameters()}
            expected |= {n: tuple(t.shape) for n, t in network.named_buffers() if t.dim()}
            misfits = list(_misfits(shapes, expected))
            if not misfits:
                return space
            more = f"; and {len(misfits) - SHOWN} more such" if len(misfits) > SHOWN else ""
            reason = "; ".join(misfits[:SHOWN]) + more
    raise InvalidArchitecture(
        "a network that has smaller members of its own must be a torchvision ResNet of "
        f"BasicBlocks, such as resnet18 or resnet34, but {reason}; distil it into the largest "
        "member of another space, and search that"
    )


def _stranger(shapes: Mapping[str, tuple[int, ...]]) -> str | None:
    """Return why a network is none of these, where its names and stem alone say so."""
    if not shapes:
        return "there is no tensor among the weights"
    for name in ("conv1.weight", "layer1.0.conv1.weight", "layer1.0.conv2.weight", "fc.weight"):
        if name not in shapes:
            return f"there is no {name!r}; it begins with {min(shapes)!r}"
    if any(".conv3." in name for name in shapes):
        return "it has bottleneck blocks (`conv3`), as resnet50 has"
    if "layer2.0.conv1.weight" in shapes and not any(".downsample." in name for name in shapes):
        return "its shortcuts have no projection (`downsample`)"
    for name in filter(_BLOCK.fullmatch, shapes):
        if shapes[name][:1] != shapes.get(name.replace("conv1", "conv2"), shapes[name])[:1]:
            return (
                f"{name.removesuffix('.conv1.weight')!r} has another width inside, as if slimmed"
            )
    stem = shapes["conv1.weight"]
    kernels = [(int(kernel), int(kernel)) for kernel in STEMS]
    if len(stem) != 4 or stem[1] != 3 or stem[2:] not in kernels:
        return f"its stem must take 3 channels by a kernel among {kernels}, but is {stem}"
    if len(shapes["fc.weight"]) != 2 or not shapes["fc.weight"][0]:
        return f"its classifier `fc` must be a matrix, but is {shapes['fc.weight']}"
    return None


def _widths_and_depths(shapes: Mapping[str, tuple[int, ...]]) -> tuple[list[int], list[int]]:
    """Read the largest member's widths and depths; gaps show when shapes are compared."""
    blocks = [found for found in map(_BLOCK.fullmatch, shapes) if found]
    stages = sorted({int(found["stage"]) for found in blocks})
    depths = [sum(int(found["stage"]) == stage for found in blocks) for stage in stages]
    widths = [shapes.get(f"layer{stage}.0.conv2.weight", (0,))[0] for stage in stages]
    return widths, depths


def _misfits(
    got: Mapping[str, tuple[int, ...]], expected: Mapping[str, tuple[int, ...]]
) -> Iterator[str]:
    for name in sorted(got.keys() | expected.keys()):
        if name not in got:
            yield f"{name!r} is missing"
        elif name not in expected:
            yield f"{name!r} is unknown"
        elif got[name] != expected[name]:
            yield f"{name!r} must be {expected[name]} but is {got[name]}"


def with_image_size(network: ResNet, image_size: int) -> ResNet:
    """Return a copy of a derived space's network in the space of another image size.

    Raises:
        InvalidConfig: its space is no derived one.
    """
    if not isinstance(network.space, ResidualSpace):
        raise InvalidConfig(
            "only networks of derived spaces, such as resnet18@64, may take another image size, "
            f"but got one of space {network.space.name!r}"
        )
    space = at_size(network.space, image_size)
    copy = ResNet(space, network.architecture, num_classes=network.num_classes)
    copy.load_state_dict(network.state_dict())
    return copy.to(network.conv1.weight.device).train(network.training)


def with_our_pixels(
    state: Mapping[str, Tensor],
    *,
    mean: Sequence[float],
    std: Sequence[float],
    channels: Literal["RGB", "BGR"] = "RGB",
) -> dict[str, Tensor]:
    """Return weights that take this project's images in place of those a teacher was trained on.

    Args:
        state: of a network with torchvision's names, in eval mode.
        mean: what was subtracted from each channel, in their order, of pixels of 0 to 1.
        std: what it was divided by.
        channels: their order.
    """
    if channels == "BGR":
        state = dict(state) | {"conv1.weight": state["conv1.weight"].flip(1)}
        mean, std = mean[::-1], std[::-1]
    return fold_normalisation(state, mean=mean, std=std)


def fold_normalisation(
    state: Mapping[str, Tensor], *, mean: Sequence[float], std: Sequence[float]
) -> dict[str, Tensor]:
    """Return weights that take this project's normalised images in place of the teacher's.

    Scales go into the stem, shifts into the batch norm after it. Equal wherever the stem sees no
    border: there the padding is mid-grey, where it was the former mean.

    Args:
        state: of a network with torchvision's names, in eval mode.
        mean: what was subtracted from each channel of pixels of 0 to 1.
        std: what it was divided by.
    """
    weight = state["conv1.weight"]
    ours = torch.tensor(normalisation(), dtype=torch.float64)
    theirs = torch.tensor([list(mean), list(std)], dtype=torch.float64)
    scale, shift = ours[1] / theirs[1], (ours[0] - theirs[0]) / theirs[1]
    wide = weight.double().cpu()
    moved = (wide.sum((2, 3)) * shift).sum(1)
    running = state["bn1.running_mean"]
    return dict(state) | {
        "conv1.weight": (wide * scale[:, None, None]).to(weight),
        "bn1.running_mean": (running.double().cpu() - moved).to(running),
    }
