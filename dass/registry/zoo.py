"""What the project ships: measured students, their teachers, and the predictor.

    from dass import zoo
    zoo.records()
    predictor, card = zoo.predictor()

A folder of files that is only read: the checkout's `zoo/`, or what a wheel has of it. Knows
nothing of how they were made.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from dass.networks.teacher import Teacher
from dass.predictor.ensemble import Ensemble
from dass.predictor.records import to_frame
from dass.registry.registry import Registry
from dass.store.store import Store

_INSIDE = Path(__file__).resolve().with_name("shipped")
ROOT = _INSIDE if _INSIDE.is_dir() else _INSIDE.parents[2] / "zoo"
"""Where the files lie: `zoo/` beside the package in a checkout of the project, `shipped/` in it
where it was installed from a wheel (`force-include` in pyproject.toml says how much of it that
is). `shipped/` comes first: a folder `zoo` beside an installed package may be another's, and a
checkout has no `shipped/`."""


def registry(root: Path | str = ROOT) -> Registry:
    """Return typed access to the shipped files, or to another folder of that layout."""
    return Registry(Store(str(root), read_only=True))


def records(root: Path | str = ROOT) -> pd.DataFrame:
    """Return the meta-dataset: a row per measured student."""
    return to_frame(registry(root).records())


def predictor(name: str = "predictor", root: Path | str = ROOT) -> tuple[Ensemble, dict[str, Any]]:
    """Return a shipped predictor and its card.

    Raises:
        UnknownName: lists the predictors there are.
    """
    return registry(root).predictor(name)


def teachers(root: Path | str = ROOT) -> list[str]:
    """Return the names of the shipped teachers."""
    return registry(root).teachers()


def teacher(name: str, root: Path | str = ROOT) -> Teacher:
    """Return a shipped teacher; its weights are half precision made single.

    Raises:
        UnknownName: lists the teachers there are.
    """
    return registry(root).teacher(name)
