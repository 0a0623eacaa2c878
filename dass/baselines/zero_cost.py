"""Scorers that train nothing, but look at a student's untrained network: zero-cost proxies.

Each builds every student with fresh weights of one seed. Those that need images take them when
they are made: they serve the one task whose images these are. Knows nothing of records.

Letters in shapes: n architectures, b images, k classes, c channels, s pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from dass.data.images import normalise
from dass.data.task import Split
from dass.errors import InvalidData
from dass.networks.resnet import BasicBlock, ResNet, initialise
from dass.networks.teacher import Teacher
from dass.predictor.records import Measured
from dass.predictor.scorer import Scores
from dass.space.architecture import Architecture


def fresh(teacher: ResNet, architecture: Architecture, *, seed: int = 0) -> ResNet:
    """Build a student of the teacher's classes with fresh weights, on its device."""
    network = ResNet(teacher.space, architecture, num_classes=teacher.num_classes)
    initialise(network, generator=torch.Generator().manual_seed(seed))
    return network.to(teacher.conv1.weight.device)


def _blocks(network: ResNet) -> list[BasicBlock]:
    return [module for module in network.modules() if isinstance(module, BasicBlock)]


def _each(
    teacher: Teacher, architectures: Sequence[Architecture], score: Callable[[ResNet], float]
) -> Float[Tensor, " n"]:
    values = [score(fresh(teacher.network, architecture)) for architecture in architectures]
    return torch.tensor(values, dtype=torch.float64)


class SynFlow:
    """The logarithm of SynFlow (Tanaka et al., NeurIPS 2020): the sum of every θ · ∂R/∂θ.

    R is the sum of the outputs for an image of ones, with absolute weights and without batch
    norm. No image of the task is seen.
    """

    def predict(
        self,
        teacher: Teacher,
        architectures: Sequence[Architecture],
        *,
        support: Sequence[Measured] = (),
    ) -> Scores:
        """Return log SynFlow of each student."""
        return Scores(_each(teacher, architectures, self._score))

    @staticmethod
    def _score(network: ResNet) -> float:
        network.double().eval()
        for name, module in list(network.named_modules()):
            if isinstance(module, nn.BatchNorm2d):
                parent, _, leaf = name.rpartition(".")
                setattr(network.get_submodule(parent), leaf, nn.Identity())
        weights = [p for p in network.parameters() if p.dim() > 1]
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.abs_()
        size = network.space.image_size
        ones = torch.ones(1, 3, size, size, dtype=torch.float64, device=weights[0].device)
        gradients = torch.autograd.grad(network(ones).sum(), weights)
        flow = [(p.detach() * g).sum() for p, g in zip(weights, gradients, strict=True)]
        return float(torch.stack(flow).sum().log())


class Naswot:
    """NASWOT (Mellor et al., ICML 2021): how differently ReLUs answer to different images.

    The log-determinant of the kernel that counts, for two images, the ReLUs that agree.
    """

    def __init__(self, images: Split, *, number: int = 128) -> None:
        self._images = evenly_spaced(images, number).images

    def predict(
        self,
        teacher: Teacher,
        architectures: Sequence[Architecture],
        *,
        support: Sequence[Measured] = (),
    ) -> Scores:
        """Return the log-determinant of each student's kernel."""
        return Scores(_each(teacher, architectures, self._score))

    @torch.no_grad()
    def _score(self, network: ResNet) -> float:
        x = normalise(self._images)
        kernel = torch.zeros(len(x), len(x), dtype=torch.float64, device=x.device)

        def count(module: nn.Module, inputs: object, out: Tensor) -> None:
            code = (out > 0).flatten(1).double()
            kernel.add_(code @ code.T + (1 - code) @ (1 - code).T)

        relus = [network.bn1, *_blocks(network), *(block.bn1 for block in _blocks(network))]
        for module in relus:
            # In train mode, as published: batch norm on the images' own statistics. A block's
            # output has passed its last ReLU, which leaves the sign as it was.
            module.register_forward_hook(count)
        network.train()(x)
        return float(torch.linalg.slogdet(kernel).logabsdet)


class Zen:
    """Zen-score (Lin et al., ICCV 2021): how far the last features move with a noisy input.

    Gaussian weights and inputs, no shortcuts, batch norm on batch statistics; what batch norms
    divide by is added back. The mean over some draws of input.
    """

    def __init__(self, *, repeats: int = 2, images: int = 16, mixture: float = 0.01) -> None:
        self._repeats, self._images, self._mixture = repeats, images, mixture

    def predict(
        self,
        teacher: Teacher,
        architectures: Sequence[Architecture],
        *,
        support: Sequence[Measured] = (),
    ) -> Scores:
        """Return the Zen-score of each student."""
        return Scores(_each(teacher, architectures, self._score))

    @torch.no_grad()
    def _score(self, network: ResNet) -> float:
        generator = torch.Generator().manual_seed(0)
        for parameter in network.parameters():
            if parameter.dim() == 4:
                parameter.copy_(torch.randn(parameter.shape, generator=generator))
        network.train()
        size, device = network.space.image_size, network.conv1.weight.device
        values = []
        for _ in range(self._repeats):
            shape = (2, self._images, 3, size, size)
            x, noise = torch.randn(shape, generator=generator).to(device)
            features, scale = _plain(network, x)
            moved, _ = _plain(network, x + self._mixture * noise)
            distance = (features - moved).abs().mean()
            values.append(float(torch.log(distance) + scale))
        return sum(values) / len(values)


def _plain(
    network: ResNet, x: Float[Tensor, "b 3 s s"]
) -> tuple[Float[Tensor, "b c _ _"], Float[Tensor, ""]]:
    """Run the stages without shortcuts; return features and the log of all batch norms' scales."""
    scale = x.new_zeros(())
    pairs = [(network.conv1, network.bn1)]
    for block in _blocks(network):
        pairs += [(block.conv1, block.bn1), (block.conv2, block.bn2)]
    for convolution, norm in pairs:
        x = convolution(x)
        scale = scale + 0.5 * torch.log(x.var((0, 2, 3), correction=0).mean() + norm.eps)
        x = F.relu(F.batch_norm(x, None, None, training=True, eps=norm.eps))
    return x, scale


def evenly_spaced(images: Split, number: int) -> Split:
    """Take evenly spaced images; parts lie class by class, so that every class has some.

    Raises:
        InvalidData: there are fewer than two.
    """
    if len(images) < 2:
        raise InvalidData(f"a zero-cost score needs at least 2 images, but got {len(images)}")
    rows = torch.linspace(0, len(images) - 1, min(number, len(images))).long()
    rows = rows.to(images.labels.device)
    return Split(images.images[rows], images.labels[rows])
