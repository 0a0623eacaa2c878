"""Stochastic gradient descent with Nesterov momentum: torch's fused step, without its optimizers.

Those import torch's compiler when the first is made, four core-seconds of every process that
trains. Knows nothing of schedules or of losses.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.optim.sgd import sgd

from dass.training.recipe import Recipe


class Sgd:
    """Moves a network's parameters against their gradients, in place."""

    def __init__(self, network: nn.Module, recipe: Recipe) -> None:
        named = list(network.named_parameters())
        self._names = [name for name, _ in named]
        self.parameters: list[Tensor] = [parameter for _, parameter in named]
        self._momenta: list[Tensor | None] = [None] * len(named)
        self._recipe = recipe

    @torch.no_grad()
    def step(self, rate: float | Tensor) -> None:
        """Take a step of a size, which may lie on the parameters' device."""
        recipe = self._recipe
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        assert len(gradients) == len(self.parameters), "every parameter has a gradient"
        sgd(
            self.parameters,
            gradients,
            self._momenta if recipe.momentum else [],
            has_sparse_grad=False,
            foreach=False,
            fused=True,
            weight_decay=recipe.weight_decay,
            momentum=recipe.momentum,
            lr=rate,
            dampening=0.0,
            nesterov=recipe.momentum > 0,
            maximize=False,
        )

    def forget_gradients(self) -> None:
        """Drop the gradients of the last step."""
        for parameter in self.parameters:
            parameter.grad = None

    def begin(self) -> None:
        """Make momenta that are not there yet: zero, as before a first step."""
        if self._recipe.momentum:
            self._momenta = [
                torch.zeros_like(p) if m is None else m
                for p, m in zip(self.parameters, self._momenta, strict=True)
            ]

    def momenta(self) -> Iterator[tuple[str, Tensor]]:
        """Yield the momentum of each parameter that has one, by the parameter's name."""
        for name, momentum in zip(self._names, self._momenta, strict=True):
            if momentum is not None:
                yield name, momentum

    def resume(self, name: str, momentum: Tensor) -> None:
        """Take the momentum of a parameter from where a training was stopped."""
        place = self._names.index(name)
        # In the parameter's own layout: the fused step walks both in memory order.
        own = torch.empty_like(self.parameters[place]).copy_(momentum)
        self._momenta[place] = own.detach()
