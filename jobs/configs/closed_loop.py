"""What `jobs.closed_loop` is told: whose students to search, and how often to train them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from dass.errors import InvalidConfig
from dass.training.recipe import Recipe
from jobs.configs.build import BuildConfig
from jobs.configs.contest import ContestConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class ClosedLoopConfig:
    """Whose students to search, and how often to train them."""

    build: BuildConfig
    """Store, space, student recipe and workers."""
    predictor: str = "predictor"
    """Predictor in the store."""
    contest: ContestConfig = field(default_factory=ContestConfig)
    """Budgets, search and seeds."""
    epochs: int | None = None
    """Passes over the training images that each choice is trained for; `None` for those of the
    student recipe, which the predictor learned."""
    verify: int = 0
    """Students trained by the student recipe before one is chosen, by successive halving: one more
    competitor, "verified"; 0 for none."""
    look: int = 0
    """Best candidates of a search that are looked at once more with images: one more competitor,
    "looked at"; 0 for none."""
    groups: tuple[str, ...] = ()
    """Groups of origins whose test tasks are taken, as `dass.data.origins` has them; empty for
    all."""
    name: str = "closed-loop"
    """Of the table in the store, under evaluations/."""

    def __post_init__(self) -> None:
        if self.verify < 0 or self.look < 0 or (self.epochs is not None and self.epochs < 1):
            raise InvalidConfig(
                "`verify >= 0`, `look >= 0` and `epochs >= 1` must hold, but got "
                f"{self.verify}, {self.look} and {self.epochs}"
            )

    def trained(self) -> Recipe:
        """Return how the choices are trained."""
        student = self.build.student
        return student if self.epochs is None else replace(student, epochs=self.epochs)
