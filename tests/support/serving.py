"""What the tests of the service share: a prepared store, and one service on Ray for all."""

import os
import socket
import warnings
from dataclasses import dataclass

import pytest
import torch

from dass.networks.resnet import ResNet, initialise
from dass.networks.teacher import Teacher
from dass.predictor.embed import embed
from dass.predictor.ensemble import Ensemble
from dass.predictor.network import Predictor, PredictorConfig
from dass.predictor.ood import Reference, statistics
from dass.registry.artifacts import WEIGHTS
from dass.registry.networks import pack_teacher
from dass.registry.registry import Registry
from dass.space.spaces import by_name
from dass.store.store import Store

TOKEN = "a token of these tests"
LIMITS = {
    "candidates": 5000,
    "architectures": 300,
    "top": 20,
    "support": 5,
    "upload_bytes": 2**20,
    "request_bytes": 2**18,
    "classes": 100,
    "teachers": 40,
    "running": 3,
    "waiting": 60,
    "seconds": 120.0,
}
"""Small, so that a test can exceed them."""


def any_teacher(name, *, seed=0, classes=3):
    """Return a teacher with initial weights: the service asks no more of one."""
    space = by_name("micro")
    network = ResNet(space, space.largest, num_classes=classes)
    initialise(network, generator=torch.Generator().manual_seed(seed))
    return Teacher(name=name, network=network.eval(), accuracy=0.9)


def weights_of(teacher):
    """Return a teacher's weights as a safetensors file."""
    return pack_teacher(teacher)[WEIGHTS]


def prepare(root):
    """Prepare a store: a predictor of three members; teachers `digits` and, unlike it, `ood`."""
    registry, space = Registry(Store(str(root))), by_name("micro")
    shape = PredictorConfig(space="micro", recipe="test", hidden=8, features=16, scale="fraction")
    members = [
        Predictor(shape, generator=torch.Generator().manual_seed(seed)).eval() for seed in range(3)
    ]
    digits, ood = any_teacher("digits"), any_teacher("ood", seed=1)
    with torch.no_grad():
        for parameter in ood.network.parameters():
            parameter.mul_(30.0)
    seen = statistics(embed(digits.network, [space.largest])[0], digits.accuracy, 3)
    reference = Reference(
        statistics=(seen, tuple(v + 1.0 for v in seen)), offset=-0.01, slope=0.02, std=0.01
    )
    registry.put_predictor(
        "predictor", Ensemble(tuple(members), reference=reference), {"made": "for tests"}
    )
    for teacher in (digits, ood):
        registry.put_teacher(teacher, {"recipe": "own"})
    return registry


def free_port():
    """Return a port that nobody listens on at the moment."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@dataclass(frozen=True)
class Service:
    """Where the one service of the tests answers."""

    registry: Registry
    http: str
    grpc: str


@pytest.fixture(scope="session")
def service(cluster, tmp_path_factory):
    """The service with two scorer replicas, on the cluster of the run."""
    with warnings.catch_warnings():  # of Ray's own
        warnings.simplefilter("ignore")
        from ray import serve

        from serve.app import Settings, start

    registry = prepare(tmp_path_factory.mktemp("service"))
    port, grpc_port = free_port(), free_port()
    settings = Settings(store=registry.store.root, scorer_cpus=0.1, max_replicas=3, limits=LIMITS)
    before = os.environ.get("DASS_TOKEN")
    os.environ["DASS_TOKEN"] = TOKEN
    try:
        start(settings, host="127.0.0.1", port=port, grpc_port=grpc_port)
        yield Service(registry, f"http://127.0.0.1:{port}", f"127.0.0.1:{grpc_port}")
    finally:
        serve.shutdown()
        os.environ.pop("DASS_TOKEN")
        if before is not None:
            os.environ["DASS_TOKEN"] = before
