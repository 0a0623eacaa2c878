"""Claim: embedding n candidates as one masked pass beats building, remapping and running each.

    python -m benchmarks.embed [--space small] [--candidates 2000] [--device cuda]

Both ways are timed in turn, several times, in one process; the ratio of each pair is what counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import tyro

from benchmarks.timing import compare, seconds
from dass.networks.remap import remap
from dass.networks.resnet import ResNet, fit_channels, initialise
from dass.predictor.embed import embed, noise
from dass.space.architecture import Architecture
from dass.space.spaces import by_name


@dataclass(frozen=True, kw_only=True)
class Config:
    """What to measure."""

    space: tuple[str, ...] = ("small", "paper")
    """Search spaces, one row each."""
    candidates: int = 1000
    """Candidates of one masked pass in `small`; a tenth of it in larger spaces."""
    naive: int = 60
    """Candidates built one after another, for the same figure per candidate."""
    repeats: int = 5
    """Pairs of timings."""
    device: str = "cpu"
    """cpu or cuda."""


def fresh_teacher(name: str, device: str, *, generator: torch.Generator) -> ResNet:
    """Return the largest member of a space with fresh weights, of ten classes, to be asked."""
    space = by_name(name)
    teacher = ResNet(space, space.largest, num_classes=10)
    initialise(teacher, generator=generator)
    return teacher.to(device).eval()


def as_published(teacher: ResNet, architecture: Architecture) -> ResNet:
    """Build a student whose fresh weights are drawn, then replaced by the teacher's."""
    network = ResNet(teacher.space, architecture, num_classes=teacher.num_classes)
    network.load_state_dict(remap(teacher.state_dict(), teacher.space, architecture))
    return network.to(teacher.conv1.weight.device).train(teacher.training)


@torch.no_grad()
def one_by_one(teacher: ResNet, architectures: list[Architecture]) -> torch.Tensor:
    """Build, remap and run each candidate."""
    image = noise(teacher.space).to(teacher.conv1.weight.device)
    full = teacher.space.stage_widths[-1]
    maps = [as_published(teacher, a).stages(image)[-1] for a in architectures]
    return torch.cat([fit_channels(feature_map, full) for feature_map in maps])


def measure(config: Config, name: str) -> None:
    """Print the row of one space."""
    space = by_name(name)
    generator = torch.Generator().manual_seed(0)
    teacher = fresh_teacher(name, config.device, generator=generator)
    scale = 1 if name in ("micro", "small") else 10
    drawn = space.sample(config.candidates // scale, generator=generator)
    few = drawn[: config.naive // min(scale, 3)]
    error = (embed(teacher, few) - one_by_one(teacher, few)).abs().max()
    assert error <= 1e-5 * embed(teacher, few).abs().max(), "the two ways must agree"
    compare(
        f"embed, {name}, {config.device}",
        "candidates/s",
        ours=lambda: len(drawn) / seconds(lambda: embed(teacher, drawn), config.device),
        published=lambda: len(few) / seconds(lambda: one_by_one(teacher, few), config.device),
        repeats=config.repeats,
    )


def main(config: Config) -> None:
    """Print a row per space."""
    torch.set_num_threads(1)
    for name in config.space:
        measure(config, name)


if __name__ == "__main__":
    main(tyro.cli(Config))
