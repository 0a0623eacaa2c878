"""Train one network: a teacher on labels, or a student on its teacher's knowledge.

Both are one loop and one `Recipe`; a teacher's has no soft part. The loop is a generator of
`Epoch` values: the caller evaluates, reports, checkpoints, prunes or stops. Knows nothing of
validation, files, clusters or records.

Dimension letters: n images, k classes.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from dass.errors import DivergedTraining, InvalidConfig
from dass.networks.resnet import ResNet
from dass.training.batches import Batches
from dass.training.recipe import Recipe, learning_rate


@dataclass(frozen=True, kw_only=True, slots=True)
class Epoch:
    """What one pass over the training images brought."""

    number: int
    """Passes so far, this one included."""
    loss: float
    """Mean training loss of the pass."""
    images: int
    """Images trained on in this pass."""
    seconds: float
    """Wall time of the pass."""
    state: dict[str, Tensor]
    """Everything needed to go on from here, as flat tensors; valid until the next pass starts."""


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


def train(
    network: ResNet,
    batches: Batches,
    *,
    recipe: Recipe,
    seed: int,
    state: Mapping[str, Tensor] | None = None,
    forward: nn.Module | None = None,
) -> Iterator[Epoch]:
    """Train in place, one `Epoch` at a time; the network is in training mode at each.

    What a pass draws depends on the seed and its number only, so a run that goes on from an
    epoch's `state` ends like one that was never stopped, bit for bit on CPU with the same number
    of threads.

    Args:
        network: on the device of the images; kept in channels-last layout.
        batches: training batches.
        recipe: how to train.
        seed: of order, augmentation and views.
        state: an earlier epoch's, to resume from.
        forward: what training steps call in place of the network: the same, wrapped so that
            several workers average their gradients.

    Raises:
        DivergedTraining: the loss of a pass is not finite.
        InvalidConfig: the recipe weighs more or fewer classes than the network has.
    """
    if len(recipe.class_weights) not in (0, network.num_classes):
        raise InvalidConfig(
            f"`class_weights` must be one for each of the {network.num_classes} classes, but got "
            f"{len(recipe.class_weights)}: give them in the order of the labels"
        )
    optimizer = _optimizer(network, recipe)
    first = 0 if state is None else _restore(network, optimizer, state)
    for number in range(first, recipe.epochs):
        started = time.perf_counter()
        loss, images = _one_pass(
            forward or network, batches, optimizer, recipe=recipe, number=number, seed=seed
        )
        _check_finite(loss, recipe, number)
        yield Epoch(
            number=number + 1,
            loss=loss,
            images=images,
            seconds=time.perf_counter() - started,
            state=_snapshot(network, optimizer, number + 1),
        )


def _optimizer(network: ResNet, recipe: Recipe) -> torch.optim.SGD:
    # In this layout the fused step and the convolutions are fastest; momenta must follow it.
    network.to(memory_format=torch.channels_last)
    return torch.optim.SGD(
        network.parameters(),
        lr=recipe.learning_rate,
        momentum=recipe.momentum,
        nesterov=recipe.momentum > 0,
        weight_decay=recipe.weight_decay,
        fused=True,
    )


def _one_pass(
    network: nn.Module,
    batches: Batches,
    optimizer: torch.optim.SGD,
    *,
    recipe: Recipe,
    number: int,
    seed: int,
) -> tuple[float, int]:
    """Return the mean loss and the number of images of pass `number`, counted from 0."""
    network.train()
    generator = torch.Generator().manual_seed(_mix(seed, number))
    steps = batches.steps(recipe.batch_size)
    total, images = torch.zeros((), device=next(network.parameters()).device), 0
    drawn = batches.batches(recipe.batch_size, generator=generator)
    for step, (x, labels, logits) in enumerate(drawn):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(recipe, number + step / steps)
        loss = _loss(network(x), labels, logits, recipe=recipe)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        total += loss.detach() * len(x)
        images += len(x)
    return float(total) / images, images


def _check_finite(loss: float, recipe: Recipe, number: int) -> None:
    if not math.isfinite(loss):
        raise DivergedTraining(
            f"the training loss must stay finite, but got {loss} in epoch {number + 1} of "
            f"{recipe.epochs}; lower `learning_rate` (now {recipe.learning_rate}) or raise "
            f"`warmup_epochs` (now {recipe.warmup_epochs})"
        )


def _loss(
    outputs: Float[Tensor, "n k"],
    labels: Int64[Tensor, " n"],
    teacher: Float[Tensor, "n k"] | None,
    *,
    recipe: Recipe,
) -> Float[Tensor, ""]:
    weights = outputs.new_tensor(recipe.class_weights) if recipe.class_weights else None
    if teacher is None:
        return _cross_entropy(outputs, labels, weights, smoothing=recipe.label_smoothing)
    return kd_loss(
        outputs,
        teacher,
        labels,
        temperature=recipe.temperature,
        hard_weight=recipe.hard_weight,
        class_weights=weights,
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


def _mix(seed: int, number: int) -> int:
    """Join seed and epoch to one seed, so that neighbouring pairs do not share streams."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{number}".encode()).digest()[:7], "big")


def _snapshot(network: nn.Module, optimizer: torch.optim.SGD, number: int) -> dict[str, Tensor]:
    state = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    for name, parameter in network.named_parameters():
        momentum = optimizer.state[parameter].get("momentum_buffer")
        if momentum is not None:
            state[f"momentum.{name}"] = momentum
    return state | {"epoch": torch.tensor(number)}


def _restore(network: nn.Module, optimizer: torch.optim.SGD, state: Mapping[str, Tensor]) -> int:
    prefix = "network."
    network.load_state_dict(
        {name.removeprefix(prefix): t for name, t in state.items() if name.startswith(prefix)}
    )
    for name, parameter in network.named_parameters():
        if f"momentum.{name}" in state:
            # In the parameter's own layout: the fused step walks both in memory order.
            momentum = torch.empty_like(parameter).copy_(state[f"momentum.{name}"])
            optimizer.state[parameter]["momentum_buffer"] = momentum.detach()
    return int(state["epoch"])
