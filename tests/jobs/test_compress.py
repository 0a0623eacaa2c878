"""`dass compress`: a user's own network and pictures in, a finished student out."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import nn

import dass
from dass.errors import InfeasibleBudget, InvalidConfig, InvalidData, NameTaken, UnfitTeacher
from dass.networks.oracles.oracle import classifier_of
from dass.networks.resnet import ResNet
from dass.pipeline.compression import order as orders
from dass.pipeline.compression import steps
from dass.pipeline.compression.pictures import UNKNOWN, picture_size
from dass.pipeline.compression.searchable import family
from dass.space.architecture import Architecture
from dass.space.spaces import residual
from dass.training.inference import predict_logits
from tests.support.compression import (
    BEFORE,
    FLIP,
    NAMES,
    SHORT,
    SIDE,
    Stopped,
    fast_order,
    lines_of,
    made,
)

__all__ = ["fast_order"]


@pytest.fixture(scope="module")
def finished(oracle, pictures, tmp_path_factory):
    """A compression in the family that nothing stopped: its folder, what it found and said."""
    into, said = tmp_path_factory.mktemp("runs") / "whole", []
    patch = pytest.MonkeyPatch()
    patch.setattr(orders, "fit_teacher_blind", lambda *_, **__: _raise())
    found = made(oracle, pictures, into, said=said)
    patch.undo()
    return into, found, said


def _raise():
    raise InvalidData("no labels")


def test_a_family_s_student_is_finished_and_fits_its_budget(finished, resnet, task):
    into, found, said = finished
    assert all((into / name).exists() for name in NAMES)
    facts = json.loads((into / "config.json").read_text())
    space = resnet.space
    assert facts["space"] == space.name and facts["class_names"] == list(task.class_names)
    student = ResNet(space, Architecture.parse(facts["architecture"]), num_classes=3)
    student.load_state_dict(load_file(into / "student.safetensors"))
    flops = space.flops([student.architecture, space.largest], num_classes=3)
    assert 2 * flops[0] <= flops[1]
    right = predict_logits(student.eval(), task.test.images).argmax(1) == task.test.labels
    models = found["export"]["models"]
    assert models["torch"]["scores"]["accuracy"] == pytest.approx(float(right.double().mean()))
    assert models["model.onnx"]["scores"] == models["torch"]["scores"]
    assert models["model.int8.onnx"]["largest_difference"] > 0
    ledger = json.loads((into / "ledger.json").read_text())["seconds"]
    assert set(found) <= set(ledger)
    estimate = next(i for i, line in enumerate(said) if line.startswith("estimate:"))
    assert estimate < next(i for i, line in enumerate(said) if line.startswith("check:"))
    assert sum("next:" in line for line in said) == len(found)


def test_what_it_says_is_honest(finished):
    into, found, _ = finished
    page = (into / "report.html").read_text()
    assert '<p class="note">Possibly seen by the teacher' in page
    assert "by extrapolation" in page and "not trained (--rivals)" in page
    card = (into / "README.md").read_text()
    assert "Possibly seen by the teacher" in card and "digit 2" in card
    measured = [s for r in found["verify"]["rounds"] for s in r["students"]]
    assert len({s["architecture"] for s in measured}) == 2
    last = found["verify"]["rounds"][-1]["students"]
    best = max(last, key=lambda s: s["measured"])
    assert found["verify"]["architecture"] == best["architecture"]


def test_its_script_runs_on_a_picture_with_nothing_of_ours(finished, pictures):
    into, *_ = finished
    script = (into / "infer.py").read_text()
    assert len(script.splitlines()) <= 15
    assert not {"dass", "torch"} & set(script.replace(",", " ").split())
    picture = next((pictures / "digit 1").iterdir())
    done = subprocess.run(
        [sys.executable, "infer.py", str(picture)], cwd=into, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    first, *rest = done.stdout.splitlines()
    assert len(rest) == 2 and first.startswith("digit ")


def test_stopped_after_each_step_it_goes_on_to_the_same_end(
    finished, oracle, pictures, tmp_path, monkeypatch
):
    whole, uninterrupted, _ = finished
    real, done = steps.Folder.finish, []

    def finish(folder, name, facts):
        real(folder, name, facts)
        done.append(name)
        raise Stopped

    monkeypatch.setattr(steps.Folder, "finish", finish)
    for _ in uninterrupted:
        with pytest.raises(Stopped):
            made(oracle, pictures, tmp_path / "run")
    assert done == list(uninterrupted), "each step once"
    found = made(oracle, pictures, tmp_path / "run")
    for name in ("student.safetensors", "config.json"):
        assert (tmp_path / "run" / name).read_bytes() == (whole / name).read_bytes()
    assert found["verify"] == uninterrupted["verify"]
    assert found["distil"] == uninterrupted["distil"]


def test_a_training_that_is_stopped_between_epochs_is_not_begun_again(
    finished, oracle, pictures, tmp_path, monkeypatch
):
    real, written = steps.Folder.write_tensors, []

    def write(folder, key, named):
        real(folder, key, named)
        written.append((key, int(named["epoch"])))
        if "final" in key and int(named["epoch"]) == 1:
            raise Stopped

    monkeypatch.setattr(steps.Folder, "write_tensors", write)
    with pytest.raises(Stopped):
        made(oracle, pictures, tmp_path / "run")
    monkeypatch.setattr(steps.Folder, "write_tensors", lambda f, k, n: (real(f, k, n),
                        written.append((k, int(n["epoch"])))))  # fmt: skip
    made(oracle, pictures, tmp_path / "run")
    assert len(set(written)) == len(written)
    whole = finished[0] / "student.safetensors"
    assert (tmp_path / "run" / "student.safetensors").read_bytes() == whole.read_bytes()


def test_a_folder_of_something_else_is_left_alone(finished, oracle, pictures):
    before = {path: path.read_bytes() for path in finished[0].iterdir() if path.is_file()}
    with pytest.raises(NameTaken, match="another epochs"):
        made(oracle, pictures, finished[0], epochs=3)
    assert all(path.read_bytes() == data for path, data in before.items())


def test_any_other_network_goes_by_a_proxy_and_may_be_tested_on_unseen_pictures(
    linear, pictures, tmp_path
):
    before = replace(BEFORE, size=8, resize=8)
    oracle = classifier_of(linear, name="nearest mean", preprocessing=before)
    images = dass.TaskConfig(
        source=f"folder:{pictures}", test=f"folder:{_unseen(tmp_path)}", **FLIP
    )
    said = []
    found = dass.compress(oracle, images, into=str(tmp_path / "run"), say=said.append,
                          student_size=8, rivals=True, **SHORT)  # fmt: skip
    assert found["searchable"]["way"] == "proxy" and found["searchable"]["space"] == "micro"
    assert any("needs a proxy, the largest member of micro" in line for line in said)
    page = (tmp_path / "run" / "report.html").read_text()
    assert "declared unseen" in page and "Possibly seen" not in page
    assert set(found["distil"]["rivals"]) == {"largest in budget", "slimmed alike", "random"}
    assert "not trained" not in page


def test_where_nobody_is_verified_the_first_of_the_search_is_taken(linear, pictures, tmp_path):
    before = replace(BEFORE, size=8, resize=8)
    oracle = classifier_of(linear, name="nearest mean", preprocessing=before)
    found = made(oracle, pictures, tmp_path / "run", student_size=32, verify=0, epochs=1)
    assert found["searchable"]["space"] == "small" and not found["verify"]["rounds"]
    assert found["verify"]["architecture"] == found["search"]["best"]["architecture"]
    assert (tmp_path / "run" / "model.onnx").is_file()


def _unseen(root):
    rng = np.random.default_rng(0)
    for label in range(3):
        folder = root / "unseen" / f"digit {label}"
        folder.mkdir(parents=True)
        for number in range(3):
            pixels = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.png")
    return root / "unseen"


def test_the_size_of_pictures_is_read_off_a_few(pictures, tmp_path):
    np.savez(tmp_path / "a.npz", train_images=np.zeros((2, 24, 30, 3), np.uint8))
    (tmp_path / "b.npz").write_bytes(b"no archive")
    (tmp_path / "empty").mkdir()
    sizes = [
        picture_size(source)
        for source in (f"folder:{pictures}", f"npz:{tmp_path}/a.npz", "digits",
                       f"npz:{tmp_path}/b.npz", f"folder:{tmp_path}/empty", "CIFAR10")
    ]  # fmt: skip
    assert sizes == [SIDE, 24, 8, UNKNOWN, UNKNOWN, UNKNOWN]


def test_channels_and_order_of_outputs_are_taken_over(resnet):
    turned = replace(BEFORE, channels="BGR", mean=(0.5, 0.5, 0.5))
    oracle = classifier_of(resnet, preprocessing=turned).with_outputs((2, 0, 1))
    network, _ = family(oracle, size=SIDE)
    pixels = torch.randint(0, 256, (4, 3, SIDE, SIDE), dtype=torch.uint8)
    assert torch.allclose(predict_logits(network, pixels), oracle.logits(pixels), atol=1e-4)


def test_a_network_of_the_family_s_shape_that_computes_something_else_is_no_member(resnet):
    class Doubled(ResNet):
        def forward(self, x):
            return super().forward(2 * x)

    other = Doubled(resnet.space, resnet.architecture, num_classes=3)
    other.load_state_dict(resnet.state_dict())
    network, why = family(classifier_of(other.eval(), preprocessing=BEFORE), size=SIDE)
    assert network is None and "computes something else" in why


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"budget": dass.Budget(max_flops=10)}, InfeasibleBudget, "cheapest student"),
        ({"verify": 0}, InvalidConfig, "by extrapolation"),
        ({"minutes": 0.0}, InvalidConfig, "minutes > 0"),
        ({"into": "s3://bucket/run"}, InvalidConfig, "folder of this machine"),
    ],
)
def test_what_cannot_be_done_is_a_sentence(oracle, pictures, tmp_path, settings, error, message):
    with pytest.raises(error, match=message):
        made(oracle, pictures, **{"into": tmp_path / "run"} | settings)
    assert not (tmp_path / "run" / "work" / "steps").exists()


def test_a_teacher_that_knows_nothing_is_refused_before_anything_is_trained(pictures, tmp_path):
    space = residual((8, 16), (1, 1), stem=3, image_size=SIDE)
    fresh = ResNet(space, space.largest, num_classes=3)
    nn.init.zeros_(fresh.fc.weight)
    with pytest.raises(UnfitTeacher, match="better than chance"):
        made(classifier_of(fresh, preprocessing=BEFORE), pictures, tmp_path / "run")
    assert not (tmp_path / "run" / "work" / "trainings").exists()


@pytest.mark.parametrize("count", [1, 0])
def test_one_class_or_too_few_pictures_are_a_sentence(oracle, pictures, tmp_path, count):
    few = tmp_path / "few"
    (few / "digit 0").mkdir(parents=True)
    source = sorted((pictures / "digit 0").iterdir())
    for file in source[: 20 if count else 2]:
        (few / "digit 0" / file.name).write_bytes(file.read_bytes())
    if not count:
        (few / "digit 1").mkdir()
        other = sorted((pictures / "digit 1").iterdir())[0]
        (few / "digit 1" / other.name).write_bytes(other.read_bytes())
    with pytest.raises((InvalidConfig, InvalidData)):
        made(oracle, few, tmp_path / "run")


def test_the_command_line_refuses_in_a_sentence_what_is_no_teacher(
    pictures, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    data = ("--data", f"folder:{pictures}", "--into", "run")
    code, out, _ = lines_of(capsys, "--help")
    assert code == 0 and "--max-flops-fraction" in out.partition("advanced")[0]
    code, _, err = lines_of(capsys, *data)
    assert code == 2 and "--teacher is missing" in err
    torch.save({"a": torch.ones(1)}, "w.pth")
    resnet18 = ("--teacher", "torchvision:resnet18", "--weights")
    code, _, err = lines_of(capsys, *resnet18, "w.pth", *data)
    assert code == 2 and "pickle" in err and "dass convert" in err
    save_file({"a": torch.ones(1)}, "w.safetensors")
    code, _, err = lines_of(capsys, *resnet18, "w.safetensors", *data)
    assert code == 2 and "resnet18" in err
    assert not (tmp_path / "run").exists()


def test_the_line_itself_makes_a_student_of_an_onnx_file(
    exported, pictures, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    shutil.copy(exported, "mine.onnx")
    code, out, err = lines_of(
        capsys, "--teacher", "onnx:mine.onnx", "--data", f"folder:{pictures}", "--into", "run",
        "--mean", "0.5", "0.5", "0.5", "--std", "0.5", "0.5", "0.5", "--size", "8",
        "--student-size", "8", "--minutes", "0.05", "--verify", "2", "--epochs", "2",
        "--views", "1", "--candidates", "30", "--max-flops-fraction", "0.5", "--no-flip",
    )  # fmt: skip
    assert code == 0, err
    assert "estimate:" in out and "next:   python" in out
    assert all((tmp_path / "run" / name).exists() for name in NAMES)
