"""Print what a Prometheus and a Grafana need to watch a cluster: rules, scrape targets, dashboard.

    python -m cluster.deploy.dashboards          # writes cluster/deploy/monitoring/

The tables of panels and alerts (`panels.py`, `alerts.py`) are the source; the files are derived,
and a test compares them. Knows nothing of what a panel asks for.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from cluster.deploy.alerts import ALERTS, SERVICE_ALERTS, Alert
from cluster.deploy.panels import PANELS, SERVICE_PANELS, Panel

FOLDER = Path(__file__).parent / "monitoring"


def dashboard(panels: tuple[Panel, ...] = PANELS + SERVICE_PANELS) -> dict[str, Any]:
    """Return the dashboard as Grafana imports it: two panels a line."""
    return {
        "uid": "dass",
        "title": "DaSS on Ray",
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {
            "list": [{"name": "source", "type": "datasource", "query": "prometheus"}],
        },
        "panels": [
            {
                "id": i + 1,
                "type": "timeseries",
                "title": panel.title,
                "datasource": {"type": "prometheus", "uid": "${source}"},
                "gridPos": {"x": 12 * (i % 2), "y": 8 * (i // 2), "w": 12, "h": 8},
                "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
                "targets": [
                    {
                        "refId": "A",
                        "expr": panel.query,
                        "legendFormat": f"{{{{{panel.legend}}}}}" if panel.legend else panel.title,
                    }
                ],
            }
            for i, panel in enumerate(panels)
        ],
    }


def rules(alerts: tuple[Alert, ...] = ALERTS + SERVICE_ALERTS) -> dict[str, Any]:
    """Return the alerts as Prometheus loads them."""
    return {
        "groups": [
            {
                "name": "dass",
                "rules": [
                    {
                        "alert": alert.name,
                        "expr": alert.query,
                        "for": f"{alert.minutes}m",
                        "labels": {"severity": alert.severity},
                        "annotations": {
                            "summary": alert.summary,
                            "runbook": f"docs/operations.md, {alert.name}",
                        },
                    }
                    for alert in alerts
                ],
            }
        ]
    }


def settings() -> dict[str, Any]:
    """Return what a Prometheus on the head runs with: Ray itself tells it the nodes."""
    return {
        "global": {"scrape_interval": "15s", "evaluation_interval": "15s"},
        "rule_files": ["alerts.yaml"],
        "scrape_configs": [
            {
                "job_name": "ray",
                "file_sd_configs": [{"files": ["/tmp/ray/prom_metrics_service_discovery.json"]}],
            }
        ],
    }


def files() -> dict[str, str]:
    """Return the text of every file by its name."""
    return {
        "dashboard.json": json.dumps(dashboard(), indent=1) + "\n",
        "alerts.yaml": str(yaml.safe_dump(rules(), sort_keys=False, width=100)),
        "prometheus.yaml": str(yaml.safe_dump(settings(), sort_keys=False, width=100)),
    }


def main() -> None:
    """Write the files."""
    FOLDER.mkdir(exist_ok=True)
    for name, text in files().items():
        (FOLDER / name).write_text(text)
        print(FOLDER / name)


if __name__ == "__main__":
    main()
