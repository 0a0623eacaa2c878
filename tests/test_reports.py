"""Ten public reports by people who do this work; docs/log.md has their addresses and wishes."""

import os
import pickle
import subprocess
import sys
import zipfile

import numpy as np
import onnx
import pytest
import torch
from PIL import Image
from safetensors.torch import save

from dass.data.sources import load_source
from dass.data.task import TaskConfig, load_task
from dass.errors import CorruptArtifact, InvalidData
from dass.networks.onnx import to_onnx
from dass.networks.usage import usage
from dass.registry.adoption import read_weights
from tests.test_wheel import ROOT, wheel  # noqa: F401


def pictures(folder, count, *, level=0, ending=".png"):
    """Write flat pictures, each of another grey from `level` on."""
    folder.mkdir(parents=True, exist_ok=True)
    for place in range(count):
        Image.new("RGB", (6, 6), (level + place,) * 3).save(folder / f"{place}{ending}")


def test_classes_of_numbers_keep_their_names_whatever_their_order(tmp_path):
    """pytorch/vision#714, NVIDIA/DIGITS#665."""
    for place in range(12):
        pictures(tmp_path / str(place), 1, level=20 * place)
    read = load_source(f"folder:{tmp_path}", image_size=6)
    assert read.class_names[:4] == ("0", "1", "10", "11")
    for pixels, label in zip(read.train_images, read.train_labels, strict=True):
        assert int(pixels[0, 0, 0]) == 20 * int(read.class_names[label])


@pytest.mark.parametrize("empty", [True, False])
def test_a_part_that_lacks_a_class_shifts_no_label(tmp_path, empty):
    """ultralytics/ultralytics#13936, huggingface/pytorch-image-models#957."""
    for place, kind in enumerate(("0", "180", "270", "90")):
        pictures(tmp_path / "train" / kind, 9, level=50 * place)
        if kind != "180":
            pictures(tmp_path / "test" / kind, 3, level=50 * place + 20)
        elif empty:
            (tmp_path / "test" / kind).mkdir(parents=True)
    source = f"folder:{tmp_path}"
    with pytest.raises(InvalidData, match=r"'180' .* has 0 there.*exclude=\('180',\)"):
        load_task(TaskConfig(source=source), image_size=6)
    task = load_task(TaskConfig(source=source, exclude=("180",)), image_size=6)
    shown = {
        task.class_names[y]: int(x[0, 0, 0])
        for x, y in zip(task.test.images, task.test.labels, strict=True)
    }
    assert {name: level // 50 for name, level in shown.items()} == {"0": 0, "270": 2, "90": 3}


@pytest.mark.parametrize("ending", [".JPEG", ".JPG", ".PNG", ".Bmp"])
def test_endings_in_capitals_are_endings(tmp_path, ending):
    """pytorch/vision#552, open-edge-platform/datumaro#151."""
    for place in range(2):
        pictures(tmp_path / f"kind{place}", 3, level=100 * place, ending=ending)
    assert len(load_source(f"folder:{tmp_path}", image_size=6).train_labels) == 6


def test_a_validation_part_written_out_is_one(tmp_path):
    """ultralytics/ultralytics#4310."""
    for place, part in enumerate(("train", "validation", "test")):
        for kind in range(2):
            pictures(tmp_path / part / f"k{kind}", 3, level=50 * place + 20 * kind)
    task = load_task(TaskConfig(source=f"folder:{tmp_path}"), image_size=6)
    assert [len(part) for part in (task.train, task.validation, task.test)] == [6, 6, 6]


def test_arrays_as_keras_names_them_are_read_and_pickled_ones_never(tmp_path):
    """keras-team/keras#12729, keras-team/keras#23047."""
    pixels = np.arange(8 * 36, dtype=np.uint8).reshape(8, 6, 6)
    arrays = {"x_train": pixels, "y_train": np.arange(8) % 2}
    np.savez(tmp_path / "a.npz", **arrays, x_test=pixels[:2], y_test=np.arange(2))
    read = load_source(f"npz:{tmp_path / 'a.npz'}", image_size=6)
    assert (len(read.train_labels), len(read.test_labels)) == (8, 2)
    ragged = np.array([pixels[0], pixels[1][:3]], dtype=object)
    np.savez(tmp_path / "b.npz", x_train=ragged, y_train=np.arange(2))
    with pytest.raises(InvalidData, match=r"x_train of .*Python objects.*np\.stack"):
        load_source(f"npz:{tmp_path / 'b.npz'}", image_size=6)


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
PAGE = b"<!DOCTYPE html><html><body>404</body></html>"


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (pickle.dumps({"conv1.weight": 1}), "are a pickle"),
        (LFS, "git lfs pull"),
        (PAGE, "a web page"),
    ],
)
def test_a_file_that_is_no_safetensors_is_told_what_it_is(tmp_path, teacher, data, cause):
    """safetensors/safetensors#414, codefuse-ai/MFTCoder#20."""
    with pytest.raises(CorruptArtifact, match=cause):
        read_weights(data, space=teacher.network.space, num_classes=3, where="w")
    if data not in (LFS, PAGE):
        return
    (tmp_path / "x.npz").write_bytes(data)
    with pytest.raises(InvalidData, match=cause):
        load_source(f"npz:{tmp_path / 'x.npz'}", image_size=6)
    for place in range(2):
        pictures(tmp_path / f"k{place}", 2, level=100 * place)
    (tmp_path / "k0" / "9.png").write_bytes(data)
    with pytest.raises(InvalidData, match=cause):
        load_source(f"folder:{tmp_path}", image_size=6)


@pytest.mark.parametrize("prefix", ["state_dict_ema.module.", "model_ema.", "ema.module."])
@pytest.mark.parametrize("beside", ["", "state_dict.", "model."])
def test_an_average_of_the_weights_is_read_where_it_is_all_there_is(teacher, prefix, beside):
    """sming256/OpenTAD#44."""
    own = {n: t.contiguous() for n, t in teacher.network.state_dict().items()}
    averages = {prefix + n: t + 1 if t.is_floating_point() else t for n, t in own.items()}
    plain = {beside + n: t.clone() for n, t in own.items()} if beside else {}
    read = read_weights(
        save(averages | plain), space=teacher.network.space, num_classes=3, where="w"
    )
    assert torch.equal(read.fc.bias, own["fc.bias"] + (0 if beside else 1))


def test_an_exported_model_is_one_file_that_names_its_classes_for_any_batch(teacher):
    """ultralytics/ultralytics#9417, pytorch/pytorch#126479, microsoft/onnxruntime#9867."""
    facts = usage(teacher.network, class_names=("café", "b,c", "0"))
    model = onnx.load_from_string(to_onnx(teacher.network, facts))
    told = {each.key: each.value for each in model.metadata_props}
    assert "café" in told["class_names"] or "caf\\u00e9" in told["class_names"]
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param
    assert not any(tensor.external_data for tensor in model.graph.initializer)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_the_help_is_printed_whatever_the_output_can_encode(encoding):
    """astanin/python-tabulate#327, pallets/click#3778."""
    command = [sys.executable, "-m", "jobs.cli", "adopt", "small", "--help"]
    done = subprocess.run(
        command, capture_output=True, cwd=ROOT, env=os.environ | {"PYTHONIOENCODING": encoding}
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"--task.classes" in done.stdout.decode(encoding).encode()


def test_a_wheel_has_every_file_that_lies_beside_the_modules(wheel):  # noqa: F811
    """CORE-GATECH-GROUP/serpent-tools#271, kesai-labs/py123d#92."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    listed = subprocess.run(
        ["git", "ls-files", "cluster", "dass", "jobs", "serve"],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    if listed.returncode:
        pytest.skip("this is no checkout")
    assert set(listed.stdout.split()) <= names
