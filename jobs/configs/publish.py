"""What `jobs.publish` is told: from where to where."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishConfig:
    """From where to where."""

    store: str
    """What was built: a folder, or s3://bucket/prefix."""
    space: str
    """Space of the records."""
    into: str = "zoo"
    """The folder to ship."""
    predictors: tuple[str, ...] = (
        "predictor", "reconstructed", "no-teacher", "no-student", "no-adaptation", "no-description"
    )  # fmt: skip
    """Those that are shipped, as far as there are; the first one is the predictor."""
    teachers: bool = True
    """Whether teachers go along."""
    weights: bool = True
    """Whether those of validation and test tasks do so with their weights; if not, all go along
    as the others do, as feature maps."""
    students: bool = True
    """Whether feature maps of teachers come with those of their students, so that predictors can
    be trained on the folder; without them a teacher's are a few kilobytes."""
    most_megabytes: int = 80
    """How large the folder may become."""
