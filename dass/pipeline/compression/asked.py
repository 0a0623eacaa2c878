"""What is asked of a compression, as a value: images, budget, time.

Knows nothing of how it is done.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

from dass.data.source_names import canonical
from dass.data.task_config import TaskConfig
from dass.errors import InvalidConfig
from dass.networks.teacher import Teacher
from dass.space.cost import Budget, check_fraction

DEFAULT_FRACTION = 0.5
"""Of the largest student's FLOPs, where no limit is given."""


LATER = ("balanced", "unlabelled")
"""Settings that earlier versions did not have."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """Which images, what a student may cost, and how long it may take."""

    task: TaskConfig
    """The images and how they are divided."""
    max_flops: int | None = None
    """Most multiply-adds of one forward pass at the student's image size; > 0."""
    max_flops_fraction: float | None = None
    """The same as a fraction of the largest student's, in (0, 1]; a half without any limit."""
    max_parameters: int | None = None
    """Most trainable parameters; > 0."""
    student_size: int | None = None
    """Rows and columns of the student's images; None for the smaller of the pictures' and 64."""
    minutes: float = 15.0
    """What it may take; sets how many students are verified and how long the last training is."""
    verify: int | None = None
    """Students that are trained briefly before one is chosen; None for as many as time allows."""
    epochs: int | None = None
    """Epochs of the last training; None for as many as time allows."""
    views: int | None = None
    """Augmented copies of each picture that the teacher is asked about; None by time, 1 to 4."""
    rivals: bool = False
    """Train the largest student in the budget and a uniformly slimmed one as well."""
    candidates: int = 1000
    """Students that the search scores; >= 1."""
    seed: int = 0
    """Equal seeds, equal answers."""
    balanced: bool = False
    """Weigh classes by the inverse of their number of images, and judge by balanced accuracy."""
    unlabelled: bool = False
    """The images are a folder of pictures without classes: learn from the teacher alone, and
    measure agreement with its answers."""
    data_root: str = "data"
    """Folder of torchvision's datasets."""

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            InvalidConfig: one is out of range, or two contradict each other.
        """
        if self.max_flops is not None and self.max_flops_fraction is not None:
            raise InvalidConfig(
                "`max_flops` and `max_flops_fraction` must not both be given, but got "
                f"{self.max_flops} and {self.max_flops_fraction}: leave one out"
            )
        check_fraction(self.max_flops_fraction, "max_flops_fraction")
        Budget(max_flops=self.max_flops, max_parameters=self.max_parameters)
        if not 0 < self.minutes < 1e5:
            raise InvalidConfig(f"`minutes > 0` must hold, but got {self.minutes}: give 15, say")
        least = {"student_size": 8, "verify": 0, "epochs": 1, "views": 1, "candidates": 1}
        for name, lowest in least.items():
            value = getattr(self, name)
            if value is not None and value < lowest:
                raise InvalidConfig(f"`{name} >= {lowest}` must hold, but got {value}: raise it")
        if self.unlabelled:
            self._check_unlabelled()

    def _check_unlabelled(self) -> None:
        if self.balanced:
            raise InvalidConfig(
                "`balanced` must be off for images without classes, whose labels are not learned "
                "from, but both are set: leave one out"
            )
        task = self.task
        for place in (task.source, task.validation, task.test):
            if place and canonical(place)[0] != "folder":
                raise InvalidConfig(
                    f"images without classes must be a folder of pictures, but got {place!r}: "
                    f"write `folder:PATH`, or leave `unlabelled` out"
                )
        if task.classes is not None or task.only or task.exclude:
            raise InvalidConfig(
                "`classes`, `only` and `exclude` must be left out for images without classes, but "
                f"got {task.classes}, {task.only} and {task.exclude}"
            )

    def budget(self, teacher: Teacher) -> Budget:
        """Return the budget in absolute numbers; `teacher` is the largest student."""
        fraction = self.max_flops_fraction
        if (self.max_flops, fraction, self.max_parameters) == (None, None, None):
            fraction = DEFAULT_FRACTION
        flops = self.max_flops
        if fraction is not None:
            flops = Budget.of(teacher, flops=fraction).max_flops
        return Budget(max_flops=flops, max_parameters=self.max_parameters)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as values of JSON; later ones only off their default, so that a run
        of an earlier version goes on.
        """
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        for name in LATER:
            if not fields[name]:
                del fields[name]
        plain: dict[str, Any] = json.loads(json.dumps(fields | {"task": self.task.to_dict()}))
        return plain
