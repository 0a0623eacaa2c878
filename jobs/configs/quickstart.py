"""What `jobs.quickstart` is told: what the contest is held with."""

from __future__ import annotations

from dataclasses import dataclass, field

from dass.data.task_config import TaskConfig
from dass.errors import InvalidConfig
from jobs.configs.build import BuildConfig
from jobs.configs.contest import ContestConfig
from jobs.configs.train import TrainConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class ShippedConfig:
    """A teacher of the zoo, and the name that it gets in the store."""

    teacher: str
    """Its name in the zoo."""
    name: str
    """Its name in the store."""
    task: TaskConfig
    """Where its images are; they must be those it was trained on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class QuickstartConfig:
    """Where teacher and predictor come from, and the contest that is held."""

    build: BuildConfig
    """Store, space, recipes and workers; its tasks, if it has any, are what a predictor learns
    from first, and the teacher of the unseen one is searched."""
    train: TrainConfig | None = None
    """How the predictor learns; `None` takes the shipped one."""
    shipped: ShippedConfig | None = None
    """The teacher of the contest; `None` takes the build's unseen one."""
    contest: ContestConfig = field(default_factory=ContestConfig)
    """Budgets, search and seeds."""
    report: str = "report.html"
    """Where the page goes: a local path."""
    note: str
    """What the reader must know of the figures."""
    next_line: str
    """What to run after it."""

    def __post_init__(self) -> None:
        if (self.train is None) != bool(self.shipped) or (self.train is None) == bool(
            self.build.splits
        ):
            raise InvalidConfig(
                "a first run must either learn (`train` and tasks in `build.splits`) or take what "
                f"is shipped (`shipped` alone), but got {len(self.build.splits)} groups of tasks, "
                f"{'a' if self.train else 'no'} `train` and {'a' if self.shipped else 'no'} "
                "`shipped`"
            )
