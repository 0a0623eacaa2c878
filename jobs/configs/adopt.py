"""What `jobs.adopt` is told: which weights, and the images they were trained on."""

from __future__ import annotations

from dataclasses import dataclass, field

from dass.data.task_config import Role, TaskConfig
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
    role: Role = "train"
    """What meta-training may do with the task."""
    data_root: str = "data"
    """Where torchvision datasets are downloaded to."""

    def __post_init__(self) -> None:
        check_name(self.space)
