"""`dass compress --student-size 8 16`: sizes of pictures within one budget."""

import json
import shutil

import pytest
from safetensors.torch import load_file

import dass
from dass.errors import InfeasibleBudget, InvalidConfig
from dass.networks.resnet import ResNet
from dass.pipeline.compression import steps
from dass.pipeline.compression.asked import Asked
from dass.space.architecture import Architecture
from dass.space.spaces import at_size, by_name
from tests.support.compression import NAMES, SHORT, Stopped, fast_order, lines_of, made

__all__ = ["fast_order"]
SIZES = {"student_size": (16, 8), "verify": 4}


def flops_of(space, *architectures):
    return space.flops(list(architectures), num_classes=3).tolist()


@pytest.fixture(scope="module")
def whole(oracle, pictures, tmp_path_factory):
    """A compression of two sizes that nothing stopped: its folder, what it found and said."""
    into, said = tmp_path_factory.mktemp("sizes") / "whole", []
    with pytest.MonkeyPatch.context() as patch:
        fast_order.__wrapped__(patch)
        found = made(oracle, pictures, into, said=said, **SIZES)
    return into, found, said


def test_all_sizes_share_one_budget_and_what_is_measured_decides(whole, resnet):
    into, found, _ = whole
    assert all((into / name).exists() for name in NAMES)
    large, small = resnet.space, at_size(resnet.space, 8)
    assert list(found["sizes"]) == ["8px", "16px"]
    (limit,) = {one["search"]["budget"]["max_flops"] for one in found["sizes"].values()}
    assert limit == flops_of(large, large.largest)[0] // 2, "a fraction of the largest size's"
    students = [each for one in found["verify"]["rounds"] for each in one["students"]]
    for each in students:
        space = {8: small, 16: large}[each["size"]]
        assert flops_of(space, Architecture.parse(each["architecture"])) == [each["flops"]]
        assert each["flops"] <= limit
    first, *_, last = found["verify"]["rounds"]
    for one in (first, last):
        assert {each["size"] for each in one["students"]} == {8, 16}
    assert len({(each["size"], each["architecture"]) for each in students}) == 4
    best = max(last["students"], key=lambda each: each["measured"])
    assert found["verify"]["architecture"] == best["architecture"]
    assert found["verify"]["size"] == best["size"]


def test_the_finished_student_is_of_the_size_that_was_chosen(whole, resnet):
    into, found, said = whole
    size, facts = found["verify"]["size"], json.loads((into / "config.json").read_text())
    assert facts["space"] == at_size(resnet.space, size).name
    student = ResNet(by_name(facts["space"]), Architecture.parse(facts["architecture"]),
                     num_classes=3)  # fmt: skip
    student.load_state_dict(load_file(into / "student.safetensors"))
    assert found["search"] == found["sizes"][f"{size}px"]["search"]
    page = (into / "report.html").read_text()
    assert f"{size} px (chosen)" in page and "Sizes of pictures, within one budget" in page
    assert sum(line.startswith(("search 8 px:", "search 16 px:")) for line in said) == 2
    ledger = json.loads((into / "ledger.json").read_text())["seconds"]
    assert {"check", "search 8 px", "logits 16 px", "verify", "distil"} <= set(ledger)


def test_the_teacher_is_asked_once_for_all_sizes(whole, task):
    into, _, said = whole
    (folder,) = (into / "work/logits").iterdir()
    kept = [load_file(file)["logits"] for file in folder.glob("*.safetensors")]
    assert sum(len(each) for each in kept) == SHORT["views"] * len(task.train)
    assert not list((into / "work").glob("*px/logits"))
    plans = json.loads((into / "work/plan.json").read_text())["plan"]["sizes"]
    assert {plan["drawn_at"] for plan in plans.values()} == {8}
    assert sum(line.startswith("    logits") for line in said) == 1


def test_sizes_of_a_plan_of_before_keep_views_of_their_own(whole, oracle, pictures, tmp_path):
    """As a version left it that asked about the views of each size."""
    shutil.copytree(whole[0], tmp_path / "run")
    file = tmp_path / "run/work/plan.json"
    plan = json.loads(file.read_text())
    for one in plan["plan"]["sizes"].values():
        del one["drawn_at"]
    file.write_text(json.dumps(plan))
    for name in ("logits", "8px", "16px", "steps"):
        shutil.rmtree(tmp_path / "run/work" / name)
    made(oracle, pictures, tmp_path / "run", **SIZES)
    assert len(list((tmp_path / "run/work").glob("*px/logits/*"))) == 2


def test_several_sizes_stopped_after_each_step_come_to_the_same_end(
    whole, oracle, pictures, tmp_path, monkeypatch
):
    real, done = steps.Folder.finish, []

    def finish(folder, name, facts):
        new = folder.found(name) is None
        real(folder, name, facts)
        if new:
            done.append((folder.part, name))
            raise Stopped

    monkeypatch.setattr(steps.Folder, "finish", finish)
    for _ in range(40):
        try:
            made(oracle, pictures, tmp_path / "run", **SIZES)
            break
        except Stopped:
            pass
    assert len(set(done)) == len(done) and ("", "report") in done
    name = "student.safetensors"
    assert (tmp_path / "run" / name).read_bytes() == (whole[0] / name).read_bytes()


def test_a_size_of_which_no_student_fits_is_left_out(oracle, pictures, tmp_path, resnet):
    space = resnet.space
    cheap = min(flops_of(at_size(space, 8), space.smallest))
    said = []
    budget = dass.Budget(max_flops=int(1.2 * cheap))
    found = made(oracle, pictures, tmp_path / "run", said=said, budget=budget, **SIZES)
    assert found["verify"]["size"] == 8 and list(found["sizes"]) == ["8px"]
    assert any("16 px is left out" in line for line in said)
    with pytest.raises(InfeasibleBudget, match="cheapest student"):
        made(oracle, pictures, tmp_path / "no", budget=dass.Budget(max_flops=10), **SIZES)


def test_one_size_in_a_list_is_that_size_and_the_same_folder_goes_on(oracle, pictures, tmp_path):
    made(oracle, pictures, tmp_path / "run", student_size=8)
    said = []
    made(oracle, pictures, tmp_path / "run", said=said, student_size=[8])
    assert sum(line.endswith("done before") for line in said) == 8


def test_the_line_searches_a_proxy_of_each_size(exported, pictures, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copy(exported, "mine.onnx")
    code, _, err = lines_of(
        capsys, "--teacher", "onnx:mine.onnx", "--data", f"folder:{pictures}", "--into", "run",
        "--mean", "0.5", "0.5", "0.5", "--std", "0.5", "0.5", "0.5", "--size", "8",
        "--student-size", "8", "12", "--minutes", "0.05", "--verify", "2", "--epochs", "1",
        "--views", "1", "--candidates", "30", "--max-parameters", "30k", "--no-flip",
    )  # fmt: skip
    assert code == 0, err
    spaces = [
        json.loads((tmp_path / f"run/work/{size}px/steps/searchable.json").read_text())["space"]
        for size in (8, 12)
    ]
    assert spaces == ["micro", "resnet-w16.32.64.128-d3.3.3.3-s3@12"]
    chosen = json.loads((tmp_path / "run" / "config.json").read_text())
    assert chosen["space"] in spaces


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"student_size": (8, 16), "verify": 1}, "verify >= 2"),
        ({"student_size": (4, 16)}, "student_size >= 8"),
    ],
)
def test_what_several_sizes_need_is_a_sentence(settings, message):
    with pytest.raises(InvalidConfig, match=message):
        Asked(task=dass.TaskConfig(source="digits"), **settings)


def test_a_table_is_needed_for_each_size(oracle, pictures, tmp_path, resnet):
    class Table:
        device, space = "a board", resnet.space.name

        def milliseconds(self, architectures, *, num_classes):
            raise AssertionError("nothing is sought")

    with pytest.raises(InvalidConfig, match="a latency table for each of several sizes"):
        made(oracle, pictures, tmp_path / "run", budget=None, max_latency_ms=1.0,
             latency=Table(), **SIZES)  # fmt: skip
