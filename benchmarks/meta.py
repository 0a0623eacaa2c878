"""Claim: the predictor as matrix products over patches meta-trains faster than convolutions.

    python -m benchmarks.meta [--space small] [--device cuda]

The published way keeps a module per network, clones its parameters for each task in turn, takes
the inner step by hand and runs ordinary convolutions with the adapted ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
import tyro
from torch import Tensor

from benchmarks.timing import compare, seconds
from dass.predictor.episode import Episode
from dass.predictor.meta import MetaConfig, accumulate, query_loss, stack
from dass.predictor.network import Predictor, PredictorConfig
from dass.space.spaces import by_name


@dataclass(frozen=True, kw_only=True)
class Config:
    """What to measure."""

    space: tuple[str, ...] = ("small", "paper")
    """Search spaces, one row each."""
    tasks: int = 8
    """Teachers per step."""
    queries: int = 50
    """Students per teacher."""
    episodes: int = 3
    """Steps per timing."""
    repeats: int = 5
    """Pairs of timings."""
    device: str = "cpu"
    """cpu or cuda."""


def _encode(weights: dict[str, Tensor], prefix: str, feature_maps: Tensor) -> Tensor:
    for name in ("conv1", "conv2"):
        feature_maps = F.relu(
            F.conv2d(feature_maps, weights[f"{prefix}.{name}.weight"], stride=2, padding=1)
        )
    return feature_maps.mean((2, 3))


def _predict(
    weights: dict[str, Tensor], teacher: Tensor, feature_maps: Tensor, encodings: Tensor
) -> Tensor:
    joined = torch.cat(
        [
            _encode(weights, "student_encoder", feature_maps),
            F.linear(encodings, weights["code_encoder.weight"], weights["code_encoder.bias"]),
            _encode(weights, "teacher_encoder", teacher).expand(len(feature_maps), -1),
        ],
        dim=1,
    )
    hidden = torch.tanh(F.linear(joined, weights["head1.weight"], weights["head1.bias"]))
    return F.linear(hidden, weights["head2.weight"], weights["head2.bias"])[:, 0]


def one_by_one(predictor: Predictor, episodes: list[Episode]) -> Tensor:
    """Return the mean query loss, one task after another."""
    steps = dict(predictor.step_sizes.named_parameters())
    losses = []
    for e in episodes:
        weights = {n: p.clone() for n, p in predictor.network.named_parameters()}
        teacher = e.teacher_feature_map[None]
        support = _predict(weights, teacher, e.support_feature_maps, e.support_encodings)
        inner = F.mse_loss(support, 100 * e.support_accuracies)
        gradients = torch.autograd.grad(inner, list(weights.values()), create_graph=True)
        adapted = {
            n: p - steps[n] * g for (n, p), g in zip(weights.items(), gradients, strict=True)
        }
        predicted = _predict(adapted, teacher, e.feature_maps, e.encodings)
        losses.append(F.mse_loss(predicted, 100 * e.accuracies))
    return torch.stack(losses).mean()


def make(config: Config, name: str) -> list[Episode]:
    """Draw episodes of the right shapes; speed does not depend on their content."""
    space, generator = by_name(name), torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator).to(config.device)

    return [
        Episode(
            teacher_feature_map=draw(*space.feature_map_shape),
            feature_maps=draw(config.queries, *space.feature_map_shape),
            encodings=draw(config.queries, space.encoding_length),
            accuracies=draw(config.queries),
            support_feature_maps=draw(1, *space.feature_map_shape),
            support_encodings=draw(1, space.encoding_length),
            support_accuracies=draw(1),
        )
        for _ in range(config.tasks)
    ]


def measure(config: Config, name: str) -> None:
    """Print the row of one space."""
    shape = PredictorConfig(space=name, recipe="benchmark")
    predictor = Predictor(shape, generator=torch.Generator().manual_seed(0)).to(config.device)
    episodes = make(config, name)
    meta = MetaConfig(tasks=config.tasks, queries=config.queries)
    optimizer = torch.optim.Adam(predictor.parameters(), lr=0.0, fused=True)
    difference = query_loss(predictor, stack(episodes), meta) - one_by_one(predictor, episodes)
    expected = one_by_one(predictor, episodes)
    assert difference.abs() <= 1e-4 * expected, "the two ways must agree"

    def ours() -> None:
        for _ in range(config.episodes):
            optimizer.zero_grad()
            accumulate(predictor, episodes, meta)
            optimizer.step()

    def theirs() -> None:
        for _ in range(config.episodes):
            optimizer.zero_grad()
            one_by_one(predictor, episodes).backward()
            optimizer.step()

    compare(
        f"meta-train, {name}, {config.device}",
        "episodes/s",
        ours=lambda: config.episodes / seconds(ours, config.device),
        published=lambda: config.episodes / seconds(theirs, config.device),
        repeats=config.repeats,
    )


def main(config: Config) -> None:
    """Print a row per space."""
    torch.set_num_threads(1)
    for name in config.space:
        measure(config, name)


if __name__ == "__main__":
    main(tyro.cli(Config))
