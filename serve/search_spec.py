"""What to search for, as plain values, and the budget that they stand for.

Knows nothing of how a search came, nor of who searches.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from dass.errors import InvalidConfig
from dass.searching.evolution_config import SearchConfig
from dass.space.cost import Budget, check_fraction
from serve.latency_tables import Clock, LatencyTables
from serve.scoring import Support
from serve.teacher_facts import TeacherFacts


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchSpec:
    """What to search for: the plain values of a request."""

    teacher: str
    max_flops: int | None = None
    max_flops_fraction: float | None = None
    """The same as a fraction of the teacher's, in (0, 1]."""
    max_parameters: int | None = None
    config: SearchConfig = field(default_factory=SearchConfig)
    support: tuple[Support, ...] = ()
    max_latency_ms: float | None = None
    """Most milliseconds of a pass, by `latency_table`."""
    latency_table: str | None = None
    precision: str = "float32"
    batch: int = 1
    clock: Clock | None = None
    """What `latency_table` predicts by, once it was read; see `timed`."""


def timed(
    spec: SearchSpec, tables: LatencyTables, facts: Callable[[str], TeacherFacts]
) -> SearchSpec:
    """Return a search with what predicts its milliseconds, read once for all of it.

    Args:
        spec: the search.
        tables: where its table is.
        facts: of a teacher, by its name.

    Raises:
        UnknownName: there is no such table, or no such teacher.
        InvalidConfig: the table has not measured that, or none says what a limit means.
    """
    if spec.latency_table is None:
        if spec.max_latency_ms is not None:
            raise InvalidConfig(
                f"`max_latency_ms` of {spec.max_latency_ms:g} must come with `latency_table`, "
                "the name of one that predicts milliseconds; list the latency tables"
            )
        return spec
    if spec.clock is not None:
        return spec
    clock = tables.clock(
        spec.latency_table,
        batch=spec.batch,
        precision=spec.precision,
        classes=facts(spec.teacher).classes,
    )
    return replace(spec, clock=clock)


def budget_of(spec: SearchSpec, facts: TeacherFacts) -> Budget:
    """Return the budget of a search in absolute numbers; of milliseconds by its clock.

    Raises:
        InvalidConfig: two limits contradict each other, or one is none.
    """
    fraction, flops = spec.max_flops_fraction, spec.max_flops
    if fraction is not None:
        if flops is not None:
            raise InvalidConfig(
                "`max_flops` and `max_flops_share` must not both be given, but got "
                f"{flops} and {fraction}"
            )
        check_fraction(fraction, "max_flops_share")
        flops = Budget.of(facts, flops=fraction).max_flops
    return Budget(
        max_flops=flops,
        max_parameters=spec.max_parameters,
        max_latency_ms=spec.max_latency_ms,
        latency=None if spec.clock is None else spec.clock.model,
    )
