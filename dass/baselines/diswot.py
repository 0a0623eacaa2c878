"""DisWOT (Dong et al., CVPR 2023): how alike an untrained student is to an untrained teacher.

As its authors' code defines it: teacher and student are both drawn from N(0, 1), so what is
compared are architectures; batch norm keeps to the batch; images are augmented. Knows nothing of
records.

Letters in shapes: n architectures, b images, k classes, c channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from dass.baselines.zero_cost import evenly_spaced
from dass.data.images import augment, normalise
from dass.data.task import Split
from dass.errors import InvalidConfig
from dass.networks.resnet import ResNet
from dass.networks.teacher import Teacher
from dass.predictor.records import Measured
from dass.predictor.scorer import Scores
from dass.space.architecture import Architecture

Part = Literal["both", "semantic", "relation"]


class Diswot:
    """Less the distance of two similarities, the mean over draws of both networks' weights.

    *Semantic*: for each class, the outer product of the gradient of its row of the classifier with
    itself. *Relation*: the Gram matrix of the last features of a batch. Rows have length 1.
    """

    def __init__(
        self,
        images: Split,
        *,
        flip: bool,
        part: Part = "both",
        padding: int = 4,
        number: int = 64,
        seeds: int = 5,
    ) -> None:
        self._images = evenly_spaced(images, number)
        self._flip, self._padding, self._part, self._seeds = flip, padding, part, seeds

    def predict(
        self,
        teacher: Teacher,
        architectures: Sequence[Architecture],
        *,
        support: Sequence[Measured] = (),
    ) -> Scores:
        """Return the similarity of each student to the teacher; 0 would be the same network.

        Raises:
            InvalidConfig: members differ in their last width, whose features *semantic* compares.
        """
        if self._part != "relation" and teacher.network.space.largest.streams:
            raise InvalidConfig(
                "the semantic part of DisWOT compares last features of one width, but members of "
                f"space {teacher.network.space.name!r} differ in it; give `part='relation'`"
            )
        total = torch.zeros(len(architectures), dtype=torch.float64)
        for seed in range(self._seeds):
            batch = self._batch(seed)
            space, classes = teacher.network.space, teacher.network.num_classes
            whole = gaussian(ResNet(space, space.largest, num_classes=classes), seed=seed)
            theirs = self._similarities(whole, batch)
            for place, architecture in enumerate(architectures):
                # A draw of its own: equal weights would make the largest member its own teacher.
                network = gaussian(
                    ResNet(space, architecture, num_classes=classes), seed=self._seeds + seed
                )
                ours = self._similarities(network, batch)
                total[place] -= sum(map(distance, ours, theirs))
        return Scores(total / self._seeds)

    def _batch(self, seed: int) -> Split:
        generator = torch.Generator().manual_seed(seed)
        images = augment(
            self._images.images, padding=self._padding, flip=self._flip, generator=generator
        )
        return Split(images, self._images.labels)

    def _similarities(self, network: ResNet, batch: Split) -> list[Float[Tensor, ...]]:
        parts = {"both": (semantic, relation), "semantic": (semantic,), "relation": (relation,)}
        return [similarity(network, batch) for similarity in parts[self._part]]


def gaussian(network: ResNet, *, seed: int) -> ResNet:
    """Draw every weight from N(0, 1); biases are 0, batch norms keep to the batch's statistics."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.dim() > 1:
                parameter.copy_(torch.randn(parameter.shape, generator=generator))
        network.fc.bias.zero_()
    return network.train()


def semantic(network: ResNet, batch: Split) -> Float[Tensor, "k c c"]:
    """Return the outer product of each class's gradient with itself, rows of length 1."""
    with torch.no_grad():
        features = network.stages(normalise(batch.images))[-1].mean((2, 3))
    weight = network.fc.weight.detach().clone().requires_grad_()
    loss = F.cross_entropy(F.linear(features, weight, network.fc.bias.detach()), batch.labels)
    (gradient,) = torch.autograd.grad(loss, weight)
    return F.normalize(gradient[:, :, None] * gradient[:, None, :], dim=2).double()


def distance(ours: Float[Tensor, "rows *d d"], theirs: Float[Tensor, "rows *d d"]) -> float:
    """Return Σ²/(k·c) of two semantic similarities, Σ²/b² of two relations."""
    return float((ours - theirs).square().sum()) / (ours.shape[0] * ours.shape[-1])


@torch.no_grad()
def relation(network: ResNet, batch: Split) -> Float[Tensor, "b b"]:
    """Return the Gram matrix of the last features of a batch, rows of length 1."""
    features = network.stages(normalise(batch.images))[-1].flatten(1)
    return F.normalize(features @ features.T, dim=1).double()
