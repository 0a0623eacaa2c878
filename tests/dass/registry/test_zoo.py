"""What is shipped: gathered from a small store, and read back by one line each."""

from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch

from dass.data.task import TaskConfig
from dass.errors import (
    CorruptArtifact,
    InvalidData,
    InvalidKey,
    MissingKey,
    ReadOnlyStore,
)
from dass.predictor.episode import Episode, episode
from dass.predictor.records import to_frame
from dass.registry import zoo
from dass.registry.artifacts import MANIFEST
from dass.registry.embeddings import embeddings_of, pack_embeddings, unpack_embeddings
from dass.registry.registry import Registry
from dass.space.architecture import Architecture
from dass.space.spaces import by_name
from dass.store.store import Store
from jobs.build import build
from jobs.planning.labels import gather, lessons_of
from jobs.planning.plan import SplitPlan
from jobs.presets import micro
from jobs.publish import PublishConfig, publish


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    base = micro.build()
    few = TaskConfig(source="digits", train_per_class=8, validation_per_class=40, flip=False)
    made = replace(
        base,
        store=str(tmp_path_factory.mktemp("store")),
        splits=(
            SplitPlan(role="train", task=replace(few, only=("0", "1"))),
            SplitPlan(role="unseen", task=replace(few, only=("7", "8"))),
        ),
        pool=3,
        per_task=0,
        seeds=1,
        teacher=replace(base.teacher, epochs=4),
        student=replace(base.student, epochs=1),
        workers=1,
    )
    build(made)
    into = str(tmp_path_factory.mktemp("zoo"))
    return PublishConfig(store=made.store, space="micro", into=into)


@pytest.fixture(scope="module")
def shipped(config):
    return publish(config)


def test_all_records_come_back_from_one_file(config, shipped):
    records = Registry(Store(config.store)).records()
    assert len(records) == 6
    assert len(list(Path(config.into).glob("records/*"))) == 1
    assert zoo.records(config.into).equals(to_frame(records))


def test_teachers_of_tasks_to_learn_from_stay_at_home_and_others_lose_little(config, shipped):
    (name,) = zoo.teachers(config.into)
    ours, theirs = (lib.teacher(name) for lib in (zoo.registry(config.into), _library(config)))
    assert ours.accuracy == theirs.accuracy and ours.task == theirs.task
    assert ours.network.conv1.weight.dtype == torch.float32
    for key, tensor in theirs.network.state_dict().items():
        assert torch.allclose(ours.network.state_dict()[key], tensor, rtol=1e-3, atol=1e-4)


def _library(config):
    return Registry(Store(config.store))


def test_publishing_again_writes_nothing(config, shipped):
    written, size = publish(config)
    assert shipped[0] > 0 and written == 0 and size == shipped[1]


def test_too_much_is_refused_before_anything_is_written(config, tmp_path):
    with pytest.raises(InvalidData, match="0 MB at most"):
        publish(replace(config, into=str(tmp_path), most_megabytes=0))
    assert not list(tmp_path.iterdir())


def test_a_store_without_records_is_refused(config, tmp_path):
    with pytest.raises(InvalidData, match="build some"):
        publish(replace(config, store=str(tmp_path)))


def test_the_zoo_is_a_store_that_only_reads(config, shipped):
    store = zoo.registry(config.into).store
    for change in (lambda: store.write("a", b""), lambda: store.delete("records")):
        with pytest.raises(ReadOnlyStore, match=r"is only read, .* write to another store"):
            change()
    assert not (Path(config.into) / "a").exists()
    with pytest.raises(MissingKey):
        store.read("nothing")
    with pytest.raises(InvalidKey):
        store.read("../outside")


@pytest.mark.skipif(not (zoo.ROOT / "records").is_dir(), reason="nothing is shipped yet")
def test_the_shipped_records_name_no_place_and_tasks_keep_to_the_protocol():
    frame = zoo.records()
    assert frame["key"].is_unique and frame["test_accuracy"].between(0, 1).all()
    tasks = zoo.registry().tasks()
    assert set(frame["task"]) <= set(tasks)
    assert all(not task.source.startswith(("npz:/", "folder:/")) for task, _ in tasks.values())


def test_what_students_compute_is_shipped_for_teachers_that_are_not(config, shipped):
    name, group = _at_home(config)
    kept = zoo.registry(config.into).embeddings(name).episode(group)
    members = [Architecture.parse(r.architecture) for r in group]
    accuracies = [r.validation_accuracy for r in group]
    anew = episode(_library(config).teacher(name), members, accuracies)
    for field in fields(Episode):
        ours, theirs = getattr(kept, field.name), getattr(anew, field.name)
        assert torch.allclose(ours, theirs, rtol=2e-3, atol=1e-3), field.name


def _at_home(config):
    (name,) = set(_library(config).teachers()) - set(zoo.teachers(config.into))
    return name, [r for r in _library(config).records() if r.teacher == name]


def test_a_predictor_may_be_trained_on_the_shipped_files_alone(config, shipped):
    recipe, data = gather(zoo.registry(config.into), space="micro", recipe=None, device="cpu")
    (known,) = data["train"]
    assert known.name == _at_home(config)[0] and recipe == known.records[0].recipe
    assert known.teacher is None and known.num_classes == 2


def test_teachers_may_be_shipped_as_their_own_feature_maps_alone(config, shipped, tmp_path):
    small = replace(config, into=str(tmp_path), weights=False, students=False)
    _, size = publish(small)
    assert not zoo.teachers(tmp_path) and size < shipped[1] / 2
    for name in _library(config).teachers():
        kept = zoo.registry(tmp_path).embeddings(name)
        whole = embeddings_of(_library(config).teacher(name), [])
        assert kept.accuracy == whole.accuracy and kept.num_classes == 2
        assert torch.allclose(kept.feature_maps, whole.feature_maps, rtol=2e-3, atol=1e-3)


def test_without_students_feature_maps_what_hears_none_is_told_all_the_same(config, tmp_path):
    small = replace(config, into=str(tmp_path), weights=False, students=False)
    publish(small)
    asked = {"space": "micro", "recipe": None, "device": "cpu"}
    with pytest.raises(CorruptArtifact, match="must hold every labelled student"):
        gather(zoo.registry(tmp_path), **asked)
    lessons = [
        lessons_of(registry, gather(registry, **asked, heard=False)[1], ("train", "unseen"))
        for registry in (zoo.registry(tmp_path), _library(config))
    ]
    assert lessons[0] and len(lessons[0]) == len(lessons[1])
    for ours, theirs in zip(*lessons, strict=True):
        assert torch.allclose(ours.students.inputs, theirs.students.inputs, rtol=2e-3, atol=2e-3)
        assert ours.students.accuracies.equal(theirs.students.accuracies)
        assert ours.episode.feature_maps.isnan().all(), "whoever hears them, notices"


def test_what_was_shipped_may_be_shipped_again(config, tmp_path):
    first = replace(config, into=str(tmp_path / "first"), weights=False)
    publish(first)
    second = replace(first, store=first.into, into=str(tmp_path / "second"))
    publish(second)
    ours, theirs = (
        {path.relative_to(into): path.read_bytes() for path in into.rglob("*") if path.is_file()}
        for into in (Path(first.into), Path(second.into))
    )
    assert ours == theirs and len(ours) >= 6


def test_embeddings_that_lack_a_student_say_so(config, shipped):
    name, (one, *_) = _at_home(config)
    kept = zoo.registry(config.into).embeddings(name)
    space = by_name("micro")
    stranger = next(
        a
        for a in space.sample(20, generator=torch.Generator().manual_seed(0))
        if str(a) not in kept.architectures
    )
    with pytest.raises(CorruptArtifact, match="must hold every labelled student"):
        kept.episode([replace(one, architecture=str(stranger))])


@pytest.mark.parametrize("change", ["shape", "name"])
def test_broken_embeddings_are_refused(config, shipped, change):
    kept = zoo.registry(config.into).embeddings(_at_home(config)[0])
    files = pack_embeddings(
        replace(kept, feature_maps=kept.feature_maps[1:]) if change == "shape" else kept
    )
    if change == "name":
        files[MANIFEST] = files[MANIFEST].replace(b"num_classes", b"classes")
    with pytest.raises(CorruptArtifact, match="have"):
        unpack_embeddings(files)


def test_without_the_shipped_files_the_error_says_where_they_come_from(tmp_path):
    for ask in (zoo.records, zoo.teachers, lambda root: zoo.predictor(root=root)):
        with pytest.raises(InvalidData, match=r"must lie in .*nowhere.*a checkout"):
            ask(root=tmp_path / "nowhere")
