"""Latency: prices that predict, tables that load or say why not, packs that run elsewhere."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch

import dass
from dass.baselines.size import ByFlops
from dass.errors import CorruptArtifact, InfeasibleBudget, InvalidConfig, UnknownName
from dass.networks import measure
from dass.networks.graphs import draft
from dass.networks.latency import load_latency, pack_table, plain_json, read_table
from dass.networks.layers import features
from dass.networks.onnx import run_onnx, to_onnx
from dass.networks.pack_config import PackConfig
from dass.networks.packs import choose, quantised, write_pack
from dass.networks.pricing import fit, spread, table_of
from dass.networks.resnet import ResNet
from dass.space.architecture import Architecture
from dass.space.cost import Budget
from dass.space.spaces import by_name
from tests.support.latency import layers, roofline

NARROW = "resnet-w16.32-d2.2-s7@32"


def measured(folder, space, **settings):
    """Write a pack and time it on the device with the known clock."""
    write_pack(by_name(space), folder, config=PackConfig(**settings))
    found = measure.measurements(folder, timer=roofline, seconds=0.0)
    return {name: value for name, value in found.items() if name != "format"}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A table of `micro`."""
    plain = measured(tmp_path_factory.mktemp("pack"), "micro", members=30)
    return table_of(plain, device="a device", where="here")


# --- prices --------------------------------------------------------------------------------


def test_an_additive_cost_is_recovered_although_some_measurements_are_disturbed():
    random = np.random.default_rng(0)
    columns = random.lognormal(0, 1, (60, 6)) * [1, 1e3, 1e6, 1, 10, 1e4]
    prices = np.array([0.5, 2e-3, 0, 1, 0.03, 0]) + 0.0
    milliseconds = columns @ prices
    disturbed = milliseconds.copy()
    disturbed[:5] *= 3
    found = fit(columns, disturbed)
    assert (found >= 0).all()
    assert np.abs(columns @ found / milliseconds - 1).max() < 0.02


@pytest.mark.parametrize("space", ["small", NARROW])
@pytest.mark.parametrize("batch", [1, 16])
def test_members_never_measured_are_predicted(space, batch, tmp_path):
    table = table_of(measured(tmp_path / "a", space, members=48), device="", where="here")
    chosen = {each.architecture for each in table.measurements}
    others = [a for a in choose(by_name(space), 100, seed=1) if str(a) not in chosen][:40]
    assert len(others) == 40
    write_pack(by_name(space), tmp_path / "b", config=PackConfig(), members=others)
    again = measure.measurements(tmp_path / "b", timer=roofline, seconds=0.0)["measurements"]
    expected = [min(each["rounds"]) for each in again if each["batch"] == batch]
    found = table.at(batch=batch).milliseconds(others, num_classes=10)
    error = spread(found, np.array(expected))
    assert error.median < 0.05 and error.p95 < 0.12 and error.spearman > 0.98
    (own,) = (prices for prices in table.prices if prices.batch == batch)
    assert own.held_out.median < 0.05 and own.repeatability.p95 == 0


def test_repeatability_is_that_of_two_halves_of_the_visits(tmp_path):
    plain = measured(tmp_path, "micro", members=12)
    for each in plain["measurements"]:
        each["rounds"] = [1.1 * each["rounds"][0], each["rounds"][0]] * 2
    table = table_of(plain, device="", where="here")
    assert table.prices[0].repeatability.median == pytest.approx(0.1)


@pytest.mark.parametrize("space", ["micro", "small", NARROW, "resnet18@64"])
def test_features_are_sums_over_the_layers_of_the_exported_graph(space, tmp_path):
    space = by_name(space)
    members = choose(space, 8, seed=3)
    found = features(space, members, num_classes=10, vector=0)
    for place, member in enumerate(members):
        path = tmp_path / "member.onnx"
        path.write_bytes(draft(space, member, num_classes=10))
        convs = [each for each in layers(path) if each[0] == "Conv"]
        pools = [each[2] for each in layers(path) if each[0] == "MaxPool"]
        adds = [each[3] for each in layers(path) if each[0] == "Add"]
        naive = {
            "layers": len(convs),
            "weights": sum(4e-6 * np.prod(weight) for _, weight, _, _ in convs),
            "patches": sum(np.prod([*w[1:], *given[2:]]) for _, w, _, given in convs),
            "reads": sum(np.prod(taken) for _, _, taken, _ in convs),
            "writes": sum(np.prod(given) for _, _, _, given in convs),
            "pooled": sum(np.prod(taken) for taken in pools),
            "added": sum(np.prod(given) for given in adds),
            "crops": sum(each[0] == "Slice" for each in layers(path)),
        }
        ours = {name: found[name][place] if name in found else 0 for name in naive}
        assert ours == pytest.approx(naive)


def test_a_prediction_does_not_depend_on_company_and_none_is_none(table):
    space, model = by_name("micro"), table.at()
    members = space.sample(2000, generator=torch.Generator().manual_seed(0))
    together = model.milliseconds(members, num_classes=3)
    assert together.shape == (2000,) and (together > 0).all()
    alone = [model.milliseconds([member], num_classes=3)[0] for member in members[:5]]
    assert alone == pytest.approx(together[:5].tolist())
    assert model.milliseconds([], num_classes=3).shape == (0,)


# --- drafts and packs ----------------------------------------------------------------------


def test_a_draft_has_the_nodes_of_an_export_and_weights_of_its_own():
    space, member = by_name("micro"), Architecture.parse("8-5_12-16_20-32")
    drafted = draft(space, member, num_classes=5)
    assert run_onnx(drafted, torch.zeros(3, 3, 8, 8)).shape == (3, 5)
    drafted, exported = (
        onnx.load_from_string(data).graph
        for data in (drafted, to_onnx(ResNet(space, member, num_classes=5)))
    )
    assert drafted.node == exported.node
    shapes = [{w.name: w.dims for w in graph.initializer} for graph in (drafted, exported)]
    assert shapes[0] == shapes[1]


def test_a_quantised_draft_computes_in_eight_bits():
    space = by_name("micro")
    model = quantised(draft(space, space.smallest, num_classes=3), image_size=8)
    graph = onnx.load_from_string(model).graph
    assert {"QuantizeLinear", "DequantizeLinear"} <= {node.op_type for node in graph.node}
    kinds = {each.data_type for each in graph.initializer if len(each.dims) == 4}
    assert kinds == {onnx.TensorProto.INT8}
    assert run_onnx(model, torch.zeros(2, 3, 8, 8)).shape == (2, 3)


def test_chosen_members_are_distinct_repeatable_and_reach_both_ends():
    space = by_name("resnet18@64")
    chosen = choose(space, 48, seed=0)
    assert len(set(chosen)) == 48 and chosen == choose(space, 48, seed=0)
    assert {space.smallest, space.largest} <= set(chosen)
    assert chosen != choose(space, 48, seed=1)


ALONE = """
import runpy, sys
runpy.run_path("measure.py", run_name="__main__")
assert not {"torch", "dass", "onnx", "scipy", "sklearn"} & set(sys.modules)
"""


def test_a_pack_is_measured_where_nothing_of_ours_is(tmp_path):
    space = by_name("micro")
    members = [space.smallest, space.largest]
    config = PackConfig(batches=(1, 4), int8=True)
    write_pack(space, tmp_path, config=config, members=members)
    done = subprocess.run(
        [sys.executable, "-I", "-c", ALONE], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    data = (tmp_path / "measurements.json").read_bytes()
    plain = plain_json(data, what="measurements", where="here")
    keys = {(m["architecture"], m["precision"], m["batch"]) for m in plain["measurements"]}
    assert len(keys) == 8 and {str(member) for member in members} == {key[0] for key in keys}
    assert all(min(each["rounds"]) > 0 for each in plain["measurements"])
    assert plain["cpu"] and plain["onnxruntime"][0].isdecimal()
    with pytest.raises(InvalidConfig, match=r"at least 12 members must be measured.*got 2"):
        table_of(plain, device="", where="here")


# --- tables --------------------------------------------------------------------------------


def test_a_table_comes_back_from_its_file(table, tmp_path):
    path = tmp_path / "device.json"
    path.write_bytes(pack_table(table))
    assert dass.load_latency(path) == table
    assert table.device == "a device" and {p.batch for p in table.prices} == {1, 16}


def test_a_table_that_is_not_there_or_no_table_says_so(table, tmp_path):
    with pytest.raises(InvalidConfig, match=r"a file that you may read, but .*No such file"):
        load_latency(tmp_path / "none.json")
    with pytest.raises(CorruptArtifact, match="must be JSON, but here is none"):
        read_table(b"{", where="here")
    with pytest.raises(CorruptArtifact, match="must have format 1, but here has 2"):
        read_table(b'{"format": 2}', where="here")
    with pytest.raises(CorruptArtifact, match="must have format 1, but here has None"):
        read_table(b"[]", where="here")


BROKEN = {
    "another space": ({"space": "tiny"}, "must be of a space, but a space must be one of"),
    "no device": ({"device": 3}, "a str is needed, but got 3"),
    "no prices": ({"prices": []}, "must have prices"),
    "a field of no table": ({"colour": "red"}, "'colour'"),
}


@pytest.mark.parametrize(("change", "message"), BROKEN.values(), ids=BROKEN)
def test_a_broken_table_is_refused_with_its_fault(table, change, message):
    plain = json.loads(pack_table(table)) | change
    with pytest.raises(CorruptArtifact, match=message):
        read_table(json.dumps(plain).encode(), where="here")


@pytest.mark.parametrize("prices", [{"layers": -1.0}, {"colour": 1.0}, {"layers": "much"}])
def test_prices_that_are_none_are_refused(table, prices):
    plain = json.loads(pack_table(table))
    plain["prices"][0]["coefficients"] = prices
    with pytest.raises(CorruptArtifact, match=r"prices must be positive, of .*but here has"):
        read_table(json.dumps(plain).encode(), where="here")


def test_a_batch_that_was_not_measured_lists_what_was(table):
    with pytest.raises(UnknownName, match=r"float32 at batch 1, float32 at batch 16, but got int"):
        table.at(precision="int8")


@pytest.mark.parametrize("settings", [{"members": 3}, {"batches": (1, 1)}, {"num_classes": 0}])
def test_a_pack_of_too_little_is_refused(settings):
    with pytest.raises(InvalidConfig, match=next(iter(settings))):
        PackConfig(**settings)


# --- budgets -------------------------------------------------------------------------------


def test_a_budget_in_milliseconds_keeps_those_below_it(table):
    space, model = by_name("micro"), table.at()
    members = space.sample(200, generator=torch.Generator().manual_seed(0))
    times = model.milliseconds(members, num_classes=3)
    limit = float(np.median(times))
    kept = space.within(members, Budget(max_latency_ms=limit, latency=model), num_classes=3)
    assert kept == [m for m, time in zip(members, times, strict=True) if time <= limit]
    assert 0 < len(kept) < 200


def test_a_limit_needs_a_table_and_must_be_positive(table):
    with pytest.raises(InvalidConfig, match=r"must come with `latency`.*`dass latency`"):
        Budget(max_latency_ms=1.0)
    for limit in (0.0, -1.0, float("nan")):
        with pytest.raises(InvalidConfig, match="`max_latency_ms > 0` must hold"):
            Budget(max_latency_ms=limit, latency=table.at())


def test_a_search_within_milliseconds_finds_only_members_within(table, teacher):
    model = table.at()
    fastest = float(model.milliseconds(by_name("micro").shallowest, num_classes=3).min())
    for limit in (1.05 * fastest, 1.5 * fastest):
        budget = Budget(max_latency_ms=limit, latency=model)
        answer = dass.search(ByFlops(), teacher, budget, candidates=100, generation=20)
        found = [p.architecture for p in (*answer.top, *answer.pareto)]
        assert answer.scored > 1
        assert (model.milliseconds(found, num_classes=3) <= limit).all()


def test_an_impossible_latency_states_the_fastest_student(table, teacher):
    space, model = by_name("micro"), table.at()
    times = model.milliseconds(space.shallowest, num_classes=3)
    best = space.shallowest[int(times.argmin())]
    budget = Budget(max_latency_ms=0.001, latency=model)
    message = f"max_latency_ms=0.001: the fastest student, {best}, takes {times.min():.3g} ms on"
    with pytest.raises(InfeasibleBudget, match=message):
        dass.search(ByFlops(), teacher, budget)
    drawn = space.sample(2000, generator=torch.Generator().manual_seed(1))
    assert times.min() <= model.milliseconds(drawn, num_classes=3).min()


def test_a_table_of_another_space_is_refused(table, teacher):
    model = replace(table.at(), space="small")
    with pytest.raises(InvalidConfig, match="of the space that is searched, 'micro', but"):
        dass.search(ByFlops(), teacher, Budget(max_latency_ms=1.0, latency=model))


@pytest.mark.parametrize("name", ["micro", "small", "resnet18@64", "resnet34@96"])
def test_shallowest_members_are_members_and_begin_with_the_smallest(name):
    space = by_name(name)
    assert space.shallowest[0] == space.smallest
    assert len(space.shallowest) > 1 and all(map(space.contains, space.shallowest))
