"""Tasks: laws of the division, names, and every way a task can fail to be made."""

import dataclasses
import json
import pickle
import re

import numpy as np
import pytest
import torch

from dass.data.task import Task, TaskConfig, load_task
from dass.errors import InvalidConfig, InvalidData, UnknownName

PARTS = ("train", "validation", "test")


def write(path, train=20, test=10, classes=5, images=None):
    """Write an npz whose images carry their own number, so that each can be recognised."""
    count = classes * (train + test)
    number = np.arange(count, dtype=np.uint16)
    pixels = np.zeros((count, 4, 4, 3), np.uint8)
    pixels[..., 0] = (number // 256)[:, None, None]
    pixels[..., 1] = (number % 256)[:, None, None]
    labels = number.astype(np.int64) % classes
    cut = classes * train
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        path,
        train_images=pixels[:cut],
        train_labels=labels[:cut],
        test_images=pixels[cut:],
        test_labels=labels[cut:],
        class_names=np.array([f"kind-{label}" for label in range(classes)]),
    )
    return f"npz:{path}"


@pytest.fixture
def source(tmp_path):
    return write(tmp_path / "kinds.npz")


def load(source, **fields):
    return load_task(TaskConfig(source=source, **fields), image_size=4)


def numbers(split):
    """Return the numbers that `write` put in the images."""
    pixels = split.images[:, :2, 0, 0].int()
    return set((pixels[:, 0] * 256 + pixels[:, 1]).tolist())


# the division


@pytest.mark.parametrize("pooled", [False, True])
@pytest.mark.parametrize("caps", [{}, {"train_per_class": 3, "validation_per_class": 4}])
def test_the_three_parts_are_disjoint(source, pooled, caps):
    task = load(source, pooled=pooled, **caps)
    train, validation, test = (numbers(getattr(task, part)) for part in PARTS)
    assert not train & validation and not train & test and not validation & test
    if not caps:
        assert train | validation | test == set(range(150))


def test_every_class_has_its_share_of_every_part(source):
    task = load(source)
    counts = [torch.bincount(getattr(task, part).labels).tolist() for part in PARTS]
    assert counts == [[16] * 5, [4] * 5, [10] * 5]
    pooled = load(source, pooled=True, test_fraction=0.4, validation_fraction=0.5)
    counts = [torch.bincount(getattr(pooled, part).labels).tolist() for part in PARTS]
    assert counts == [[9] * 5, [9] * 5, [12] * 5]


def test_the_test_part_of_the_source_is_the_test_part_of_the_task(source):
    assert numbers(load(source).test) == set(range(100, 150))
    assert numbers(load(source, pooled=True).test) != set(range(100, 150))


def test_a_source_without_a_test_part_is_pooled(tmp_path):
    flat = write(tmp_path / "flat.npz", train=30, test=0)
    task, pooled = load(flat), load(flat, pooled=True)
    assert len(task.test) == 45
    assert numbers(task.test) == numbers(pooled.test)


def test_caps_keep_a_subset(source):
    whole = load(source)
    capped = load(source, train_per_class=5, test_per_class=3)
    assert len(capped.train) == 25 and len(capped.test) == 15
    assert numbers(capped.train) < numbers(whole.train)
    assert numbers(capped.test) < numbers(whole.test)
    generous = load(source, train_per_class=1000, test_per_class=1000)
    assert numbers(generous.train) == numbers(whole.train)
    assert numbers(generous.test) == numbers(whole.test)


@pytest.mark.parametrize("pooled", [False, True])
def test_held_out_images_do_not_depend_on_the_cap_of_training_images(source, pooled):
    one, other = load(source, pooled=pooled), load(source, pooled=pooled, train_per_class=2)
    assert torch.equal(one.validation.images, other.validation.images)
    assert torch.equal(one.test.images, other.test.images)


def test_a_test_image_is_no_training_image_under_any_other_cap(source):
    test = numbers(load(source, pooled=True).test)
    small = load(source, pooled=True, test_per_class=1, validation_per_class=1)
    assert numbers(small.test) < test
    assert not test & (numbers(small.train) | numbers(small.validation))


def test_held_out_images_do_not_depend_on_the_other_classes(source):
    some = load(source, only=("kind-1", "kind-4"), pooled=True)
    assert numbers(some.test) < numbers(load(source, pooled=True).test)


def test_the_same_seed_gives_the_same_split(source):
    one, other = load(source, pooled=True), load(source, pooled=True)
    for part in PARTS:
        assert torch.equal(getattr(one, part).images, getattr(other, part).images)
    changed = load(source, pooled=True, split_seed=1)
    assert numbers(changed.test) != numbers(one.test)
    assert numbers(changed.train) != numbers(one.train)


def test_the_split_never_changes_between_versions(source):
    task = load(source, only=("kind-0", "kind-1"), train_per_class=3, validation_per_class=2)
    assert [sorted(numbers(getattr(task, part))) for part in PARTS[:2]] == [
        [6, 10, 25, 51, 80, 81],
        [16, 50, 60, 66],
    ]


# the classes


def test_labels_are_numbered_in_the_order_of_the_original_classes(source):
    task = load(source, classes=3)
    kept = [int(name.removeprefix("kind-")) for name in task.class_names]
    assert kept == sorted(kept) and task.num_classes == 3
    for part in PARTS:
        split = getattr(task, part)
        number = split.images[:, 0, 0, 0].int() * 256 + split.images[:, 1, 0, 0].int()
        assert split.labels.tolist() == [kept.index(value) for value in (number % 5).tolist()]


def test_the_draw_of_classes_is_seeded(source):
    drawn = {load(source, classes=2, class_seed=seed).class_names for seed in range(12)}
    assert len(drawn) > 3
    assert load(source, classes=2).class_names == load(source, classes=2).class_names


def test_only_and_exclude_restrict_the_draw(source):
    assert load(source, exclude=("kind-2",)).class_names == (
        "kind-0",
        "kind-1",
        "kind-3",
        "kind-4",
    )
    for seed in range(5):
        task = load(source, only=("kind-4", "kind-0", "kind-3"), classes=2, class_seed=seed)
        assert set(task.class_names) < {"kind-0", "kind-3", "kind-4"}


@pytest.mark.parametrize("field", ["only", "exclude"])
def test_an_unknown_class_lists_the_close_ones(source, field):
    with pytest.raises(UnknownName, match=r"must name classes of npz.*'kind_3' is none: try 'kin"):
        load(source, **{field: ("kind_3",)})


def test_more_classes_than_there_are_cannot_be_drawn(source):
    with pytest.raises(InvalidData, match=r"6 classes must be left .* has 5 after"):
        load(source, classes=6)
    with pytest.raises(InvalidData, match=r"2 classes must be left .* has 1 after"):
        load(source, only=("kind-3",))


def test_too_few_images_for_validation_are_named(source):
    message = "Class 'kind-0' of npz:.* must have 21 images for train and validation, but has 20"
    with pytest.raises(InvalidData, match=message):
        load(source, validation_per_class=20)
    assert len(load(source, validation_per_class=19).train) == 5


def test_a_class_without_test_images_is_named(tmp_path):
    path = tmp_path / "lopsided.npz"
    write(path)
    with np.load(path) as arrays:
        changed = dict(arrays)
    changed["test_labels"] = np.zeros_like(changed["test_labels"])
    np.savez(path, **changed)
    with pytest.raises(
        InvalidData, match=r"Class 'kind-1' .* must have 1 images for test, but has"
    ):
        load(f"npz:{path}")
    assert len(load(f"npz:{path}", pooled=True).test) > 0


# tasks as values


def test_digits_are_a_task():
    task = load_task(TaskConfig(source="digits", classes=3, flip=False), image_size=16)
    assert task.train.images.shape[1:] == (3, 16, 16)
    assert (task.image_size, task.num_classes, task.flip) == (16, 3, False)
    assert task.name == task.config.name
    assert len(task.train) > len(task.test) > len(task.validation)


def test_the_split_does_not_depend_on_the_image_size():
    config = TaskConfig(source="digits", classes=2)
    small, large = (load_task(config, image_size=size) for size in (8, 16))
    assert torch.equal(small.test.labels, large.test.labels)
    assert [len(getattr(small, part)) for part in PARTS] == [
        len(getattr(large, part)) for part in PARTS
    ]


def test_a_task_moves_to_a_device_whole(source):
    moved = load(source).to("meta")
    assert isinstance(moved, Task)
    for part in PARTS:
        split = getattr(moved, part)
        assert split.images.device.type == split.labels.device.type == "meta"


def test_writing_to_a_task_does_not_change_its_source(source):
    load(source).train.images.zero_()
    assert numbers(load(source).train) != {0}


# names and configs


def test_names_are_readable_and_safe():
    config = TaskConfig(source="Oxford_IIIT_Pet", classes=3, class_seed=7)
    assert re.fullmatch(r"oxfordiiitpet-3classes-s7-[0-9a-f]{8}", config.name)
    assert re.fullmatch(r"digits-[0-9a-f]{8}", TaskConfig(source="digits").name)
    assert re.fullmatch(r"my-pets-2-[0-9a-f]{8}", TaskConfig(source="folder:/a/My pets (2)").name)
    assert re.fullmatch(r"images-[0-9a-f]{8}", TaskConfig(source="npz:花.npz").name)


def test_every_field_enters_the_name():
    changed = {
        "source": "cifar10",
        "classes": 3,
        "class_seed": 1,
        "only": ("1",),
        "exclude": ("1",),
        "train_per_class": 5,
        "validation_per_class": 5,
        "test_per_class": 5,
        "validation_fraction": 0.3,
        "pooled": True,
        "test_fraction": 0.4,
        "split_seed": 1,
        "flip": False,
    }
    assert changed.keys() == TaskConfig(source="digits").to_dict().keys()
    fields = {field.name for field in dataclasses.fields(TaskConfig)}
    assert fields - changed.keys() == {"reader", "background", "validation", "test", "seen"}
    # reader and background are of pictures alone; parts of one's own are where they are named
    hashes = {TaskConfig(source="digits").name[-8:]}
    for field, value in changed.items():
        hashes.add(TaskConfig(**{"source": "digits", field: value}).name[-8:])
    assert len(hashes) == len(changed) + 1


def test_the_same_data_at_another_path_is_the_same_task():
    assert TaskConfig(source="npz:/a/x.npz").name == TaskConfig(source="npz:b/x.npz").name
    assert TaskConfig(source="folder:/a/x").name == TaskConfig(source="folder:b/x/").name
    assert TaskConfig(source="folder:/a/x").name != TaskConfig(source="npz:/a/x.npz").name
    assert TaskConfig(source="CIFAR-10").name == TaskConfig(source="cifar10").name


def test_the_order_of_class_names_in_a_config_does_not_matter():
    one = TaskConfig(source="digits", only=("1", "2"))
    assert one.name == TaskConfig(source="digits", only=("2", "1")).name


def test_names_never_change_between_versions():
    assert TaskConfig(source="digits", classes=3).name == "digits-3classes-s0-0fa08ae9"


def test_a_config_survives_json_and_pickle():
    config = TaskConfig(source="digits", classes=3, only=("1", "2", "3"), train_per_class=9)
    assert TaskConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert pickle.loads(pickle.dumps(config)) == config
    assert hash(config) == hash(TaskConfig.from_dict(config.to_dict()))


def test_a_dict_with_missing_fields_has_their_defaults():
    assert TaskConfig.from_dict({"source": "digits"}) == TaskConfig(source="digits")


def test_a_dict_with_unknown_or_wrong_fields_is_refused():
    with pytest.raises(InvalidConfig, match=r"must be among source, classes.*got 'class'"):
        TaskConfig.from_dict({"source": "digits", "class": 3})
    with pytest.raises(InvalidConfig, match=r"(?s)must have the types of `TaskConfig`.*correct"):
        TaskConfig.from_dict({"source": "digits", "classes": "three"})
    with pytest.raises(InvalidConfig, match="must have the types of `TaskConfig`"):
        TaskConfig.from_dict({"classes": 3})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"classes": 1}, "`classes ≥ 2` must hold, but got 1: raise it"),
        ({"class_seed": -1}, "`class_seed ≥ 0`"),
        ({"split_seed": -1}, "`split_seed ≥ 0`"),
        ({"train_per_class": 0}, "`train_per_class ≥ 1`"),
        ({"validation_per_class": 0}, "`validation_per_class ≥ 1`"),
        ({"test_per_class": 0}, "`test_per_class ≥ 1`"),
        ({"validation_fraction": 1.0}, "`0 < validation_fraction < 1` must hold, but got 1.0"),
        ({"test_fraction": 0.0}, "`0 < test_fraction < 1` must hold, but got 0.0"),
        ({"only": ("1", "2"), "exclude": ("2",)}, "no class in common, but both name '2'"),
    ],
)
def test_a_setting_out_of_range_is_named(fields, message):
    with pytest.raises(InvalidConfig, match=message):
        TaskConfig(source="digits", **fields)


def test_an_unknown_source_is_refused_before_anything_is_read():
    with pytest.raises(UnknownName, match="got 'digit': try digits"):
        TaskConfig(source="digit")
