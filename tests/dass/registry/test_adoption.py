"""Adoption: a user's own weights are one teacher, whichever way they come."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save, save_model
from torch import nn

from dass.data.task import TaskConfig
from dass.errors import CorruptArtifact, DassError, InvalidConfig, NameTaken
from dass.networks.resnet import ResNet
from dass.registry import artifacts
from dass.registry.adoption import adopt_teacher, digest_of, read_weights
from dass.registry.registry import Registry
from dass.space.spaces import by_name
from dass.store.store import Store
from jobs.adopt import AdoptConfig, take
from serve.limits import InvalidUpload
from serve.ranker import Ranker, Registration
from tests.support.serving import prepare, weights_of


@pytest.fixture
def data(teacher):
    return weights_of(teacher)


@pytest.fixture
def registry(tmp_path):
    return Registry(Store(str(tmp_path)))


def manifest(registry, name):
    return registry.teacher_facts(name)


def test_an_own_state_dict_is_read_or_told_the_expected_names(teacher):
    space = teacher.network.space
    every = teacher.network.state_dict()
    state = {n: t.contiguous() for n, t in every.items() if "num_batches" not in n}
    network = read_weights(save(state), space=space, num_classes=3, where="w")
    assert network.fc.weight.equal(teacher.network.fc.weight)
    with pytest.raises(CorruptArtifact, match=r"conv1\.weight is missing"):
        read_weights(save({"x": torch.zeros(1)}), space=space, num_classes=3, where="w")


def test_what_the_job_adopted_is_the_same_when_it_is_registered_with_the_service(
    teacher, data, tmp_path
):
    registry = prepare(tmp_path / "store")
    path = tmp_path / "weights.safetensors"
    path.write_bytes(data)
    task = TaskConfig(
        source="digits", only=("7", "8", "9"), train_per_class=16, validation_per_class=60
    )
    config = AdoptConfig(store=registry.store.root, space="micro", weights=str(path), task=task)
    adopted = take(config)
    before = manifest(registry, adopted.name)
    again = Registration(
        name=adopted.name, space="micro", classes=3, accuracy=adopted.accuracy, weights=data
    )
    assert Ranker.open(registry).register(again).name == adopted.name
    assert manifest(registry, adopted.name) == before and before["task"] is not None
    assert before["weights_sha256"] == digest_of(data) and len(digest_of(data)) == 64
    assert take(config).name == adopted.name, "and so it is for the job"


def test_the_short_digest_of_earlier_versions_is_one_of_the_same_weights(teacher, data, registry):
    registry.put_teacher(teacher, {"recipe": "own", "weights_sha256": digest_of(data)[:8]})
    before = manifest(registry, teacher.name)
    adopt_teacher(registry, teacher, data)
    assert manifest(registry, teacher.name) == before


def test_another_teacher_of_that_name_is_refused(teacher, data, registry):
    adopt_teacher(registry, teacher, data)
    for other, weights in ((teacher, data + b" "), (replace(teacher, accuracy=0.5), data)):
        with pytest.raises(NameTaken, match="delete that first or take another name"):
            adopt_teacher(registry, other, weights)
    trained = replace(teacher, name="trained")
    registry.put_teacher(trained, {"recipe": "r"})
    with pytest.raises(NameTaken):
        adopt_teacher(registry, trained, data)


def test_a_task_is_added_to_a_teacher_that_came_without(teacher, data, registry):
    adopt_teacher(registry, replace(teacher, task=None), data)
    adopt_teacher(registry, teacher, data)
    assert registry.teacher(teacher.name).task == teacher.task
    adopt_teacher(registry, replace(teacher, task=None), data)
    assert (
        json.loads(registry.store.read(f"teachers/{teacher.name}/{artifacts.MANIFEST}"))["task"]
        == teacher.task.to_dict()
    ), "and never taken away"


# --- names as they come --------------------------------------------------------------------


def state_of(teacher):
    return {n: t.clone().contiguous() for n, t in teacher.network.state_dict().items()}


def read(state, *, classes=3):
    data = state if isinstance(state, bytes) else save(state)
    return read_weights(data, space=by_name("micro"), num_classes=classes, where="w")


def is_the_same(network, teacher):
    known = teacher.network.state_dict()
    return all(t.equal(known[n]) for n, t in network.state_dict().items())


@pytest.mark.parametrize(
    "prefix",
    [
        *("module.", "_orig_mod.", "model.", "state_dict.", "model_state_dict."),
        *("module._orig_mod.", "_orig_mod.module.", "model.module._orig_mod."),
        *("state_dict.model.", "state_dict.module.model._orig_mod."),
    ],
)
def test_prefixes_of_wrappers_are_understood_stacked_too(prefix, teacher):
    named = {prefix + name: tensor for name, tensor in state_of(teacher).items()}
    assert is_the_same(read(named), teacher)


def test_what_stands_beside_a_nested_state_dict_is_not_the_network(teacher):
    nested = {f"state_dict.{name}": tensor for name, tensor in state_of(teacher).items()}
    beside = {"epoch": torch.tensor(3), "optimizer.state.0.exp_avg": torch.zeros(2)}
    assert is_the_same(read(nested | beside), teacher)


def test_half_precision_is_read_under_a_prefix_too(teacher):
    halves = {f"module.{name}": tensor.bfloat16() for name, tensor in state_of(teacher).items()}
    network = read(halves)
    assert network.fc.weight.dtype == torch.float32
    assert network.fc.weight.equal(teacher.network.fc.weight.bfloat16().float())


# --- tied tensors --------------------------------------------------------------------------


def saved(module, path):
    save_model(module, str(path))
    return path.read_bytes()


def copy_of(teacher):
    network = ResNet(by_name("micro"), by_name("micro").largest, num_classes=3)
    network.load_state_dict(teacher.network.state_dict())
    return network


def tied(teacher):
    """Return a teacher's network in which one tensor stands in two blocks."""
    network = copy_of(teacher)
    network.layer1[1].conv2.weight = network.layer1[0].conv2.weight
    return network


def test_tensors_that_safetensors_left_out_as_tied_are_there_again(teacher, tmp_path):
    network = tied(teacher)
    data = saved(network, tmp_path / "tied.safetensors")
    assert b"layer1.1.conv2.weight" in data and len(data) < len(save(state_of(teacher))), (
        "or nothing was left out"
    )
    again = read(data)
    assert all(t.equal(again.state_dict()[n]) for n, t in network.state_dict().items())


class Wrapper(nn.Module):
    """A user's own: the network under two names, or its classifier."""

    def __init__(self, network, **second):
        super().__init__()
        self.model = network
        for name, module in second.items():
            self.add_module(name, module)


@pytest.mark.parametrize("name", ["backbone", "zzz"])
def test_a_network_under_two_names_is_read_once(name, teacher, tmp_path):
    network = copy_of(teacher)
    wrapped = Wrapper(network, **{name: network})
    assert is_the_same(read(saved(wrapped, tmp_path / "w.safetensors")), teacher)
    copied = {n: t.clone().contiguous() for n, t in wrapped.state_dict().items()}
    assert is_the_same(read(copied), teacher)


@pytest.mark.parametrize("name", ["classifier", "zzz"])
def test_a_classifier_under_two_names_is_read_once(name, teacher, tmp_path):
    network = copy_of(teacher)
    wrapped = Wrapper(network, **{name: network.fc})
    assert is_the_same(read(saved(wrapped, tmp_path / "w.safetensors")), teacher)


def test_one_name_for_two_tensors_is_refused(teacher):
    state = state_of(teacher)
    twice = state | {"module.conv1.weight": state["conv1.weight"] + 1}
    with pytest.raises(
        CorruptArtifact, match=r"1 tensor too many.*\nmodule\.conv1\.weight is unk"
    ):
        read(twice)


def test_a_block_too_many_is_another_network_though_it_is_tied(teacher):
    state = state_of(teacher)
    block = {n: t for n, t in state.items() if n.startswith("layer1.1.")}
    deeper = state | {n.replace("layer1.1.", "layer1.2."): t.clone() for n, t in block.items()}
    with pytest.raises(CorruptArtifact, match="tensors too many"):
        read(deeper)


# --- what cannot be read -------------------------------------------------------------------


def without(state, *parts):
    return {n: t for n, t in state.items() if not any(part in n for part in parts)}


def largest(space, classes):
    network = ResNet(by_name(space), by_name(space).largest, num_classes=classes)
    return dict(network.state_dict())


def wider(state):
    return {n: torch.cat((t, t)) if t.ndim and "fc" not in n else t for n, t in state.items()}


CAUSES = {
    "have another head size: 10 classes where 3 are asked for": (
        lambda state: state | {"fc.weight": torch.zeros(10, 32), "fc.bias": torch.zeros(10)},
        r"fc\.weight must be \(3, 32\) but is \(10, 32\)",
    ),
    "are of another family of network": (
        lambda state: {f"features.{n}.weight": torch.zeros(2, 2) for n in range(9)},
        r"features\.0\.weight is unknown, of shape \(2, 2\)",
    ),
    "are of another family of network; distil": (
        lambda state: state | {"layer2.0.downsample.0.weight": torch.zeros(16, 8, 1, 1)},
        r"layer2\.0\.downsample\.0\.weight is unknown",
    ),
    "are incomplete: 2 tensors of .* missing": (
        lambda state: without(state, "layer2.1.conv1", "layer1.0.conv2"),
        r"layer2\.1\.conv1\.weight is missing",
    ),
    "have other widths: .* tensors of another shape": (
        wider,
        r"conv1\.weight must be \(8, 3, 3, 3\) but is \(16, 3, 3, 3\)",
    ),
    "have 1 tensor too many": (
        lambda state: state | {"auxiliary": torch.zeros(2)},
        "auxiliary is unknown",
    ),
    "have other names or another depth": (
        lambda state: without(state, "layer1.1") | {"layer1.7.conv1.weight": torch.zeros(1)},
        r"layer1\.1\.conv1\.weight is missing",
    ),
    "are of space 'small'; name that space": (
        lambda state: largest("small", 7),
        r"conv1\.weight must be \(8, 3, 3, 3\) but is \(16, 3, 3, 3\)",
    ),
    "are quantised, not of floating point": (
        lambda state: {n: t.to(torch.int8) for n, t in state.items()},
        r"conv1\.weight must be of floating point but is torch\.int8",
    ),
    "there is no tensor among them": (lambda state: {}, r"conv1\.weight is missing"),
}


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("cause", CAUSES)
def test_the_first_line_names_the_cause_and_the_next_names_and_shapes(cause, prefix, teacher):
    change, words = CAUSES[cause]
    state = {prefix + n: t.contiguous() for n, t in change(state_of(teacher)).items()}
    with pytest.raises(CorruptArtifact, match=cause) as raised:
        read(state)
    first, *rest = str(raised.value).splitlines()
    assert re.search(cause, first) and re.search(words, " ".join(rest))
    assert len(first) < 250


def test_the_service_says_the_same(teacher, tmp_path):
    registry = prepare(tmp_path)
    upload = Registration(
        name="own", space="micro", classes=5, accuracy=0.5, weights=weights_of(teacher)
    )
    with pytest.raises(InvalidUpload, match="another head size: 3 classes where 5 are asked for"):
        Ranker.open(registry).register(upload)


def forbidden(*_, **__):
    raise PermissionError(13, "Permission denied")


@pytest.mark.parametrize("method", ["read_bytes", "is_file"])
def test_a_file_that_may_not_be_read_is_a_sentence(method, data, tmp_path, monkeypatch):
    path = tmp_path / "w.safetensors"
    path.write_bytes(data)
    monkeypatch.setattr(Path, method, forbidden)
    config = AdoptConfig(store=str(tmp_path / "store"), space="micro", weights=str(path))
    with pytest.raises(InvalidConfig, match=r"you may read, but .*Permission denied.*chmod"):
        take(config)


def test_weights_in_the_store_that_may_not_be_read_are_a_sentence(data, tmp_path, monkeypatch):
    registry = prepare(tmp_path)
    registry.store.write("uploads/w.safetensors", data)
    ranker = Ranker.open(registry)
    upload = Registration(
        name="own", space="micro", classes=3, accuracy=0.5, path="uploads/w.safetensors"
    )
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", forbidden)
        with pytest.raises(DassError, match=r"must read uploads/w.*Permission denied"):
            ranker.register(upload)
    assert ranker.register(upload).name == "own", "or it failed for another reason"
