"""What the alerts say of recorded series, by Prometheus' own evaluation (`promtool`).

Series are minutes of counters as Ray exports them: from a start, so much more every minute.
"""

import os
import shutil
import subprocess

import pytest
import yaml

from cluster.deploy.alerts import ALERTS
from cluster.deploy.dashboards import FOLDER
from tests.hosts.machines import folders

PROMTOOL = shutil.which("promtool", path=os.pathsep.join([os.environ["PATH"], *folders()]))
pytestmark = pytest.mark.skipif(
    PROMTOOL is None, reason="needs promtool (Debian's prometheus; `make test-cluster` fetches it)"
)
HOURS = 60


def node(name, *speeds, kind="student"):
    """Return counters of a node: of seconds worked, 60 a minute, and cost done at these speeds.

    Each speed is a pair: work done in a second, and for how many minutes.
    """
    labels = f'{{node="{name}",kind="{kind}"}}'
    minutes = sum(length for _, length in speeds)
    values, done = [0.0], 0.0
    for speed, length in speeds:
        for _ in range(length):
            done += 60 * speed
            values.append(done)
    return [
        {
            "series": f"ray_dass_node_done_seconds_total{labels}",
            "values": " ".join(str(60 * i) for i in range(minutes + 1)),
        },
        {
            "series": f"ray_dass_node_cost_total{labels}",
            "values": " ".join(map(str, values)),
        },
    ]


def firing(tmp_path, series, alert, *, at, expected):
    """Assert which nodes an alert names at a minute."""
    summary = next(a.summary for a in ALERTS if a.name == alert)
    severity = next(a.severity for a in ALERTS if a.name == alert)
    told = {"summary": summary, "runbook": f"docs/operations.md, {alert}"}
    test = {
        "rule_files": [str(FOLDER / "alerts.yaml")],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": series,
                "alert_rule_test": [
                    {
                        "eval_time": f"{at}m",
                        "alertname": alert,
                        "exp_alerts": [
                            {
                                "exp_labels": {"severity": severity} | labels,
                                "exp_annotations": told,
                            }
                            for labels in expected
                        ],
                    }
                ],
            }
        ],
    }
    path = tmp_path / "test.yaml"
    path.write_text(yaml.safe_dump(test))
    done = subprocess.run([PROMTOOL, "test", "rules", path], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


SLOWER = "StudentsGotSlower"


def test_a_node_that_is_slower_than_the_others_is_named(tmp_path):
    series = node("a", (1.0, 300)) + node("b", (0.9, 300)) + node("c", (0.5, 300))
    firing(tmp_path, series, SLOWER, at=120, expected=[{"node": "c"}])


def test_nodes_that_differ_little_are_not_named(tmp_path):
    series = node("a", (1.0, 300)) + node("b", (0.8, 300)) + node("c", (0.75, 300))
    firing(tmp_path, series, SLOWER, at=200, expected=[])


def test_a_node_alone_is_held_against_its_own_past(tmp_path):
    series = node("a", (1.0, 4 * HOURS), (0.5, 2 * HOURS))
    firing(tmp_path, series, SLOWER, at=4 * HOURS, expected=[])
    firing(tmp_path, series, SLOWER, at=5 * HOURS, expected=[{"node": "a"}])


def test_nodes_that_ended_neither_alert_nor_move_the_median(tmp_path):
    ended = [node(f"gone{i}", (1.0, 60), (0.0, 200)) for i in range(5)]
    for lines in ended:  # no work, no seconds either
        first = lines[0]["values"].split()[:61]
        lines[0]["values"] = " ".join(first + [first[-1]] * 200)
    series = [line for lines in ended for line in lines]
    series += node("a", (0.5, 260)) + node("b", (0.45, 260))
    firing(tmp_path, series, SLOWER, at=200, expected=[])


def test_teachers_do_not_make_a_node_slow(tmp_path):
    series = node("a", (1.0, 200)) + node("b", (1.0, 200))
    series += node("b", (0.1, 200), kind="teacher")
    firing(tmp_path, series, SLOWER, at=150, expected=[])


@pytest.mark.parametrize(("lost", "expected"), [(1, []), (30, [{}])])
def test_nodes_that_end_again_and_again_are_told(tmp_path, lost, expected):
    def counter(name, each):
        values = " ".join(str(each * i) for i in range(121))
        return {"series": f'ray_dass_{name}_total{{kind="student"}}', "values": values}

    series = [counter("jobs_done", 100), counter("jobs_lost", lost)]
    firing(tmp_path, series, "BuildLosesNodes", at=110, expected=expected)
