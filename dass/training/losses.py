"""What a network is trained to make small: its errors on labels, and its distance to a teacher.

Dimension letters: n images, k classes.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from dass.training.recipe import Recipe


def kd_loss(
    student: Float[Tensor, "n k"],
    teacher: Float[Tensor, "n k"],
    labels: Int64[Tensor, " n"],
    *,
    temperature: float,
    hard_weight: float,
    class_weights: Float[Tensor, " k"] | None = None,
) -> Float[Tensor, ""]:
    """Return (1-α)·T²·KL(teacher‖student at T) + α·CE, mean over images (DaSS, section 4.1).

    With weights of classes an image's CE counts by its class; the mean is still over images, not
    over weights as torch has it, so that batches of frequent classes do not count more.
    The published code computes a cross-entropy in place of the divergence. The gradient is the
    same; this value is 0 for a student that equals its teacher at α = 0.
    """
    soft = F.kl_div(
        F.log_softmax(student / temperature, dim=1),
        F.log_softmax(teacher / temperature, dim=1),
        reduction="batchmean",
        log_target=True,
    )
    hard = _cross_entropy(student, labels, class_weights)
    return (1 - hard_weight) * temperature**2 * soft + hard_weight * hard


class Loss:
    """The loss of a recipe: of labels alone, or of a teacher's logits too where there are some."""

    def __init__(self, recipe: Recipe, device: torch.device) -> None:
        self._recipe = recipe
        weights = recipe.class_weights
        self._weights = torch.tensor(weights, device=device) if weights else None

    def __call__(
        self,
        outputs: Float[Tensor, "n k"],
        labels: Int64[Tensor, " n"],
        teacher: Float[Tensor, "n k"] | None,
    ) -> Float[Tensor, ""]:
        """Return the mean loss of a batch."""
        recipe = self._recipe
        if teacher is None:
            return _cross_entropy(outputs, labels, self._weights, smoothing=recipe.label_smoothing)
        return kd_loss(
            outputs,
            teacher,
            labels,
            temperature=recipe.temperature,
            hard_weight=recipe.hard_weight,
            class_weights=self._weights,
        )


def _cross_entropy(
    outputs: Float[Tensor, "n k"],
    labels: Int64[Tensor, " n"],
    weights: Float[Tensor, " k"] | None,
    *,
    smoothing: float = 0.0,
) -> Float[Tensor, ""]:
    """Return the mean over images, each of which counts by the weight of its class."""
    if weights is None:
        return F.cross_entropy(outputs, labels, label_smoothing=smoothing)
    each = F.cross_entropy(outputs, labels, label_smoothing=smoothing, reduction="none")
    return (each * weights[labels]).mean()
