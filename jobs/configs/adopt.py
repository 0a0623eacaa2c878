"""What `jobs.adopt` is told: which weights, and the images they were trained on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from dass.data.task_config import Role, TaskConfig
from dass.errors import InvalidConfig
from dass.space.names import check_name


@dataclass(frozen=True, kw_only=True, slots=True)
class AdoptConfig:
    """Which weights, and the images they were trained on."""

    store: str
    """Where the teacher goes: a folder, or s3://bucket/prefix."""
    space: str
    """Search space whose largest member it is: micro, small, paper, or a derived one such as
    resnet18@64, for torchvision's own."""
    weights: str = ""
    """Your teacher: a safetensors file with the parameter names of torchvision's ResNet."""
    task: TaskConfig = field(default_factory=lambda: TaskConfig(source="digits"))
    """Which images, divided how; hold out validation images it was not trained on."""
    source: str = ""
    """The images it was trained on: folder:PATH, npz:PATH, rendered:NAME, digits, fashion or a
    torchvision dataset's name; empty for those that the task names."""
    val: str = ""
    """Images of the same classes to validate on, folder:PATH or npz:PATH; empty for those of the
    source, or a share of its training images."""
    test: str = ""
    """Images of the same classes to report on, which nothing else ever sees, folder:PATH or
    npz:PATH; empty for those of the source, or a share of it."""
    mean: tuple[float, float, float] | None = None
    """What its pixels of 0 to 1 were normalised by in training; None for this project's 0.5. For
    torchvision's weights 0.485 0.456 0.406."""
    std: tuple[float, float, float] | None = None
    """What they were divided by; None for 0.5. For torchvision's weights 0.229 0.224 0.225."""
    channels: Literal["RGB", "BGR"] = "RGB"
    """Order of the channels that it was trained with."""
    role: Role = "train"
    """What meta-training may do with the task."""
    data_root: str = "data"
    """Where torchvision datasets are downloaded to."""

    def __post_init__(self) -> None:
        check_name(self.space)
        if self.std is not None and min(self.std) <= 0:
            raise InvalidConfig(
                f"`std > 0` must hold for every channel, but got {self.std}: give what pixels of "
                f"0 to 1 were divided by, 0.229 0.224 0.225 say"
            )
