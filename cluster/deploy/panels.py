"""What there is to watch: the panels of the dashboard, as a table; `alerts.py` has the alerts.

Names are those of cluster/metrics.py and cluster/fleet/meters.py with Ray's prefix; a panel asks
for rates over five minutes, so that a counter that starts anew with its process does no harm.
Knows nothing of the files that Grafana and Prometheus read (`dashboards.py`).
"""

from dataclasses import dataclass

WINDOW = "5m"
"""Over which rates are taken; longer than several scrapes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Panel:
    """One plot of the dashboard."""

    title: str
    unit: str
    """As Grafana names it."""
    query: str
    legend: str = ""
    """Label by which curves are told apart; empty for one curve."""
    row: str = "build"
    """Part of the product that must have run for it to show anything; `fails` where it failed."""


def rate_of(metric: str, by: str = "", *, window: str = WINDOW) -> str:
    """Return the query of a counter's increase a second, summed by a label or in all."""
    rate = f"rate({metric}[{window}])"
    return f"sum by ({by}) ({rate})" if by else f"sum({rate})"


def quantile_of(q: float, metric: str, by: str = "") -> str:
    """Return the query of a histogram's quantile."""
    labels = f"{by}, le" if by else "le"
    return f"histogram_quantile({q}, {rate_of(f'{metric}_bucket', labels)})"


STUDENTS = 'ray_dass_jobs_done_total{kind="student"}'
DONE, FAILED = rate_of("ray_dass_jobs_done_total"), rate_of("ray_dass_jobs_failed_total")


def slowness_of(window: str, *, past: str = "") -> str:
    """Return seconds a unit of planned cost, by node: of every size of student the same number."""
    done, offset = 'kind="student"', f" offset {past}" if past else ""
    seconds, cost = (
        f"sum by (node) (rate({metric}{{{done}}}[{window}]{offset}))"
        for metric in ("ray_dass_node_done_seconds_total", "ray_dass_node_cost_total")
    )
    return f"({seconds} / ({cost} > 0))"


WAITING, RUNNING = "max(ray_dass_queue_length)", "max(ray_dass_jobs_running)"

PANELS = (
    Panel(title="Students an hour", unit="short", query=f"3600 * {rate_of(STUDENTS)}"),
    Panel(title="Jobs that wait", unit="short", query=WAITING),
    Panel(title="Jobs that run", unit="short", query=RUNNING),
    Panel(
        title="Attempts by how they ended, a minute",
        unit="short",
        query="60 * sum by (verdict) (rate(ray_dass_job_seconds_count[5m]))",
        legend="verdict",
    ),
    Panel(
        title="Seconds of an attempt, median",
        unit="s",
        query=quantile_of(0.5, "ray_dass_job_seconds"),
    ),
    Panel(
        title="Seconds of an attempt, 99th percentile",
        unit="s",
        query=quantile_of(0.99, "ray_dass_job_seconds"),
    ),
    Panel(
        title="Images trained on, a second",
        unit="short",
        query=rate_of("ray_dass_images_total", "kind"),
        legend="kind",
    ),
    Panel(
        title="Cost: core- or GPU-hours of jobs, in the last hour",
        unit="h",
        query="sum(increase(ray_dass_job_seconds_sum[1h])) / 3600",
    ),
    Panel(
        title="Time left at this rate",
        unit="s",
        query=f"({WAITING} + {RUNNING}) / ({DONE} > 0)",
    ),
    Panel(
        title="Jobs left, by teacher",
        unit="short",
        query="topk(20, max by (group) (ray_dass_group_left) > 0)",
        legend="group",
    ),
    Panel(
        title="Cost by teacher: worker-hours in the last six hours",
        unit="h",
        query="topk(20, sum by (group) (increase(ray_dass_group_seconds_total[6h])) / 3600)",
        legend="group",
    ),
    Panel(
        title="Attempts that did not succeed, by teacher, an hour",
        unit="short",
        query="topk(20, 3600 * sum by (group) "
        '(rate(ray_dass_group_attempts_total{verdict!="done"}[30m])))',
        legend="group",
        row="fails",
    ),
    Panel(
        title="Jobs done, by node, an hour",
        unit="short",
        query='3600 * sum by (node) (rate(ray_dass_node_attempts_total{verdict="done"}[5m]))',
        legend="node",
    ),
    Panel(
        title="Cost by node: worker-hours in the last hour",
        unit="h",
        query="sum by (node) (increase(ray_dass_node_seconds_total[1h])) / 3600",
        legend="node",
    ),
    Panel(
        title="Attempts that did not succeed, by node, an hour",
        unit="short",
        query='3600 * sum by (node) (rate(ray_dass_node_attempts_total{verdict!="done"}[30m]))',
        legend="node",
        row="fails",
    ),
    Panel(
        title="Slowness of a node: seconds a unit of cost, against the fleet's median",
        unit="short",
        query=f"{slowness_of('30m')} / scalar(quantile(0.5, {slowness_of('30m')}))",
        legend="node",
    ),
    Panel(
        title="Nodes alive",
        unit="short",
        query='count(count by (instance) (ray_node_mem_total{instance!=""}))',
        row="ray",
    ),
    Panel(
        title="Node memory used",
        unit="percentunit",
        query="max by (instance) (ray_node_mem_used / ray_node_mem_total)",
        legend="instance",
        row="ray",
    ),
    Panel(
        title="Disk used: logs and spilled objects",
        unit="percent",
        query="max by (instance) (ray_node_disk_utilization_percentage)",
        legend="instance",
        row="ray",
    ),
    Panel(
        title="Workers, trials and replicas by state",
        unit="short",
        query="sum by (State) (ray_actors)",
        legend="State",
        row="ray",
    ),
    Panel(
        title="Tune: episodes of all trials, a second",
        unit="short",
        query=rate_of("ray_dass_tune_episodes_total"),
        row="tune",
    ),
    Panel(
        title="Tune: episodes by node, a second",
        unit="short",
        query=rate_of("ray_dass_tune_episodes_total", "instance"),
        legend="instance",
        row="tune",
    ),
    Panel(
        title="Tune: cost, core-hours of trials in the last hour",
        unit="h",
        query="sum(increase(ray_dass_tune_seconds_total[1h])) / 3600",
        row="tune",
    ),
    Panel(
        title="Tune: trials that raised, in the last hour",
        unit="short",
        query="sum(increase(ray_dass_tune_failed_total[1h]))",
        row="fails",
    ),
    Panel(
        title="Tune: best objective of the trials that run",
        unit="short",
        query="max(ray_dass_tune_best)",
        row="tune",
    ),
)

HTTP_MS, GRPC_MS = (f"ray_serve_{protocol}_request_latency_ms" for protocol in ("http", "grpc"))

SERVICE_PANELS = (
    Panel(
        title="HTTP requests a second",
        unit="reqps",
        query=rate_of("ray_serve_num_http_requests_total", "route"),
        legend="route",
        row="serve",
    ),
    Panel(
        title="gRPC calls a second",
        unit="reqps",
        query=rate_of("ray_serve_num_grpc_requests_total", "method"),
        legend="method",
        row="serve",
    ),
    Panel(
        title="HTTP latency, 99th percentile",
        unit="ms",
        query=quantile_of(0.99, HTTP_MS, "route"),
        legend="route",
        row="serve",
    ),
    Panel(
        title="gRPC latency, 99th percentile",
        unit="ms",
        query=quantile_of(0.99, GRPC_MS, "method"),
        legend="method",
        row="serve",
    ),
    Panel(
        title="Candidates scored, a second",
        unit="short",
        query=rate_of("ray_dass_candidates_total"),
        row="serve",
    ),
    Panel(
        title="Calls of each deployment, a second",
        unit="reqps",
        query=rate_of("ray_serve_deployment_request_counter_total", "deployment"),
        legend="deployment",
        row="serve",
    ),
)
