"""What `jobs.cross_validate` is told: which predictor is fitted anew, and what stays sealed."""

from __future__ import annotations

from dataclasses import dataclass

from jobs.configs.train import TrainConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class CrossValidateConfig:
    """Which predictor is fitted anew without each fold of origins, and what stays sealed."""

    train: TrainConfig
    """Store, space, recipe, and how the predictor is made; `folds >= 2` must hold. Nothing is
    learned from the groups of `without`: they are sealed. Without `hear` no network is trained."""
    open_sealed: bool = False
    """Whether the students of sealed groups are scored too: once, at the end."""
    data_root: str = "data"
    """Folder of datasets, for images on which it is measured what students inherit."""
    beside: str = ""
    """A store of labels in another space and of a predictor of size, shape and teacher: what they
    teach of students of this space is shown too; empty for none."""
    replay: bool = False
    """In place of scores: play the verification of students from the recorded learning curves of
    tasks left out, and keep `evaluations/verification.json`. Never of sealed groups."""
    into: str | None = None
    """Where scores go: a folder, or s3://bucket/prefix; `None` for the store itself."""
    name: str = "left-out"
    """Name of the table of scores."""
