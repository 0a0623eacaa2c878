"""What a student inherits: how far weights cut out of its teacher still answer as it does.

Nothing is trained. A student with its teacher's weights sees some images, its batch norms on the
statistics of those very images, and two numbers say how much of the teacher is left in it. Noise
in place of images says next to nothing. Knows nothing of labels or predictors.

Letters in shapes: n images, s pixels, k classes, d features, m students, a members of a sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from dass.data.images import normalise
from dass.errors import InvalidData
from dass.networks.remap import student
from dass.networks.resnet import ResNet
from dass.space.architecture import Architecture

IMAGES = 256
"""Images that students are shown: 512 told hardly more for twice the time, 64 less."""

LEAST_IMAGES = 32
"""Below it the numbers are of these images rather than of the student."""

RIDGE = 1.0
"""Penalty of the linear map, on standardised features and a mean square error."""

NAMES = ("agreement", "explained")
"""What `inheritance` measures, in order."""


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """Images, and the answers that students are compared with."""

    images: Float[Tensor, "n 3 s s"]
    """Normalised, channels last."""
    answers: Float[Tensor, "n k"]
    """The teacher's logits, each image's mean taken off."""

    @classmethod
    @torch.no_grad()
    def of(
        cls,
        teacher: ResNet,
        images: UInt8[Tensor, "n 3 s s"],
        *,
        logits: Float[Tensor, "n k"] | None = None,
    ) -> Shown:
        """Choose `IMAGES` of some training images, always the same, and ask the teacher.

        Args:
            teacher: the network that students inherit from; its mode does not matter.
            images: of the teacher's task.
            logits: what students are to answer to all images, where that is another network's.

        Raises:
            InvalidData: there are fewer than `LEAST_IMAGES`.
        """
        if len(images) < LEAST_IMAGES:
            raise InvalidData(
                f"what a student inherits must be measured on {LEAST_IMAGES} images or more, but "
                f"got {len(images)}; search without looking at images"
            )
        rows = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))[:IMAGES]
        device = teacher.conv1.weight.device
        shown = normalise(images[rows].to(device)).contiguous(memory_format=torch.channels_last)
        if logits is None:
            mode = teacher.training
            found = teacher.eval()(shown)
            teacher.train(mode)
        else:
            found = logits[rows].to(device)
        return cls(shown, _centred(found))


@dataclass(frozen=True, slots=True, eq=False)
class Inherited:
    """What students of a teacher inherit, and what a sample of its space does."""

    students: Float[Tensor, "m 2"]
    """The numbers of `NAMES` of each."""
    sample: Float[Tensor, "a 2"]
    """The same of members among which a student's are a standing."""


def inheritance(
    teacher: ResNet, architectures: Sequence[Architecture], shown: Shown
) -> Float[Tensor, "m 2"]:
    """Return how much of its teacher's answers each student has before any training.

    *Agreement* is the correlation of its own logits, each image's mean taken off, with the
    answers. *Explained* is the share of the answers' variance that a linear map of its last
    features gives on images left out of its fit, one at a time: ridge regression, whose
    left-out residuals have a closed form (Allen, Technometrics 1974). Both are 1 at most.
    A student of `small` takes a thirtieth of the time of its first epoch.

    Raises:
        InvalidArchitecture: one of them is not a member of the teacher's space.
    """
    rows = [_measured(student(teacher, one), shown) for one in architectures]
    return torch.tensor(rows, dtype=torch.float64).reshape(len(rows), len(NAMES))


@torch.no_grad()
def _measured(network: ResNet, shown: Shown) -> tuple[float, float]:
    features: list[Tensor] = []
    network.to(memory_format=torch.channels_last).train()
    network.fc.register_forward_pre_hook(lambda _, inputs: features.append(inputs[0]))
    logits = _centred(network(shown.images))
    both = torch.stack([logits.flatten(), shown.answers.flatten()])
    agreement = torch.corrcoef(both.double())[0, 1].nan_to_num(0.0)
    return float(agreement), explained(features[0], shown.answers)


def explained(features: Float[Tensor, "n d"], answers: Float[Tensor, "n k"]) -> float:
    """Return the share of the answers' variance that features explain of images left out.

    One image is left out at a time, of the map and of the mean that it is compared with. Below 0
    where the mean of the others is the better guess.
    """
    x, y = (values.double() for values in (features, answers))
    number = len(x)
    x = (x - x.mean(0)) / x.std(0, correction=0).clamp(min=1e-6)
    y = y - y.mean(0)
    left, values, _ = torch.linalg.svd(x, full_matrices=False)
    kept = values.square() / (values.square() + RIDGE * number)
    fitted = left @ (kept[:, None] * (left.T @ y))
    leverage = left.square() @ kept + 1 / number
    missed = (y - fitted) / (1 - leverage)[:, None]
    mean_missed = y * number / (number - 1)
    return 1 - float(missed.square().sum() / mean_missed.square().sum().clamp(min=1e-12))


def _centred(logits: Tensor) -> Tensor:
    return logits - logits.mean(1, keepdim=True)
