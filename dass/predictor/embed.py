"""Embed: describe what remapped students compute, without building or training them.

A student remapped copy-paste-first is its teacher with the channels beyond each block's width
zeroed and the absent blocks skipped. So many candidates are one batched pass of the teacher: at
every block, the candidates that agree on all blocks so far share one row. Where the last stage's
stream is narrower than the teacher's, zeros stand for what is missing. This file knows nothing
of tasks, labels or the predictor.

Dimension letters: n architectures, r rows, c channels, h and w pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from dass.networks.resnet import BasicBlock, ResidualBlock, ResNet, fit_channels
from dass.space.architecture import Architecture
from dass.space.space import Space

NOISE_SEED = 0
"""The noise is the same for every network and process, so that embeddings can be compared."""

CHUNK_BYTES = 12 * 2**20
"""Bound on one activation tensor of a chunk; four or five such tensors live at once.

Larger chunks share more first blocks but leave the processor's cache: measured best at 8–16 MiB.
"""

Widths = tuple[int, int]
"""Channels that a block has inside, and those that it puts out."""


def noise(space: Space, *, seed: int = NOISE_SEED) -> Float[Tensor, "1 3 h w"]:
    """Draw the fixed Gaussian image that networks of a space are shown."""
    shape = (1, 3, space.noise_size, space.noise_size)
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def embed(
    teacher: ResNet, architectures: Sequence[Architecture], *, noise_seed: int = NOISE_SEED
) -> Float[Tensor, "n c h w"]:
    """Return each remapped student's last-stage response to fixed noise.

    Equal to remapping each student and running it in eval mode (batch norm on running
    statistics: no data is seen). The published predictor reads such a map; how it was made there
    was not released, so this is reconstructed.

    Args:
        teacher: the largest member of its space; its mode does not matter and is left alone.
        architectures: members of that space, in any order, repeated or not.
        noise_seed: which noise.

    Raises:
        InvalidArchitecture: one of them is not a member of the teacher's space.
    """
    space = teacher.space
    for architecture in architectures:
        space.check(architecture)
    unique = sorted(set(architectures), key=lambda a: a.path)
    device = teacher.conv1.weight.device
    image = noise(space, seed=noise_seed).to(device)
    folded = _Folded(teacher)
    stem = teacher.pool(
        F.relu(
            folded.convolve(teacher.conv1, teacher.bn1, image, width=teacher.conv1.out_channels)
        )
    )
    size = max(1, CHUNK_BYTES // (stem.numel() * stem.element_size()))
    # Sorted by widths, neighbours share their first blocks, so a chunk computes these once.
    parts = [_pass(folded, stem, unique[i : i + size]) for i in range(0, len(unique), size)]
    if not parts:
        return torch.empty(0, *space.feature_map_shape, device=device)
    row = {architecture: index for index, architecture in enumerate(unique)}
    return torch.cat(parts)[[row[architecture] for architecture in architectures]]


class _Folded:
    """A network's convolutions with their batch norms folded in, in channels-last layout."""

    def __init__(self, network: ResNet) -> None:
        self.network = network
        self._cache: dict[nn.Conv2d, tuple[Tensor, Tensor]] = {}

    def convolve(
        self, conv: nn.Conv2d, norm: nn.BatchNorm2d, x: Float[Tensor, "r c h w"], *, width: int
    ) -> Float[Tensor, "r c2 h2 w2"]:
        """Compute the first `width` output channels from the input channels that are there."""
        if conv not in self._cache:
            assert norm.running_mean is not None and norm.running_var is not None
            scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
            weight = conv.weight * scale[:, None, None, None]
            self._cache[conv] = weight, norm.bias - norm.running_mean * scale
        weight, bias = self._cache[conv]
        weight = weight[:width, : x.shape[1]].contiguous(memory_format=torch.channels_last)
        return F.conv2d(x, weight, bias[:width], conv.stride, conv.padding)

    def block(
        self, block: BasicBlock, x: Float[Tensor, "r c h w"], widths: Sequence[Widths]
    ) -> Float[Tensor, "r c2 h2 w2"]:
        """Run a block that for row i has and puts out `widths[i]` channels, and zeros beyond."""
        inner, outer = ([w[i] for w in widths] for i in (0, 1))
        mask = _mask(inner, max(inner), x.device)
        out = self.convolve(block.conv1, block.bn1, x, width=max(inner)).relu_().mul_(mask)
        out = self.convolve(block.conv2, block.bn2, out, width=max(outer))
        if outer != inner:
            mask = _mask(outer, max(outer), x.device)
        self._add_skip(block, x, out)
        return out.relu_().mul_(mask)

    def _add_skip(
        self, block: BasicBlock, x: Float[Tensor, "r c h w"], out: Float[Tensor, "r c2 h2 w2"]
    ) -> None:
        if isinstance(block, ResidualBlock) and block.downsample is not None:
            projection, norm = block.downsample
            assert isinstance(projection, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
            out += self.convolve(projection, norm, x, width=out.shape[1])
            return
        if block.stride != 1:
            x = F.max_pool2d(x, block.stride, ceil_mode=True)
        shared = min(out.shape[1], x.shape[1])
        out[:, :shared] += x[:, :shared]


def _pass(
    folded: _Folded, stem: Float[Tensor, "1 c h w"], architectures: Sequence[Architecture]
) -> Float[Tensor, "n c2 h2 w2"]:
    """Run one chunk; `rows[i]` is the row of `states` that candidate i stands at."""
    space = folded.network.space
    stems = [(a.streams or a.widths[0])[0] for a in architectures]
    firsts = sorted(set(stems))
    states = (stem * _mask(firsts, stem.shape[1], stem.device)).contiguous(
        memory_format=torch.channels_last
    )
    rows = [firsts.index(width) for width in stems]
    for stage in range(space.num_stages):
        layer = folded.network.get_submodule(f"layer{stage + 1}")
        for slot, block in enumerate(layer.children()):
            assert isinstance(block, BasicBlock)
            steps = [
                (row, _widths(a, stage, slot)) for row, a in zip(rows, architectures, strict=True)
            ]
            states, rows = _advance(folded, block, states, steps=steps)
    return states[rows]


def _widths(architecture: Architecture, stage: int, slot: int) -> Widths:
    """Return what a block has inside and puts out; zeros where it is skipped."""
    blocks = architecture.widths[stage]
    if slot >= len(blocks):
        return 0, 0
    return blocks[slot], architecture.streams[stage] if architecture.streams else blocks[slot]


def _advance(
    folded: _Folded,
    block: BasicBlock,
    states: Float[Tensor, "r c h w"],
    *,
    steps: Sequence[tuple[int, Widths]],
) -> tuple[Float[Tensor, "r2 c2 h2 w2"], list[int]]:
    """Move candidates through one block: a step is a row and widths, zeros to skip the block."""
    unique = sorted(set(steps), key=lambda step: (step[1][0] == 0, step[1], step[0]))
    moving = [step for step in unique if step[1][0]]
    staying = [row for row, (inner, _) in unique if not inner]
    parts = []
    for group in _groups(moving, full=block.conv2.out_channels):
        out = folded.block(block, states[[row for row, _ in group]], [w for _, w in group])
        parts.append(fit_channels(out, block.conv2.out_channels))
    if staying:
        parts.append(states[staying])
    index = {step: position for position, step in enumerate(unique)}
    return torch.cat(parts) if len(parts) > 1 else parts[0], [index[step] for step in steps]


def _groups(steps: Sequence[tuple[int, Widths]], *, full: int) -> list[list[tuple[int, Widths]]]:
    """Split steps by width into quarters of the full one, each computed no wider than it needs.

    Measured in `small`: quarters take 0.85 of the time of one full-width group, and a group per
    width takes as long as one, since its convolutions get too few rows.
    """
    groups: dict[int, list[tuple[int, Widths]]] = {}
    for step in steps:
        groups.setdefault(-(-step[1][0] * 4 // full), []).append(step)
    return list(groups.values())


def _mask(widths: Sequence[int], channels: int, device: torch.device) -> Float[Tensor, "r c 1 1"]:
    limits: Int64[Tensor, " r"] = torch.tensor(widths, device=device)
    kept = torch.arange(channels, device=device)[None] < limits[:, None]
    return kept.float()[:, :, None, None]
