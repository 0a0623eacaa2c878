"""A teacher: a trained largest member of a space, and how accurate it is.

A distillation-aware task *is* a teacher: everything downstream takes one. Its images are not
needed to search, so it carries only the recipe for finding them.
"""

from __future__ import annotations

from dataclasses import dataclass

from dass.data.task_config import TaskConfig
from dass.errors import InvalidConfig
from dass.networks.resnet import ResNet


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Teacher:
    """Trained network, its accuracies, and the task it was trained on."""

    name: str
    """Identity in records; names its task, recipe and seed."""
    network: ResNet
    """The largest member of its space, trained."""
    accuracy: float
    """On the validation part; a fraction in (0, 1]. What the predictor adapts to."""
    test_accuracy: float | None = None
    """On the test part, a fraction, for reports; `None` where it was not measured."""
    task: TaskConfig | None = None
    """What it was trained on; `None` for a network that came without images."""

    def __post_init__(self) -> None:
        if not 0 < self.accuracy <= 1:
            raise InvalidConfig(
                f"a teacher's accuracy must be a fraction in (0, 1], but got {self.accuracy}; "
                "give 0.73 for 73 %"
            )
        space = self.network.space
        if self.network.architecture != space.largest:
            raise InvalidConfig(
                f"a teacher must be the largest member of space {space.name!r}, {space.largest}, "
                f"but got {self.network.architecture}; distil it into that one first"
            )

    @property
    def flops(self) -> int:
        """Multiply-adds of one forward pass at the space's image size, classifier included."""
        network = self.network
        costs = network.space.flops([network.architecture], num_classes=network.num_classes)
        return int(costs[0])

    @property
    def parameters(self) -> int:
        """Trainable parameters, classifier included."""
        network = self.network
        costs = network.space.parameters([network.architecture], num_classes=network.num_classes)
        return int(costs[0])
