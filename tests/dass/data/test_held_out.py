"""Parts of one's own that lie elsewhere than the source: `validation` and `test` of a task."""

import numpy as np
import pytest
import torch

from dass.data.sources import load_source
from dass.data.task import TaskConfig, load_task
from dass.errors import InvalidConfig, InvalidData
from tests.dass.data.test_layouts import PARTS, arrays, laid, pictures, saved

CLASSES = ("cat", "dog")


def folder(root, count, classes=CLASSES):
    """Write a folder per class; other roots, other pictures."""
    for place, kind in enumerate(classes):
        pictures(root / kind, count, seed=ord(root.name[0]) + 50 * place)
    return f"folder:{root}"


def made(root):
    root.mkdir()
    return root


def archive(root, images, labels, **more):
    root.mkdir(parents=True, exist_ok=True)
    np.savez(root / "held.npz", **images, **labels, **more)
    return f"npz:{root / 'held.npz'}"


def pixels(images):
    return {image.numpy().tobytes() for image in images}


def drawn(count, seed=5):
    return np.random.default_rng(seed).integers(0, 256, (count, 6, 6, 3)).astype("uint8")


def sizes(**fields):
    task = load_task(TaskConfig(**fields), image_size=6)
    return tuple(torch.bincount(getattr(task, part).labels).tolist() for part in PARTS)


def test_a_named_validation_part_is_used_as_it_is(tmp_path):
    source, held = folder(tmp_path / "a", 10), folder(tmp_path / "b", 4)
    task = load_task(TaskConfig(source=source, validation=held), image_size=6)
    own = load_source(held, image_size=6).train_images
    assert pixels(task.validation.images) == pixels(own)
    assert sizes(source=source, validation=held) == ([7, 7], [4, 4], [3, 3])


def test_with_a_named_test_part_nothing_of_the_source_is_held_out_for_testing(tmp_path):
    counts = {"a": 10, "b": 4, "c": 3}
    source, held, last = (folder(tmp_path / name, n) for name, n in counts.items())
    assert sizes(source=source, test=last) == ([8, 8], [2, 2], [3, 3])
    assert sizes(source=source, validation=held, test=last) == ([10, 10], [4, 4], [3, 3])


def test_a_named_part_takes_the_place_of_the_one_in_the_source_and_that_is_told(tmp_path, caplog):
    layout = {f"{part}/{kind}": 5 for part in ("train", "val") for kind in CLASSES}
    source, held = laid(tmp_path / "a", layout), folder(tmp_path / "b", 4)
    assert sizes(source=source, validation=held) == ([3, 3], [4, 4], [2, 2])
    assert "nothing of val, since another validation part is named" in caplog.text
    source = saved(made(tmp_path / "c"), arrays(), arrays("val", 6), class_names=np.array(CLASSES))
    assert sizes(source=source, validation=held)[1] == [4, 4]
    assert "read nothing of the validation part of the source, since" in caplog.text


@pytest.mark.parametrize(
    ("named", "note"),
    [
        ({"images": "images", "labels": "labels"}, "images as the validation part"),
        ({"images": "val_images", "labels": "val_labels"}, "val_images as the validation part"),
        ({"images": "train_images", "labels": "train_labels"}, "train_images as the validation"),
        ({"images": "x_test", "labels": "y_test"}, "x_test as the validation part"),
    ],
)
@pytest.mark.parametrize("kind", ["folder", "npz"])
def test_an_npz_of_one_part_is_that_part_whatever_it_is_called(
    tmp_path, caplog, kind, named, note
):
    home = tmp_path / "a"
    source = folder(home, 10) if kind == "folder" else saved(made(home), arrays())
    labels = np.array([0, 1, 1])
    held = archive(tmp_path / "b", {named["images"]: drawn(3)}, {named["labels"]: labels})
    assert sizes(source=source, validation=held)[1] == [1, 2]
    assert note in caplog.text


def test_of_an_npz_of_several_parts_the_one_of_the_name_is_taken_or_it_is_refused(tmp_path):
    source = folder(tmp_path / "a", 10)
    images = {"train_images": drawn(4), "test_images": drawn(2)}
    labels = {"train_labels": np.arange(4) % 2, "test_labels": np.array([0, 1])}
    held = archive(tmp_path / "b", images, labels)
    assert sizes(source=source, test=held)[2] == [1, 1]
    with pytest.raises(InvalidData, match=r"or a validation part, but it holds train and"):
        sizes(source=source, validation=held)


def test_classes_are_matched_by_name_not_by_place(tmp_path):
    source = folder(tmp_path / "a", 10)
    names = np.array(["dog", "cat"])
    held = archive(
        tmp_path / "b", {"images": drawn(3)}, {"labels": np.array([0, 0, 1])}, class_names=names
    )
    assert sizes(source=source, validation=held)[1] == [1, 2]
    words = archive(tmp_path / "c", {"images": drawn(3)}, {"labels": names[[0, 0, 1]]})
    assert sizes(source=source, validation=words)[1] == [1, 2]


def test_a_folder_validates_an_npz(tmp_path):
    source = saved(made(tmp_path / "a"), arrays(), class_names=np.array(["cat", "dog"]))
    held = folder(tmp_path / "b", 3, classes=("dog", "cat"))
    task = load_task(TaskConfig(source=source, validation=held), image_size=6)
    own = load_source(held, image_size=6)
    cats = own.train_images[own.train_labels == own.class_names.index("cat")]
    assert pixels(task.validation.images[task.validation.labels == 0]) == pixels(cats)


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (("cat",), r"must have the classes of .*, but it lacks 'dog'"),
        (("cat", "dog", "emu"), r"but it has 'emu' too"),
        (("Cat", "dog"), r"lacks 'cat' and has 'Cat' too: rename"),
    ],
)
@pytest.mark.parametrize("kind", ["folder", "npz"])
def test_other_classes_are_refused_by_name(tmp_path, kind, classes, message):
    words = np.array(["cat", "dog"])
    source = (
        folder(tmp_path / "a", 9)
        if kind == "folder"
        else saved(made(tmp_path / "a"), arrays(), class_names=words)
    )
    with pytest.raises(InvalidData, match=message):
        sizes(source=source, validation=folder(tmp_path / "b", 3, classes=classes))
    labels = np.array(classes)[np.arange(6) % len(classes)]
    held = archive(tmp_path / "c", {"images": drawn(6)}, {"labels": labels})
    with pytest.raises(InvalidData, match=message):
        sizes(source=source, validation=held)


def test_a_label_beyond_the_classes_of_the_source_is_refused(tmp_path):
    held = archive(tmp_path / "b", {"images": drawn(2)}, {"labels": np.array([0, 2])})
    with pytest.raises(InvalidData, match=r"below 2, the number of classes of the source.*is 2"):
        sizes(source=folder(tmp_path / "a", 9), validation=held)


@pytest.mark.parametrize("place", ["absent", "flat", "divided"])
def test_a_folder_without_the_part_is_refused(tmp_path, place):
    source = folder(tmp_path / "a", 9)
    pictures(tmp_path / "flat", 2)
    folder(tmp_path / "divided" / "test", 2)
    message = {
        "absent": "validation part must be a folder",
        "flat": "one folder per class, but has none",
        "divided": r"a validation part, but it holds test: write `folder:.*divided/test`",
    }
    with pytest.raises(InvalidData, match=message[place]):
        sizes(source=source, validation=f"folder:{tmp_path / place}")


def test_a_picture_that_is_held_out_elsewhere_is_not_trained_on(tmp_path, caplog):
    source, held = folder(tmp_path / "a", 10), folder(tmp_path / "b", 4)
    copy = tmp_path / "a" / "cat" / "copy.png"
    copy.write_bytes((tmp_path / "b" / "cat" / "0.png").read_bytes())
    assert sizes(source=source, validation=held) == ([7, 7], [4, 4], [3, 3])
    assert "left out 1 exact copies" in caplog.text and str(copy) in caplog.text
    with pytest.raises(InvalidData, match="all 11 of 'cat' are exact copies"):
        sizes(source=source, validation=source)


def test_a_changed_part_is_read_again(tmp_path):
    source, held = folder(tmp_path / "a", 10), folder(tmp_path / "b", 4)
    sizes(source=source, validation=held)
    pictures(tmp_path / "b" / "cat", 6, seed=99)
    assert sizes(source=source, validation=held)[1] == [6, 4]


def test_named_parts_enter_the_name_only_where_they_are_named():
    plain = TaskConfig(source="npz:a/x.npz", flip=False)
    assert plain.name == "x-d2175e9a" and "validation" not in plain.to_dict()
    held = TaskConfig(source="npz:a/x.npz", flip=False, validation="npz:a/held.npz")
    assert held.name != plain.name
    assert held.name == TaskConfig(source="npz:x.npz", flip=False, validation="npz:held.npz").name
    assert held.name != TaskConfig(source="npz:x.npz", flip=False, test="npz:held.npz").name
    assert TaskConfig.from_dict(held.to_dict()) == held
    assert "reader" not in held.to_dict()
    pictured = TaskConfig(source="npz:a/x.npz", validation="folder:held", background="black")
    assert pictured.to_dict()["reader"] == 2
    assert TaskConfig.from_dict(pictured.to_dict()) == pictured


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"validation": "digits"}, "`validation` must be `folder:PATH` or `npz:PATH`, but got"),
        ({"test": "npz:x.npz", "pooled": True}, "`pooled` must be off where a test part is named"),
    ],
)
def test_parts_that_cannot_be_named_are_refused(fields, message):
    with pytest.raises(InvalidConfig, match=message):
        TaskConfig(source="npz:a.npz", **fields)
