"""Adoption: a user's own weights are one teacher, whichever way they come."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save

from dass.data.task import TaskConfig
from dass.errors import CorruptArtifact, NameTaken
from dass.registry import artifacts
from dass.registry.adoption import adopt_teacher, digest_of, read_weights
from dass.registry.registry import Registry
from dass.store.store import Store
from jobs.adopt import AdoptConfig, take
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
