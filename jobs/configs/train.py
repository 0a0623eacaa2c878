"""What `jobs.train` is told: which records make a predictor, and how."""

from __future__ import annotations

from dataclasses import dataclass, field

from dass.data.task_config import Role
from dass.errors import InvalidConfig
from dass.predictor.meta_config import MetaConfig
from dass.predictor.network_config import PredictorShape
from dass.space.names import check_name


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainConfig:
    """Which records to meta-train on, and how."""

    store: str
    """Where records and teachers are and the predictor goes: a folder, or s3://bucket/prefix."""
    space: str
    """Search space of the records: micro, small, paper, or a derived one such as
    resnet18@64."""
    name: str = "predictor"
    """Name to publish it under; an existing one of that name is replaced."""
    recipe: str | None = None
    """Name of the student recipe to learn; `None` if the store's records have only one."""
    members: int = 3
    """Predictors in the ensemble, differing in seed; >= 1. Without `folds` only."""
    folds: int = 0
    """Folds of origins: a predictor is trained without each, and a surrogate hears what it says
    of that fold; >= 2, or 0 for predictors without a surrogate."""
    hear: bool = True
    """Whether what the predictors say is an input of the surrogate; without it students need not
    be embedded, and thousands are predicted in milliseconds."""
    roles: tuple[Role, ...] = ("train", "validation")
    """Tasks that a surrogate and its predictors learn from."""
    without: tuple[str, ...] = ()
    """Groups of origins, as `dass.data.origins` has them, that they do not learn from."""
    shape: PredictorShape = field(default_factory=PredictorShape)
    """What each of them is made of and what it reads."""
    reference: bool = True
    """Whether teachers unlike all of meta-training are recognised; their intervals are wider."""
    meta: MetaConfig = field(default_factory=MetaConfig)
    """Meta-training."""
    device: str = "cpu"
    """cpu or cuda."""

    def __post_init__(self) -> None:
        check_name(self.space)
        if self.members < 1:
            raise InvalidConfig(f"`members >= 1` must hold, but got {self.members}")
        if self.folds < 0 or self.folds == 1 or not self.roles:
            raise InvalidConfig(
                "`folds` must be 0 or >= 2, and `roles` name some tasks, but got "
                f"{self.folds} and {self.roles}"
            )

    @property
    def hears(self) -> bool:
        """Whether any network reads what students compute: without folds one always does."""
        return self.hear or not self.folds
