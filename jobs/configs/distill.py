"""What `jobs.distill` is told: which student of which teacher."""

from __future__ import annotations

from dataclasses import dataclass, field

from dass.training.recipe import Recipe


@dataclass(frozen=True, kw_only=True, slots=True)
class DistillConfig:
    """Which student of which teacher."""

    store: str
    """Where the teacher is and the student goes: a folder, or s3://bucket/prefix."""
    teacher: str = ""
    """Name of a teacher in the store."""
    architecture: str = ""
    """The student, as `jobs.search` prints it."""
    recipe: Recipe = field(default_factory=Recipe)
    """How it is distilled; predictions hold for the recipe that the predictor was trained on."""
    recipe_name: str = ""
    """Name of a recipe in the store, or a shipped one, that takes the place of `recipe`; `dass
    search` prints that of its predictor."""
    seed: int = 0
    """Seed of order, augmentation and views."""
    device: str = "cpu"
    """cpu or cuda."""
    data_root: str = "data"
    """Where torchvision datasets are."""
