"""Train one network: a teacher on labels, or a student on its teacher's knowledge.

Both are one loop and one `Recipe`; a teacher's has no soft part. The loop is a generator of
`Epoch` values: the caller evaluates, reports, checkpoints, prunes or stops. Knows nothing of
validation, files, clusters or records.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dass.errors import DivergedTraining, InvalidConfig
from dass.networks.resnet import ResNet
from dass.training.batches import Batches, Foreseen
from dass.training.passes import Eager, Passes, Replayed, Step
from dass.training.recipe import Recipe, learning_rate
from dass.training.sgd import Sgd


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

    On a GPU steps are recorded once and replayed, unless `forward` is given or the batches cannot
    be drawn beforehand.
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
    passes = _passes(forward or network, batches, optimizer, recipe=recipe)
    steps = batches.steps(recipe.batch_size)
    for number in range(first, recipe.epochs):
        started = time.perf_counter()
        network.train()
        generator = torch.Generator().manual_seed(_mix(seed, number))
        total, images = passes.run(_rates(recipe, number, steps), generator=generator)
        loss = float(total) / images
        _check_finite(loss, recipe, number)
        yield Epoch(
            number=number + 1,
            loss=loss,
            images=images,
            seconds=time.perf_counter() - started,
            state=_snapshot(network, optimizer, number + 1),
        )


def _optimizer(network: ResNet, recipe: Recipe) -> Sgd:
    # In this layout the fused step and the convolutions are fastest; momenta must follow it.
    network.to(memory_format=torch.channels_last)
    return Sgd(network, recipe)


def _passes(forward: nn.Module, batches: Batches, optimizer: Sgd, *, recipe: Recipe) -> Passes:
    """Return how passes are made: replayed where the device and the batches can."""
    step, size = Step(forward, optimizer, recipe=recipe), recipe.batch_size
    device = optimizer.parameters[0].device
    # What is wrapped talks to other workers at every step.
    if device.type == "cuda" and isinstance(forward, ResNet) and isinstance(batches, Foreseen):
        return Replayed(step, batches, size=size, optimizer=optimizer)
    return Eager(step, batches, size=size, device=device)


def _rates(recipe: Recipe, number: int, steps: int) -> list[float]:
    """Return the step size of each batch of pass `number`, counted from 0."""
    return [learning_rate(recipe, number + step / steps) for step in range(steps)]


def _check_finite(loss: float, recipe: Recipe, number: int) -> None:
    if not math.isfinite(loss):
        raise DivergedTraining(
            f"the training loss must stay finite, but got {loss} in epoch {number + 1} of "
            f"{recipe.epochs}; lower `learning_rate` (now {recipe.learning_rate}) or raise "
            f"`warmup_epochs` (now {recipe.warmup_epochs})"
        )


def _mix(seed: int, number: int) -> int:
    """Join seed and epoch to one seed, so that neighbouring pairs do not share streams."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{number}".encode()).digest()[:7], "big")


def _snapshot(network: nn.Module, optimizer: Sgd, number: int) -> dict[str, Tensor]:
    state = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    state |= {f"momentum.{name}": momentum for name, momentum in optimizer.momenta()}
    return state | {"epoch": torch.tensor(number)}


def _restore(network: nn.Module, optimizer: Sgd, state: Mapping[str, Tensor]) -> int:
    prefix = "network."
    network.load_state_dict(
        {name.removeprefix(prefix): t for name, t in state.items() if name.startswith(prefix)}
    )
    for name, _ in network.named_parameters():
        if f"momentum.{name}" in state:
            optimizer.resume(name, state[f"momentum.{name}"])
    return int(state["epoch"])
