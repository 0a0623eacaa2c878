"""What someone must look at: the alerts, as a table. docs/operations.md says what to do.

Knows nothing of the files that Prometheus reads (`dashboards.py`).
"""

from dataclasses import dataclass

from cluster.deploy.panels import (
    DONE,
    FAILED,
    GRPC_MS,
    HTTP_MS,
    RUNNING,
    WAITING,
    quantile_of,
    rate_of,
    slowness_of,
)

SLOW = "1.5"
"""How many times as long a node may take for the same work."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Alert:
    """A condition that someone must look at; docs/operations.md says what to do."""

    name: str
    query: str
    minutes: int
    """For how long it must hold."""
    severity: str
    """`page` wakes someone, `ticket` waits for the morning."""
    summary: str


ALERTS = (
    Alert(
        name="BuildMakesNoProgress",
        query=f"{RUNNING} + {WAITING} > 0 unless sum(increase(ray_dass_jobs_done_total[15m])) > 0",
        minutes=15,
        severity="page",
        summary="jobs wait or run, but none was done for a quarter of an hour",
    ),
    Alert(
        name="BuildFailsOften",
        query=f"{FAILED} / ({DONE} + {FAILED} > 0) > 0.05",
        minutes=10,
        severity="ticket",
        summary="more than one job in twenty is given up after its last attempt",
    ),
    Alert(
        name="BuildLosesNodes",
        query=f"{rate_of('ray_dass_jobs_lost_total', window='30m')} / ({DONE} > 0) > 0.2",
        minutes=30,
        severity="ticket",
        summary="one attempt in five is lost with its node: the spot market is against us",
    ),
    Alert(
        name="StudentsGotSlower",
        query=f"{slowness_of('30m')} > {SLOW} * scalar(quantile(0.5, {slowness_of('30m')})) "
        f"or {slowness_of('30m')} > {SLOW} * {slowness_of('2h', past='1h')}",
        minutes=15,
        severity="ticket",
        summary="a node takes half as long again for the same work as the others, or as before",
    ),
    Alert(
        name="DiskFillsUp",
        query="max by (instance) (ray_node_disk_utilization_percentage) > 90",
        minutes=10,
        severity="page",
        summary="a node's disk is nearly full of logs or spilled objects",
    ),
    Alert(
        name="HeadRunsOutOfMemory",
        query='max(ray_node_mem_used{IsHeadNode="true"} / ray_node_mem_total{IsHeadNode="true"}) '
        "> 0.9",
        minutes=5,
        severity="page",
        summary="the head, which holds the queue, is nearly out of memory",
    ),
)


SERVICE_ALERTS = (
    Alert(
        name="ServiceIsSlow",
        query=f"{quantile_of(0.99, HTTP_MS)} > 30000 or {quantile_of(0.99, GRPC_MS)} > 30000",
        minutes=10,
        severity="page",
        summary="one request in a hundred takes longer than half a minute",
    ),
)
