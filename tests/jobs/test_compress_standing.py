"""How finished compressions stand, and a teacher of one's own trained on labels."""

import json
import re
import shutil
from pathlib import Path
from statistics import mean, stdev
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from dass.errors import InvalidConfig
from dass.networks.oracles.oracle import classifier_of
from dass.pipeline.compression.standing import standing, standing_table
from dass.training.classifier import fit_classifier
from tests.support.compression import BEFORE, fast_order, made

__all__ = ["fast_order"]


@pytest.fixture(scope="module")
def runs(oracle, pictures, tmp_path_factory):
    """Compressions of two seeds with rivals, and what they found."""
    root = tmp_path_factory.mktemp("standing")
    with pytest.MonkeyPatch.context() as patch:
        fast_order.__wrapped__(patch)
        return {
            str(root / f"seed{seed}"): made(
                oracle, pictures, root / f"seed{seed}", seed=seed, rivals=True
            )
            for seed in range(2)
        }


def test_a_standing_is_what_the_compression_found(runs):
    for into, found in runs.items():
        one = standing(into)
        models = found["export"]["models"]
        assert list(one.accuracies) == ["teacher", "student", "student, int8",
                                        *found["search"]["rivals"]]  # fmt: skip
        assert one.accuracies["teacher"] == 100 * found["check"]["test"]["accuracy"]
        assert one.accuracies["student"] == 100 * models["model.onnx"]["scores"]["accuracy"]
        for name, scores in found["distil"]["rivals"].items():
            assert one.accuracies[name] == 100 * scores["accuracy"]
            assert one.milliseconds[name] == found["export"]["rivals"][name]
        assert one.seconds == json.loads(Path(into, "ledger.json").read_text())["total_seconds"]


def test_the_table_has_mean_and_spread_over_runs(runs):
    every = [standing(into) for into in runs]
    table = standing_table(list(runs))
    assert table.startswith("| network | test accuracy, % | ms a picture |\n|---|---|---|\n")
    for name in every[0].accuracies:
        (row,) = re.findall(rf"^\| {name} \| (\S+) ± (\S+) \|", table, re.MULTILINE)
        values = [one.accuracies[name] for one in every]
        assert [float(cell) for cell in row] == pytest.approx(
            [mean(values), stdev(values)], abs=0.051
        )
    assert re.search(r"^2 runs, \d+ ± \d+ s each$", table, re.MULTILINE)
    assert "±" not in standing_table(list(runs)[:1])


def test_rivals_that_were_not_trained_are_left_out_and_an_unfinished_run_is_refused(
    runs, oracle, pictures, tmp_path
):
    first = next(iter(runs))
    shutil.copytree(first, tmp_path / "half")
    (tmp_path / "half/work/steps/export.json").unlink()
    with pytest.raises(InvalidConfig, match="lacks its step 'export'"):
        standing(str(tmp_path / "half"))
    alone = tmp_path / "alone"
    shutil.copytree(first, alone)
    distil = json.loads((alone / "work/steps/distil.json").read_text())
    (alone / "work/steps/distil.json").write_text(json.dumps(distil | {"rivals": {}}))
    found = runs[first]
    chosen = {n for n, one in found["search"]["rivals"].items()
              if one["architecture"] == found["verify"]["architecture"]}  # fmt: skip
    assert set(standing(str(alone)).accuracies) == {
        "teacher", "student", "student, int8", *chosen}  # fmt: skip


def test_of_several_sizes_the_rivals_are_of_the_one_that_was_chosen(oracle, pictures, tmp_path):
    found = made(oracle, pictures, tmp_path / "run", student_size=(8, 16), verify=4, rivals=True)
    one = standing(str(tmp_path / "run"))
    assert set(found["search"]["rivals"]) <= set(one.accuracies)


@pytest.mark.parametrize("wrapped", [False, True], ids=["logits", "an object with logits"])
def test_a_classifier_learns_its_labels_and_teaches(task, wrapped):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(
                nn.Conv2d(3, 8, 3, 2), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(),
                nn.Linear(8 * 49, 3),
            )  # fmt: skip

        def forward(self, x):
            said = self.body(x)
            return SimpleNamespace(logits=said) if wrapped else said

    torch.manual_seed(0)
    network = fit_classifier(Net(), task, epochs=3, batch_size=16)
    assert not network.training
    teacher = classifier_of(network.body, name="mine", preprocessing=BEFORE)
    right = teacher.logits(task.validation.images).argmax(1) == task.validation.labels
    assert float(right.double().mean()) > 0.8
    torch.manual_seed(0)
    again = fit_classifier(Net(), task, epochs=3, batch_size=16)
    assert again.body[4].weight.equal(network.body[4].weight)
