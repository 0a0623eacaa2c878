"""What is compared, as a value. Knows nothing of how anything is scored."""

from __future__ import annotations

from dataclasses import dataclass

from dass.training.recipe import Recipe

PROBE = "one epoch of KD"
"""The scorer that trains every student shortly."""

PROXIES = (
    *("SynFlow (log)", "NASWOT, 128 images", "Zen"),
    *("DisWOT (N(0, 1))", "DisWOT semantic", "DisWOT relation"),
    PROBE,
)
"""Expensive scorers, by the names that tables give them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluateConfig:
    """Which predictors to compare, on which store."""

    store: str
    """Where records, teachers and predictors are: a folder, or s3://bucket/prefix."""
    space: str
    """Search space of the records."""
    student: Recipe
    """Recipe of the labels."""
    predictor: str = "predictor"
    """The predictor that is judged."""
    first: bool = True
    """Whether the first comparison is made, on unseen tasks whose teachers and images are at hand;
    if not, the second is shown alone."""
    others: tuple[str, ...] = ()
    """Further predictors of the store to show: the reconstructed one, ablations."""
    proxies: tuple[str, ...] = PROXIES
    """Expensive scorers to compare with; of those kept in the store, nothing is computed."""
    pool: int = 24
    """Size of the build's pool: tells architectures seen in meta-training from others."""
    pool_seed: int = 0
    """Seed of the build."""
    name: str = "evidence"
    """Name of the result."""
    into: str | None = None
    """Where the result goes: a folder, or s3://bucket/prefix; `None` for the store itself."""
    rendered: bool = False
    """Whether rendered domains are tasks of the first comparison too; they are of the second."""
    data_root: str = "data"
    """Where torchvision datasets are."""
