"""One residual network for teacher and students, with torchvision's parameter names.

It knows widths only: no task, no training, no remapping. Dimension letters: n images,
c channels, h and w pixels, k classes.
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
    """Two 3×3 convolutions and a parameter-free shortcut."""

    def __init__(self, before: int, width: int, *, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, width, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.stride = stride
        self.shortcut: nn.Module = Shortcut(width, stride=stride)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c2 h2 w2"]:
        out = F.relu(self.bn1(self.conv1(x)), inplace=True)
        out = self.bn2(self.conv2(out))
        return F.relu(out + self.shortcut(x), inplace=True)


class ResNet(nn.Module):
    """The network of an architecture in a space.

    Parameter names are torchvision's (`conv1`, `bn1`, `layer1.0.conv1`, …, `fc`), so that a
    student's names are a subset of its teacher's.
    """

    def __init__(self, space: Space, architecture: Architecture, *, num_classes: int) -> None:
        super().__init__()
        space.check(architecture)
        self.space, self.architecture, self.num_classes = space, architecture, num_classes
        before = architecture.widths[0][0]
        self.conv1 = nn.Conv2d(3, before, 3, stride=space.stem_stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(before)
        for number, (stage, stride) in enumerate(
            zip(architecture.widths, space.strides, strict=True), 1
        ):
            blocks = []
            for slot, width in enumerate(stage):
                blocks.append(BasicBlock(before, width, stride=stride if slot == 0 else 1))
                before = width
            self.add_module(f"layer{number}", nn.Sequential(*blocks))
        self.fc = nn.Linear(before, num_classes)

    def stages(self, x: Float[Tensor, "n 3 h w"]) -> list[Float[Tensor, "n _ _ _"]]:
        """Return the output of each stage."""
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
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
