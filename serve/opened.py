"""What the settings of a deployment stand for, opened: its limits, its registry, its jobs.

Knows nothing of Ray, nor of requests.
"""

from __future__ import annotations

from dataclasses import dataclass

from dass.registry.registry import Registry
from dass.store.store import Store
from serve.job_store import Jobs
from serve.limits import Limits
from serve.settings import Settings


@dataclass(frozen=True, kw_only=True, slots=True)
class Opened:
    """What every process of a deployment reads and writes."""

    limits: Limits
    registry: Registry
    jobs: Jobs

    @classmethod
    def of(cls, settings: Settings) -> Opened:
        """Open what settings name; none of it need be there yet."""
        limits, store = Limits(**settings.limits), Store(settings.store)  # type: ignore[arg-type]
        jobs = Jobs(store, limits, data=settings.data, at_once=settings.jobs,
                    predictor=settings.predictor)  # fmt: skip
        return cls(limits=limits, registry=Registry(store), jobs=jobs)
