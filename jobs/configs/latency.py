"""What `jobs.latency` is told: which space is measured, where, and where the table goes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import tyro

from dass.errors import InvalidConfig
from dass.networks.pack_config import PackConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class LatencyConfig:
    """Which space, on which device."""

    space: str
    """Search space: micro, small, paper, or a derived one such as resnet18@64."""
    into: str = "device.json"
    """File that the table goes to."""
    device: str = ""
    """A name for the device; empty for what its processor calls itself."""
    pack: str = ""
    """Measure nothing: write a folder that is copied to a device, where `python measure.py` needs
    onnxruntime and numpy only."""
    measured: Annotated[str, tyro.conf.arg(aliases=("--from",))] = ""
    """Measure nothing: fit the `measurements.json` that a device's `measure.py` wrote."""
    members: PackConfig = field(default_factory=PackConfig)
    """Which members are measured, and how."""

    def __post_init__(self) -> None:
        if self.pack and self.measured:
            raise InvalidConfig(
                "`pack` is for before a device measures and `measured` for after it, but got "
                f"both, {self.pack!r} and {self.measured!r}; give one"
            )
