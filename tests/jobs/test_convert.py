"""`dass convert`: what people save becomes safetensors, or is refused in a sentence."""

import argparse
import collections
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from dass.errors import CorruptArtifact
from dass.networks.checkpoints import read_checkpoint
from dass.networks.oracles.address import load_oracle
from jobs import cli

CODE = "would have run"


class Harmful:
    """A pickle that runs code when loaded without restriction."""

    def __reduce__(self):
        return Path(CODE).touch, ()


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))


def converted(checkpoint, *words):
    torch.save(checkpoint, "w.pth")
    assert cli.main(["convert", "w.pth", "w.safetensors", *words]) == 0
    return load_file("w.safetensors")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


SHAPES = {
    "plain": lambda state: state,
    "nested": lambda state: {"epoch": 3, "state_dict": state, "optimizer": {"lr": 0.1}},
    "model": lambda state: {"model": state, "args": argparse.Namespace(lr=0.1)},
    "data parallel": lambda state: {f"module.{name}": t for name, t in state.items()},
    "compiled": lambda state: {"model": {f"_orig_mod.module.{n}": t for n, t in state.items()}},
    "average alone": lambda state: {"ema": state, "best": np.float64(0.7), "n": np.int64(3)},
    "averaged": lambda state: (
        {"n_averaged": torch.tensor(4)} | {f"module.{name}": t for name, t in state.items()}
    ),
    "with settings": lambda state: collections.OrderedDict(state, version=2, name="mine"),
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_every_usual_shape_becomes_the_network_s_own_tensors(shape):
    state = network().state_dict()
    found = converted(shape(state))
    assert found.keys() == state.keys()
    assert all(found[name].equal(state[name]) for name in state)


def test_it_says_what_it_did_and_the_same_line_again_changes_nothing(capsys):
    state = {f"module.{name}": tensor for name, tensor in network().state_dict().items()}
    torch.save({"state_dict": state, "model_ema": state}, "w.pth")
    line = ["convert", "w.pth", "w.safetensors"]
    assert cli.main(line) == 0
    printed = capsys.readouterr().out
    for part in ("restricted loader", "took 'state_dict'", "there is 'model_ema' too",
                 "prefix 'module.'", "wrote 7 tensors", "next:"):  # fmt: skip
        assert part in printed
    first = Path("w.safetensors").read_bytes()
    assert cli.main(line) == 0 and "was there already" in capsys.readouterr().out
    assert Path("w.safetensors").read_bytes() == first
    torch.save({}, "other.pth")
    torch.save(nn.Linear(2, 2).state_dict(), "other.pth")
    assert cli.main(["convert", "other.pth", "w.safetensors"]) == 2
    assert "must be free" in capsys.readouterr().err
    assert Path("w.safetensors").read_bytes() == first


def test_an_entry_is_taken_by_its_name(capsys):
    plain, average = network().state_dict(), {n: t * 2 for n, t in network().state_dict().items()}
    found = converted({"model": plain, "model_ema": {"module": average}}, "model_ema")
    assert all(found[name].equal(average[name]) for name in average) or "module" not in found
    assert cli.main(["convert", "w.pth", "x.safetensors", "teacher"]) == 2
    assert "must be one of model, model_ema" in capsys.readouterr().err


def test_tied_transposed_and_half_tensors_keep_their_values():
    one = torch.randn(4, 6)
    state = {"a": one, "b": one, "c": one.t(), "d": one[1:3], "e": one.half(),
             "f": nn.Parameter(one)}  # fmt: skip
    found = converted(state)
    assert all(found[name].equal(state[name]) for name in state)
    assert found["e"].dtype == torch.float16


def test_what_it_writes_is_a_teacher_of_torchvision():
    from torchvision import models

    made = models.shufflenet_v2_x0_5(num_classes=4).eval()
    converted({"model": {f"module.{n}": t for n, t in made.state_dict().items()}, "epoch": 1})
    oracle = load_oracle("torchvision:shufflenet_v2_x0_5", weights="w.safetensors", size=32)
    pixels = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    with torch.no_grad():
        assert torch.allclose(oracle.logits(pixels), made(oracle.preprocessing(pixels)), atol=1e-5)


@pytest.mark.parametrize("wrap", [lambda it: it, lambda it: {"state_dict": {}, "x": it}])
def test_a_pickle_with_code_is_refused_and_its_code_does_not_run(capsys, wrap):
    for save in (torch.save, lambda it, path: Path(path).write_bytes(pickle.dumps(it))):
        save(wrap(Harmful()), "w.pth")
        assert cli.main(["convert", "w.pth", "w.safetensors"]) == 2
        (sentence,) = capsys.readouterr().err.splitlines()
        assert "code in it" in sentence and "state_dict()" in sentence
        assert not Path(CODE).exists() and not Path("w.safetensors").exists()


def test_a_whole_network_is_refused_with_what_to_save(capsys):
    torch.save(network(), "w.pth")
    assert cli.main(["convert", "w.pth", "w.safetensors"]) == 2
    (sentence,) = capsys.readouterr().err.splitlines()
    assert "(torch.nn.modules.container.Sequential)" in sentence


def write(path, kind):
    if kind == "text":
        Path(path).write_text("no checkpoint")
    elif kind == "empty":
        Path(path).write_bytes(b"")
    elif kind == "cut":
        torch.save(network().state_dict(), path)
        Path(path).write_bytes(Path(path).read_bytes()[:-200])
    elif kind == "list":
        torch.save([1, 2], path)
    elif kind == "numbers":
        torch.save({"lr": 0.1}, path)
    elif kind == "sparse":
        torch.save({"a": torch.eye(3).to_sparse()}, path)
    elif kind == "exported":
        with open(path, "wb") as file:
            torch.export.save(torch.export.export(network(), (torch.zeros(1, 3, 8, 8),)), file)
    elif kind == "safetensors":
        from safetensors.torch import save_file

        save_file(network().state_dict(), path)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("text", "broken or something else"),
        ("empty", "broken or something else"),
        ("cut", "broken or something else"),
        ("list", "holds a list"),
        ("numbers", "holds 'lr': float"),
        ("sparse", "sparse or quantised"),
        ("exported", "which is a program"),
        ("safetensors", "is safetensors already"),
        ("nothing", "correct the path"),
    ],
)
def test_what_is_no_checkpoint_is_one_sentence(capsys, kind, message):
    write("w.pth", kind)
    assert cli.main(["convert", "w.pth", "w.safetensors"]) == 2
    (sentence,) = capsys.readouterr().err.splitlines()
    assert message in sentence
    assert not Path("w.safetensors").exists()


def test_a_wrong_ending_and_a_wrong_line_are_told(capsys):
    torch.save(network().state_dict(), "w.pth")
    assert cli.main(["convert", "w.pth", "w.bin"]) == 2
    assert "name it w.safetensors" in capsys.readouterr().err
    assert cli.main(["convert", "w.pth"]) == 2 and "usage" in capsys.readouterr().err
    assert cli.main(["convert", "--help"]) == 0 and "ENTRY" in capsys.readouterr().out
    assert cli.main(["convert", "w.pth", "none/w.safetensors"]) == 2
    assert "may write to" in capsys.readouterr().err


def test_a_checkpoint_of_nothing_is_refused():
    torch.save({"state_dict": {}}, "w.pth")
    with pytest.raises(CorruptArtifact, match="must hold a network's tensors"):
        read_checkpoint(Path("w.pth"))
