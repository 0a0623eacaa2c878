"""What `jobs.search` is told: whose students, how cheap, and how to look for them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

import tyro

from dass.errors import InvalidConfig
from dass.searching.evolution_config import SearchConfig
from dass.space.cost import check_fraction
from jobs.planning.quantity import Count


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchJobConfig:
    """Whose students, how cheap, and how to look for them."""

    store: str
    """Where predictor and teacher are and the ranking goes: a folder, or s3://bucket/prefix."""
    teacher: str = ""
    """Name of a teacher in the store (`jobs.build` or `jobs.adopt` put it there)."""
    predictor: str = "predictor"
    """Name of the predictor in the store."""
    max_flops: Count | None = None
    """Most multiply-adds of one forward pass: 20000000, 20e6 or 20M."""
    max_flops_fraction: Annotated[float | None, tyro.conf.arg(aliases=("--max-flops-share",))] = (
        None
    )
    """The same as a fraction of the teacher's, in (0, 1]. Without any limit it is a half."""
    max_parameters: Count | None = None
    """Most trainable parameters."""
    max_latency_ms: float | None = None
    """Most milliseconds of one pass, as the table of `latency` predicts them."""
    latency: str = ""
    """A device's table, which `dass latency` made: a file."""
    latency_batch: int = 1
    """Images of that pass; the table must have been measured with as many."""
    latency_precision: Literal["float32", "int8"] = "float32"
    """Of weights and activations in that pass."""
    measured: bool = False
    """Adapt on the teacher's measured students in the store as well, if there are any."""
    look: int = 0
    """Best candidates that are looked at once more, with training images of the teacher's task:
    how much of its answers each inherits before any training. 64 take some seconds; 0 for none."""
    data_root: str = "data"
    """Folder of datasets, for images to look with."""
    search: SearchConfig = field(default_factory=SearchConfig)
    """Algorithm, candidates, seed."""
    device: str = "cpu"
    """cpu or cuda."""

    def __post_init__(self) -> None:
        if self.max_flops is not None and self.max_flops_fraction is not None:
            raise InvalidConfig(
                "`max_flops` and `max_flops_fraction` must not both be given, but got "
                f"{self.max_flops} and {self.max_flops_fraction}"
            )
        check_fraction(self.max_flops_fraction, "max_flops_fraction")
        if self.look < 0:
            raise InvalidConfig(f"`look >= 0` must hold, but got {self.look}")
        if self.max_latency_ms is not None and not self.latency:
            raise InvalidConfig(
                f"`max_latency_ms` of {self.max_latency_ms:g} must come with `latency`, a "
                "device's table; make one with `dass latency`"
            )
