"""A pass of training steps over batches: one after another, or recorded once and replayed.

A small network leaves a GPU idle: Python asks for hundreds of kernels a step, each of which is
over before the next is asked for. A step that is recorded as a CUDA graph is asked for in one
call, and several trainings, each in a thread of its own, fill the device. Knows nothing of
epochs, checkpoints or what a loss is made of.

Dimension letters: n images, s pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dass.training.batches import Batch, Batches, Draws, Foreseen
from dass.training.lanes import recorded, side_stream
from dass.training.losses import Loss
from dass.training.recipe import Recipe
from dass.training.sgd import Sgd


@runtime_checkable
class Passes(Protocol):
    """Goes over the batches, a step for each."""

    def run(
        self, rates: Sequence[float], *, generator: torch.Generator
    ) -> tuple[Float[Tensor, ""], int]:
        """Return the sum of losses over images, and how many images there were.

        Args:
            rates: step size of each batch.
            generator: of what is drawn; lives on the CPU.
        """
        ...


class Step:
    """What one batch does to a network."""

    def __init__(self, forward: nn.Module, optimizer: Sgd, *, recipe: Recipe) -> None:
        self._forward, self._optimizer = forward, optimizer
        self._device = optimizer.parameters[0].device
        self._half = recipe.precision == "bfloat16"
        self._loss = Loss(recipe, self._device)

    def __call__(self, batch: Batch, rate: float | Tensor) -> Float[Tensor, ""]:
        """Take one step of a size; return the loss, summed over images."""
        x, labels, logits = batch
        # Casts are not kept: each weight is used once, and a recording must make them anew.
        with torch.autocast(
            self._device.type, torch.bfloat16, enabled=self._half, cache_enabled=False
        ):
            outputs = self._forward(x)
        loss = self._loss(outputs.float(), labels, logits)
        self._optimizer.forget_gradients()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step(rate)
        return loss.detach() * len(x)


class Eager:
    """Steps that are asked for one after another, anywhere."""

    def __init__(self, step: Step, batches: Batches, *, size: int, device: torch.device) -> None:
        self._step, self._batches, self._size, self._device = step, batches, size, device

    def run(
        self, rates: Sequence[float], *, generator: torch.Generator
    ) -> tuple[Float[Tensor, ""], int]:
        """Make each batch and take its step."""
        total, images = torch.zeros((), device=self._device), 0
        drawn = self._batches.batches(self._size, generator=generator)
        for batch, rate in zip(drawn, rates, strict=True):
            total += self._step(batch, rate)
            images += len(batch[1])
        return total, images


class Replayed:
    """Steps of one training on a GPU: the first is taken as anywhere, then recorded and replayed.

    A pass's draws go to the device at once; the recording looks up its own batch, step size and
    place among them.
    """

    def __init__(self, step: Step, batches: Foreseen, *, size: int, optimizer: Sgd) -> None:
        self._step, self._batches, self._size = step, batches, size
        self._device = optimizer.parameters[0].device
        optimizer.begin()  # what a first step would make, it would record
        self._place = torch.zeros(1, dtype=torch.int64, device=self._device)
        self._total = torch.zeros((), device=self._device)
        self._draws: Draws = ()
        self._rates = torch.empty(0)
        self._graph: torch.cuda.CUDAGraph | None = None

    def run(
        self, rates: Sequence[float], *, generator: torch.Generator
    ) -> tuple[Float[Tensor, ""], int]:
        """Send the draws of a pass to the device, and replay a step for each batch."""
        draws = self._batches.draw(self._size, generator=generator)
        with side_stream(self._device):
            self._tell(draws, torch.tensor(rates, dtype=torch.float32))
            left = len(rates)
            if self._graph is None:
                self._take()  # so that every kernel is loaded when it is recorded
                left -= 1
                self._graph = recorded(self._take, self._device)
            for _ in range(left):
                self._graph.replay()
        return self._total, draws[0].numel()

    def _tell(self, draws: Draws, rates: Float[Tensor, " steps"]) -> None:
        self._place.zero_()
        self._total.zero_()
        if self._graph is None:
            self._draws = tuple(each.to(self._device) for each in draws)
            self._rates = rates.to(self._device)
            return
        for kept, each in zip((*self._draws, self._rates), (*draws, rates), strict=True):
            kept.copy_(each)

    def _take(self) -> None:
        """Take the step of the batch whose turn it is."""
        drawn = [each.index_select(0, self._place)[0] for each in self._draws]
        rate = self._rates.index_select(0, self._place)[0]
        self._total += self._step(self._batches.make(*drawn), rate)
        self._place += 1
