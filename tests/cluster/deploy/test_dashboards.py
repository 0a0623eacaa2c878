"""The files of the monitoring are those the tables give, and ask for metrics that there are."""

import re
from pathlib import Path

from cluster.deploy.alerts import ALERTS, SERVICE_ALERTS
from cluster.deploy.dashboards import FOLDER, dashboard, files
from cluster.deploy.panels import PANELS, SERVICE_PANELS

ROOT = Path(__file__).parents[3]
SUFFIXES = ("_total", "_bucket", "_count", "_sum")


def test_the_files_are_what_the_tables_give():
    for name, text in files().items():
        assert (FOLDER / name).read_text() == text, "run `python -m cluster.deploy.dashboards`"
    assert {path.name for path in FOLDER.iterdir()} == set(files())


def test_every_metric_of_ours_that_is_asked_for_is_measured():
    homes = (ROOT / "cluster" / "metrics.py", ROOT / "cluster" / "fleet" / "meters.py")
    source = "".join(home.read_text() for home in homes)
    queries = [panel.query for panel in PANELS + SERVICE_PANELS] + [
        alert.query for alert in ALERTS
    ]
    asked = {name for query in queries for name in re.findall(r"ray_(dass_\w+)", query)}
    assert len(asked) > 5
    for name in asked:
        for suffix in SUFFIXES:
            name = name.removesuffix(suffix)
        whole = re.fullmatch(r"dass_(group|node)_(attempts|seconds)", name)
        assert whole or f'"{name}"' in source, name


def test_the_runbook_has_an_entry_for_every_alert():
    text = (ROOT / "docs" / "operations.md").read_text()
    assert [a.name for a in (*ALERTS, *SERVICE_ALERTS) if a.name not in text] == []


def test_no_two_panels_lie_on_one_another():
    places = [tuple(panel["gridPos"].values()) for panel in dashboard()["panels"]]
    assert len(set(places)) == len(places)
