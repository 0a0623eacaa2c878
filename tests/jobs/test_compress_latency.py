"""`dass compress --max-latency-ms`: a limit of milliseconds, here or on another device."""

import json
import shutil
from dataclasses import replace

import pytest

import dass
from dass.errors import InfeasibleBudget, InvalidConfig, NameTaken
from dass.networks import measure
from dass.networks.latency import load_latency, pack_table
from dass.networks.pack_config import PackConfig
from dass.networks.packs import write_pack
from dass.networks.pricing import table_of
from dass.pipeline.compression import latency_budget
from dass.pipeline.compression.latency_table import TABLE, foreseen
from dass.pipeline.compression.steps import Asked
from dass.space.architecture import Architecture
from dass.space.spaces import by_name
from tests.support.compression import fast_order, lines_of, made
from tests.support.latency import roofline

__all__ = ["fast_order"]


@pytest.fixture
def clock(monkeypatch):
    """This machine is the device with a known clock."""
    monkeypatch.setattr(measure, "onnxruntime_timer", lambda: roofline)


@pytest.fixture(scope="module")
def board(resnet, tmp_path_factory):
    """The file of a table of another device, of the space that is searched."""
    folder = tmp_path_factory.mktemp("board")
    write_pack(resnet.space, folder, config=PackConfig(members=24, batches=(1,), num_classes=3))
    found = measure.measurements(folder, timer=roofline, seconds=0.0)
    del found["format"]
    (folder / "board.json").write_bytes(pack_table(table_of(found, device="a board", where="")))
    return folder / "board.json"


def ends(space, path):
    """Return predicted milliseconds of the fastest member and of the largest."""
    model = load_latency(path).at()
    fastest = model.milliseconds(space.shallowest, num_classes=3).min()
    return float(fastest), float(model.milliseconds([space.largest], num_classes=3)[0])


def test_a_student_keeps_a_limit_measured_on_this_machine(resnet, oracle, pictures, tmp_path):
    """The whole way, by the real clock; the limit lies between the ends by a first table."""
    probe = tmp_path / "probe"
    space, fast, slow = resnet.space, *_ends_here(resnet.space, probe)
    limit = (fast * slow) ** 0.5
    said = []
    found = made(oracle, pictures, tmp_path / "run", said=said, budget=None,
                 max_latency_ms=limit)  # fmt: skip
    assert list(found)[:3] == ["check", "latency", "searchable"]
    assert found["search"]["budget"]["max_flops"] is None, "no half of the FLOPs by default"
    assert found["search"]["budget"]["sought_ms"] <= limit
    assert load_latency(tmp_path / "run" / TABLE).space == space.name
    assert any(line.split()[0] == "latency" for line in said), "in the estimate"
    ledger = json.loads((tmp_path / "run" / "ledger.json").read_text())["seconds"]
    assert ledger["latency"] > 0
    told = found["export"]["latency"]
    assert set(told["networks"]) == {"student", "largest in budget", "slimmed alike", "random"}
    model = load_latency(tmp_path / "run" / TABLE).at()
    for name in told["networks"]:
        assert told["networks"][name]["predicted_ms"] <= limit * 1.001
    chosen = Architecture.parse(found["verify"]["architecture"])
    expected = model.milliseconds([chosen], num_classes=3)[0]
    assert told["networks"]["student"]["predicted_ms"] == pytest.approx(expected)
    page = (tmp_path / "run" / "report.html").read_text()
    assert "Milliseconds of a pass on" in page and "predicted, ms" in page
    front = [p["predicted_ms"] for p in found["search"]["pareto"]]
    assert front == sorted(front) and max(front) <= limit
    assert sum("allowed (float32" in s or "over the limit" in s for s in said) >= 1


def _ends_here(space, folder):
    write_pack(space, folder, config=PackConfig(members=12, batches=(1,), num_classes=3))
    found = measure.measurements(folder, seconds=0.0)
    del found["format"]
    (folder / "t.json").write_bytes(pack_table(table_of(found, device="", where="")))
    return ends(space, folder / "t.json")


@pytest.mark.usefixtures("clock")
def test_a_limit_that_nobody_keeps_is_refused_once_the_table_is_there(
    oracle, pictures, tmp_path, resnet
):
    with pytest.raises(InfeasibleBudget, match="the fastest student") as error:
        made(oracle, pictures, tmp_path / "run", budget=None, max_latency_ms=1e-3)
    fastest, _ = ends(resnet.space, tmp_path / "run" / TABLE)
    assert f"takes {fastest:.3g} ms" in str(error.value)
    assert not (tmp_path / "run" / "work" / "teacher").exists()
    table = (tmp_path / "run" / TABLE).read_bytes()
    with pytest.raises(InfeasibleBudget):
        made(oracle, pictures, tmp_path / "run", budget=None, max_latency_ms=1e-3)
    assert (tmp_path / "run" / TABLE).read_bytes() == table, "it is not measured again"


@pytest.mark.usefixtures("clock")
def test_students_that_take_longer_than_predicted_are_dropped_before_they_are_trained(
    oracle, pictures, tmp_path, monkeypatch, resnet
):
    fast, whole = ends(resnet.space, _board_of(oracle, pictures, tmp_path))
    real = latency_budget.times
    slow = 1.15

    def slower(models, *, batch):
        found = real(models, batch=batch)
        return [replace(each, milliseconds=slow * each.milliseconds) for each in found]

    monkeypatch.setattr(latency_budget, "times", slower)
    said, limit = [], (fast + whole) / 2
    assert limit > 1.1 * slow * fast, "somebody is left"
    found = made(oracle, pictures, tmp_path / "run", said=said, budget=None, max_latency_ms=limit)
    gone = {each["architecture"] for each in found["verify"]["dropped"]}
    trained = {s["architecture"] for r in found["verify"]["rounds"] for s in r["students"]}
    assert gone and not gone & trained and trained
    times = [s["ms"] for r in found["verify"]["rounds"] for s in r["students"]]
    assert max(times) <= limit * 1.001
    rivals = [r["predicted_ms"] for r in found["search"]["rivals"].values()]
    assert max(rivals) * slow <= limit * 1.1
    assert any("over the limit" in line and "another is sought" in line for line in said)
    assert "and not trained" in (tmp_path / "run" / "report.html").read_text()


def _board_of(oracle, pictures, tmp_path):
    """Have a table measured, and nothing else."""
    with pytest.raises(InfeasibleBudget):
        made(oracle, pictures, tmp_path / "table", budget=None, max_latency_ms=1e-3)
    return tmp_path / "table" / TABLE


def test_another_device_s_table_limits_by_what_it_predicts(
    board, resnet, oracle, pictures, tmp_path
):
    fast, slow = ends(resnet.space, board)
    limit = (fast * slow) ** 0.5
    budget = dass.Budget(max_latency_ms=limit, latency=load_latency(board).at())
    said = []
    found = made(oracle, pictures, tmp_path / "run", said=said, budget=budget)
    assert "latency" not in found and not (tmp_path / "run" / TABLE).exists()
    told = found["export"]["latency"]
    assert all(one["predicted_ms"] <= limit for one in told["networks"].values())
    assert all("ms" not in one for one in told["networks"].values()), "not measured on that device"
    assert any("predicted on a board" in line for line in said)
    other = replace(budget, max_latency_ms=limit / 2)
    with pytest.raises(NameTaken, match="max_latency_ms"):
        made(oracle, pictures, tmp_path / "run", budget=other)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"budget": None, "max_latency_ms": -1.0}, InvalidConfig, "max_latency_ms > 0"),
        ({"budget": None, "max_latency_ms": 1.0, "latency_batch": 0}, InvalidConfig, ">= 1"),
    ],
)
def test_a_limit_that_is_none_is_a_sentence(oracle, pictures, tmp_path, settings, error, message):
    with pytest.raises(error, match=message):
        made(oracle, pictures, tmp_path / "run", **settings)


def test_a_table_that_does_not_fit_is_refused_before_any_work(board, oracle, pictures, tmp_path):
    model = load_latency(board).at()
    tight = dass.Budget(max_latency_ms=1e-3, latency=model)
    with pytest.raises(InfeasibleBudget, match=r"the fastest student.*on 'a board'"):
        made(oracle, pictures, tmp_path / "run", budget=tight)
    with pytest.raises(InvalidConfig, match=r"of the size of pictures.*--student-size 16"):
        made(oracle, pictures, tmp_path / "run", budget=tight, student_size=8)
    other = dass.Budget(max_latency_ms=1.0, latency=replace(model, space="micro"))
    with pytest.raises(InvalidConfig, match=r"of the space that is searched.*is of 'micro'"):
        made(oracle, pictures, tmp_path / "run", budget=other)
    assert not (tmp_path / "run").exists()
    with pytest.raises(InvalidConfig, match="must come with `max_latency_ms`"):
        Asked(task=dass.TaskConfig(source="digits"), latency=model)


def test_what_a_limit_leaves_is_foreseen_from_two_members(board, pictures):
    model, space = load_latency(board).at(), by_name(load_latency(board).space)
    fast, slow = ends(space, board)
    flops = [
        foreseen(
            Asked(task=dass.TaskConfig(source="digits"), latency=model, max_latency_ms=limit),
            space,
            num_classes=3,
        ).flops
        for limit in (fast / 2, (fast + slow) / 2, 2 * slow)
    ]
    least, most = space.flops([space.smallest, space.largest], num_classes=3).tolist()
    assert flops[0] == least and flops[-1] == most and least < flops[1] < most


def test_a_limit_of_before_means_what_it_meant():
    """A folder that was begun without milliseconds goes on: its settings are the same."""
    plain = Asked(task=dass.TaskConfig(source="digits"), max_flops_fraction=0.5).to_dict()
    assert not {name for name in plain if "latency" in name}


@pytest.mark.usefixtures("clock")
def test_the_line_itself_takes_a_limit_and_a_table(
    exported, pictures, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    shutil.copy(exported, "mine.onnx")
    write_pack(by_name("micro"), tmp_path / "pack", config=PackConfig(members=24, num_classes=3))
    found = measure.measurements(tmp_path / "pack", seconds=0.0)
    del found["format"]
    table = table_of(found, device="a board", where="")
    (tmp_path / "board.json").write_bytes(pack_table(table))
    line = (
        "--teacher", "onnx:mine.onnx", "--data", f"folder:{pictures}", "--into", "run",
        "--mean", "0.5", "0.5", "0.5", "--std", "0.5", "0.5", "0.5", "--size", "8",
        "--student-size", "8", "--minutes", "0.05", "--verify", "2", "--epochs", "2",
        "--views", "1", "--candidates", "30", "--no-flip", "--latency", "board.json",
    )  # fmt: skip
    code, _, err = lines_of(capsys, *line, "--max-latency-ms", "1e-4")
    assert code == 2 and "the fastest student" in err and "ms on 'a board'" in err
    code, out, err = lines_of(capsys, *line, "--max-latency-ms", "1.0", "--latency-batch", "16")
    assert code == 0, err
    assert "predicted on a board of 1 allowed (float32, 16 a pass)" in out
