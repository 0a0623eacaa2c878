"""`dass latency`: a pack, a table from a device's measurements; and a search that is told one."""

import json
from types import SimpleNamespace

import pytest

from dass.errors import InvalidConfig
from dass.networks import measure
from dass.networks.latency import load_latency
from dass.space.cost import Budget
from jobs import cli
from jobs.search import SearchJobConfig, budget_for, limits, search_name
from tests.support.latency import roofline


@pytest.fixture(scope="module")
def device(tmp_path_factory):
    """The file of a table, made as a user makes one of another device."""
    folder = tmp_path_factory.mktemp("latency")
    pack, into = folder / "pack", folder / "made" / "device.json"
    line = ["latency", "micro", "--members.members", "16", "--pack", str(pack)]
    assert cli.main(line) == 0
    assert (pack / "measure.py").exists() and len(list(pack.glob("*.onnx"))) == 16
    found = measure.measurements(pack, timer=roofline, seconds=0.0)
    measured = pack / "measurements.json"
    measured.write_text(json.dumps(found))
    line = [
        "latency",
        "micro",
        "--from",
        str(measured),
        "--device",
        "a board",
        "--into",
        str(into),
    ]
    assert cli.main(line) == 0
    return into


def test_a_table_made_of_a_pack_says_whose_it_is(device):
    table = load_latency(device)
    assert (table.device, table.space) == ("a board", "micro")
    assert {prices.batch for prices in table.prices} == {1, 16}


def test_measurements_of_another_space_are_refused(device, capsys):
    measured = device.parents[1] / "pack" / "measurements.json"
    assert cli.main(["latency", "small", "--from", str(measured)]) == 2
    assert "give `--space micro`" in capsys.readouterr().err


def test_a_search_is_told_a_limit_and_its_table(device):
    config = SearchJobConfig(
        store="s", teacher="t", max_latency_ms=0.5, latency=str(device), latency_batch=16
    )
    budget = budget_for(config, SimpleNamespace(flops=100, parameters=100))
    model = load_latency(device).at(batch=16)
    assert budget == Budget(max_latency_ms=0.5, latency=model), "no other limit by default"
    assert limits(budget) == {
        "max_flops": None,
        "max_parameters": None,
        "max_latency_ms": 0.5,
        "device": "a board",
        "batch": 16,
        "precision": "float32",
    }
    name = search_name(config, budget)
    assert name == ("t/predictor-evolution-anyflops-anyparameters-0.5ms-float32x16-a_board-s0")


def test_a_search_without_a_table_keeps_its_name_and_facts():
    config = SearchJobConfig(store="s", teacher="t")
    budget = budget_for(config, SimpleNamespace(flops=100, parameters=100))
    assert limits(budget) == {"max_flops": 50, "max_parameters": None}
    assert search_name(config, budget) == "t/predictor-evolution-50flops-anyparameters-s0"


def test_a_limit_without_a_table_is_refused():
    with pytest.raises(InvalidConfig, match=r"must come with `latency`.*`dass latency`"):
        SearchJobConfig(store="s", max_latency_ms=1.0)
