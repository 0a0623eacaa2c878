"""Small fixtures that many tests share: the micro space, a task of digits, a teacher of it.

They live as long as the run. Whoever changes a network copies it first.
"""

import pytest
import torch

from dass.data.task import TaskConfig, load_task
from dass.networks.resnet import ResNet, initialise
from dass.networks.teacher import Teacher
from dass.space.spaces import micro
from dass.training.batches import Online
from dass.training.distillation import train
from dass.training.inference import accuracy
from dass.training.recipe import Recipe
from tests.support import long
from tests.support.ray_cluster import cluster
from tests.support.serving import service

__all__ = ["cluster", "service"]
DEFAULT = "not ray and not gpu and not hosts"
LONG = long.files()


def pytest_addoption(parser):
    parser.addoption("--all", action="store_true", help="run the files of tests/long.txt as well")


def pytest_configure():
    """Compute on one thread: sums then have one order, and the networks are tiny anyway."""
    torch.set_num_threads(1)


def pytest_ignore_collect(collection_path, config):
    """Leave files that take long out, unless they are named, or other tests are asked for."""
    if config.option.all or config.option.markexpr != DEFAULT:
        return None
    return True if collection_path in LONG else None


def pytest_terminal_summary(terminalreporter, config):
    if not config.option.all and config.option.markexpr == DEFAULT:
        told = (
            f"{len(LONG)} files that take long run where they are named, with `--all`, and in CI"
        )
        terminalreporter.write_line(told)


@pytest.fixture(scope="session")
def micro_space():
    """The space of 8 px images."""
    return micro()


@pytest.fixture(scope="session")
def digits(micro_space):
    """A task of the micro space: three classes of digits, 16 images each to train on."""
    config = TaskConfig(
        source="digits",
        only=("7", "8", "9"),
        train_per_class=16,
        validation_per_class=60,
        flip=False,
    )
    return load_task(config, image_size=micro_space.image_size)


@pytest.fixture(scope="session")
def teacher(micro_space, digits):
    """A teacher of the digits, five short epochs old, in eval mode."""
    recipe = Recipe(
        epochs=5, batch_size=8, warmup_epochs=1, padding=1, label_smoothing=0.1, hard_weight=1.0
    )
    network = ResNet(micro_space, micro_space.largest, num_classes=digits.num_classes)
    initialise(network, generator=torch.Generator().manual_seed(0))
    batches = Online(digits.train, padding=recipe.padding, flip=digits.flip)
    for _ in train(network, batches, recipe=recipe, seed=0):
        pass
    return Teacher(
        name="digits-teacher",
        network=network.eval(),
        accuracy=accuracy(network, digits.validation),
        test_accuracy=accuracy(network, digits.test),
        task=digits.config,
    )


def pytest_collection_modifyitems(items):
    """Begin with tests that look at a machine where no other Ray runs, then with long files.

    Files of jobs, then of the service, take longest: two processes that share the files end
    together only where the short ones are left for the end. The order stays else.
    """
    items.sort(key=lambda item: (item.get_closest_marker("alone") is None, _turn(item)))


def _turn(item):
    """Return the turn of an item's file; tests on Ray keep the order in which they share it."""
    rooms = ("tests/jobs/", "tests/serve/")
    found = [place for place, room in enumerate(rooms) if item.nodeid.startswith(room)]
    return len(rooms) if item.get_closest_marker("ray") or not found else found[0]
