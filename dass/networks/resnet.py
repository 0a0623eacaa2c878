"""One residual network for teacher and students, with torchvision's parameter names.

Two kinds of blocks: the published one, whose shortcut pads or crops, and torchvision's, whose
shortcut is the identity or a projection. It knows widths only: no task, no training, no remapping.
Dimension letters: n images, c channels, h and w pixels, k classes.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from dass.space.architecture import Architecture
from dass.space.space import Space


def fit_channels(x: Float[Tensor, "n c h w"], channels: int) -> Float[Tensor, "n c2 h w"]:
    """Crop channels from the end, or add zero channels there: a shortcut without parameters."""
    missing = channels - x.shape[1]
    if missing > 0:
        return F.pad(x, (0, 0, 0, 0, 0, missing))
    return x[:, :channels]


class Shortcut(nn.Module):
    """What a block adds to its output: its input, pooled and fitted; without parameters."""

    def __init__(self, channels: int, *, stride: int) -> None:
        super().__init__()
        self.channels, self.stride = channels, stride

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c2 h2 w2"]:
        return fit_channels(self.pool(x), self.channels)

    def pool(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h2 w2"]:
        """Halve the image as the block's convolution does."""
        return x if self.stride == 1 else F.max_pool2d(x, self.stride, ceil_mode=True)


class BasicBlock(nn.Module):
    """Two 3×3 convolutions and a shortcut; without parameters unless a child says else."""

    def __init__(self, before: int, inner: int, outer: int | None = None, *, stride: int) -> None:
        super().__init__()
        outer = inner if outer is None else outer
        self.conv1 = nn.Conv2d(before, inner, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, outer, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outer)
        self.stride = stride
        self._add_shortcut(before, outer)

    def _add_shortcut(self, before: int, outer: int) -> None:
        self.shortcut: nn.Module = Shortcut(outer, stride=self.stride)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c2 h2 w2"]:
        out = F.relu(self.bn1(self.conv1(x)), inplace=True)
        out = self.bn2(self.conv2(out))
        return F.relu(out + self.skip(x), inplace=True)

    def skip(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c2 h2 w2"]:
        """Return what is added to the second convolution's output."""
        added: Tensor = self.shortcut(x)
        return added


class ResidualBlock(BasicBlock):
    """torchvision's BasicBlock: a 1×1 projection where the shape changes, else the identity."""

    downsample: nn.Sequential | None

    def _add_shortcut(self, before: int, outer: int) -> None:
        self.downsample = None
        if self.stride != 1 or before != outer:
            projection = nn.Conv2d(before, outer, 1, stride=self.stride, bias=False)
            self.downsample = nn.Sequential(projection, nn.BatchNorm2d(outer))

    def skip(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c2 h2 w2"]:
        """Return the block's input, projected where its shape changes."""
        return x if self.downsample is None else self.downsample(x)


class ResNet(nn.Module):
    """The network of an architecture in a space, of either kind.

    Parameter names are torchvision's (`conv1`, `bn1`, `layer1.0.conv1`, …, `fc`), so that a
    student's names are a subset of its teacher's, and a torchvision network of a derived space's
    widths and depths has the same state dict.
    """

    def __init__(self, space: Space, architecture: Architecture, *, num_classes: int) -> None:
        super().__init__()
        space.check(architecture)
        self.space, self.architecture, self.num_classes = space, architecture, num_classes
        stem, streams = space.stem, architecture.streams
        before = (streams or architecture.widths[0])[0]
        self.conv1 = nn.Conv2d(
            3, before, stem.kernel, stride=stem.stride, padding=stem.kernel // 2, bias=False
        )
        self.bn1 = nn.BatchNorm2d(before)
        for number, (stage, stride) in enumerate(
            zip(architecture.widths, space.strides, strict=True), 1
        ):
            blocks = []
            for slot, width in enumerate(stage):
                kind, outer = (
                    (ResidualBlock, streams[number - 1]) if streams else (BasicBlock, width)
                )
                blocks.append(kind(before, width, outer, stride=stride if slot == 0 else 1))
                before = outer
            self.add_module(f"layer{number}", nn.Sequential(*blocks))
        self.fc = nn.Linear(before, num_classes)

    def pool(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h2 w2"]:
        """Shrink the stem's output where the space says so."""
        return F.max_pool2d(x, 3, stride=2, padding=1) if self.space.stem.pool else x

    def stages(self, x: Float[Tensor, "n 3 h w"]) -> list[Float[Tensor, "n _ _ _"]]:
        """Return the output of each stage."""
        x = self.pool(F.relu(self.bn1(self.conv1(x)), inplace=True))
        outputs = []
        for number in range(1, self.space.num_stages + 1):
            x = self.get_submodule(f"layer{number}")(x)
            outputs.append(x)
        return outputs

    def forward(self, x: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n k"]:
        """Return class logits for normalised images."""
        logits: Tensor = self.fc(self.stages(x)[-1].mean((2, 3)))
        return logits


def initialise(network: ResNet, *, generator: torch.Generator) -> None:
    """Draw fresh weights in place: He's normal for convolutions, uniform for the classifier.

    The draw depends on the generator alone, never on the global seed.
    """
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", generator=generator)
            elif isinstance(module, nn.Linear):
                bound = module.in_features**-0.5
                nn.init.uniform_(module.weight, -bound, bound, generator=generator)
                nn.init.uniform_(module.bias, -bound, bound, generator=generator)
            elif isinstance(module, nn.BatchNorm2d):
                module.reset_parameters()
