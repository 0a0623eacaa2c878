"""Where the shipped files lie, and what the shipped predictor is called."""

from __future__ import annotations

from pathlib import Path

_INSIDE = Path(__file__).resolve().with_name("shipped")

ROOT = _INSIDE if _INSIDE.is_dir() else _INSIDE.parents[2] / "zoo"
"""Where the files lie: `zoo/` beside the package in a checkout of the project, `shipped/` in it
where it was installed from a wheel (`force-include` in pyproject.toml says how much of it that
is). `shipped/` comes first: a folder `zoo` beside an installed package may be another's, and a
checkout has no `shipped/`."""

SHIPPED = "predictor"
"""Name of the shipped predictor, and of a store's own unless it is called otherwise."""
