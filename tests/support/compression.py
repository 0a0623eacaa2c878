"""What the tests of `dass compress` share: pictures of digits, teachers of them, short settings.

The pictures and the teachers are made once in a process, for all files.
"""

import pytest
import torch
from PIL import Image
from torch import nn

import dass
from dass.data.images import resize
from dass.errors import InvalidData
from dass.networks.oracles.oracle import classifier_of
from dass.networks.oracles.preprocessing import Preprocessing
from dass.networks.resnet import ResNet, initialise
from dass.pipeline.compression import clock, onnx_runs
from dass.pipeline.compression import order as orders
from dass.space.spaces import residual
from dass.training.batches import Online
from dass.training.distillation import train
from dass.training.recipe import Recipe
from jobs import cli
from tests.support.oracles import onnx_file

SIDE = 16
BEFORE = Preprocessing(size=SIDE, resize=SIDE, mean=(0.5,) * 3, std=(0.5,) * 3)
FLIP = {"flip": False}
SHORT = {"minutes": 0.05, "verify": 2, "epochs": 2, "views": 1, "candidates": 30}
NAMES = ("student.safetensors", "config.json", "model.onnx", "model.int8.onnx", "report.html",
         "README.md", "ledger.json", "infer.py")  # fmt: skip


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """A folder of three classes of digits, 16 px, 60 of each."""
    root = tmp_path_factory.mktemp("photos")
    task = dass.load_task(
        dass.TaskConfig(source="digits", only=("0", "1", "2"), train_per_class=60), image_size=8
    )
    for number, (pixels, label) in enumerate(zip(*_arrays(task.train), strict=True)):
        (root / f"digit {label}").mkdir(exist_ok=True)
        picture = Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        picture.save(root / f"digit {label}" / f"{number}.png")
    return root


def _arrays(split):
    return split.images.permute(0, 2, 3, 1).numpy(), split.labels.tolist()


@pytest.fixture(scope="session")
def task(pictures):
    config = dass.TaskConfig(source=f"folder:{pictures}", **FLIP)
    return dass.load_task(config, image_size=SIDE)


@pytest.fixture(scope="session")
def resnet(task):
    """A narrow ResNet of BasicBlocks that knows the digits, as a user would have one."""
    space = residual((8, 16), (2, 1), stem=3, image_size=SIDE)
    network = ResNet(space, space.largest, num_classes=3)
    initialise(network, generator=torch.Generator().manual_seed(0))
    recipe = Recipe(epochs=4, batch_size=16, hard_weight=1.0, padding=1)
    for _ in train(network, Online(task.train, padding=1, flip=False), recipe=recipe, seed=0):
        pass
    return network.eval()


@pytest.fixture(scope="session")
def linear(task):
    """A network of no family: the nearest mean of each class, as a linear layer of 8 px."""
    small = resize(task.train.images, 8).float().div(255).sub(0.5).div(0.5).flatten(1)
    means = torch.stack([small[task.train.labels == label].mean(0) for label in range(3)])
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 3))
    with torch.no_grad():
        network[1].weight.copy_(means)
        network[1].bias.copy_(-means.square().sum(1) / 2)
    return network.eval()


@pytest.fixture(scope="session")
def exported(linear, tmp_path_factory):
    """The same as an ONNX file, as a user would have it."""
    return onnx_file(tmp_path_factory.mktemp("exported") / "mine.onnx", linear, size=8)


@pytest.fixture(autouse=True)
def fast_order(monkeypatch):
    """Order by size, as where the labels are not shipped; what is fitted has tests of its own."""

    def nothing(*_, **__):
        raise InvalidData("no labels")

    monkeypatch.setattr(orders, "fit_teacher_blind", nothing)


@pytest.fixture(autouse=True, scope="session")
def quick():
    """Export a teacher once for the clock, not once for each compression; time models briefly."""
    export, kept = onnx_runs._exported, {}

    def exported(network, size):
        if (network, size) not in kept:
            kept[network, size] = export(network, size)
        return kept[network, size]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(onnx_runs, "_exported", exported)
        patch.setattr(clock, "SECONDS", 0.1)
        yield


def made(oracle, pictures, into, *, said=None, **settings):
    images = dass.TaskConfig(source=f"folder:{pictures}", **FLIP)
    lines = [] if said is None else said
    return dass.compress(oracle, images, into=str(into), say=lines.append, **SHORT | settings)


class Stopped(Exception):
    """The process is gone."""


@pytest.fixture(scope="session")
def oracle(resnet):
    return classifier_of(resnet, name="mine", preprocessing=BEFORE)


def lines_of(capsys, *words):
    code = cli.main(["compress", *words])
    printed = capsys.readouterr()
    return code, printed.out, printed.err
