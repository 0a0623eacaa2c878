"""Many short jobs through one queue, or one long one by several workers: the table of contents.

Names are imported when they are first asked for: importing this package imports neither torch nor
Ray, and the local runner works where Ray is not installed.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cluster.fleet.child import Work
    from cluster.fleet.ddp import TrainingFunction, train_data_parallel
    from cluster.fleet.groups import run_on_ray
    from cluster.fleet.job import Failure, FleetError, Job, Outcome, Placement
    from cluster.fleet.local import Show, run_inline

__all__ = [
    "Failure",
    "FleetError",
    "Job",
    "Outcome",
    "Placement",
    "Show",
    "TrainingFunction",
    "Work",
    "run_inline",
    "run_on_ray",
    "train_data_parallel",
]

_HOMES = {
    "child": {"Work"},
    "ddp": {"TrainingFunction", "train_data_parallel"},
    "groups": {"run_on_ray"},
    "job": {"Failure", "FleetError", "Job", "Outcome", "Placement"},
    "local": {"Show", "run_inline"},
}
"""Which module of this package a name comes from."""


def __getattr__(name: str) -> object:
    """Return what stands under a name, importing the module it comes from."""
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the names of the table."""
    return __all__
