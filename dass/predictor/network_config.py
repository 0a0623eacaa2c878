"""What a predictor is made of, and what its predictions hold for, as values.

Knows nothing of weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from dass.errors import InvalidConfig
from dass.space.names import check_name

Scale = Literal["percent", "fraction", "relative"]


@dataclass(frozen=True, kw_only=True, slots=True)
class PredictorShape:
    """What a predictor is made of and what it reads, whatever it is trained on."""

    hidden: int = 128
    """Channels after the first convolution."""
    features: int = 256
    """Channels after the second convolution."""
    code_features: int = 64
    """Features of the encoding."""
    head: int = 64
    """Width of the head."""
    use_teacher: bool = True
    """Whether it sees the teacher's feature map (else zeros): an ablation."""
    use_student: bool = True
    """Whether it sees the student's feature map (else zeros): an ablation."""
    adapt: bool = True
    """Whether it adapts to the support: an ablation."""
    describe: bool = False
    """Whether the encoding is joined by the student's size and shape; not published."""
    initial_step: float = 0.005
    """Inner step size of every parameter before meta-training; > 0."""
    scale: Scale = "percent"
    """Unit of the targets: `percent` as published, `fraction`, or `relative`: the difference to
    the teacher's accuracy in units of `spread`."""

    def __post_init__(self) -> None:
        for name in ("hidden", "features", "code_features", "head", "initial_step"):
            _check_positive(name, getattr(self, name))
        if self.scale not in get_args(Scale):
            raise InvalidConfig(
                f"`scale` must be one of {get_args(Scale)}, but got {self.scale!r}"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class PredictorConfig(PredictorShape):
    """A predictor's shape, and the one space and recipe that its predictions hold for."""

    space: str
    """Name of the search space; fixes the sizes of feature maps and encodings."""
    recipe: str
    """Name of the student recipe that labelled the meta-dataset."""
    spread: float = 0.01
    """Typical standard deviation of accuracies within a task, a fraction; > 0."""

    def __post_init__(self) -> None:
        check_name(self.space)
        # By name: a class with slots is made anew, and a bare `super()` means the one before.
        PredictorShape.__post_init__(self)
        _check_positive("spread", self.spread)


def _check_positive(name: str, value: int | float) -> None:
    if not 0 < value < float("inf"):
        raise InvalidConfig(f"`{name} > 0` must hold and be finite, but got {value}")
