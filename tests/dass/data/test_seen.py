"""Pictures that a teacher was trained on are trained on, and never validated or tested on."""

import os
from dataclasses import replace
from zlib import crc32

import numpy as np
import pytest
from PIL import Image

import dass
from dass.data.seen import read_names
from dass.errors import InvalidConfig, InvalidData

CLASSES = ("cat", "dog")


def draw(path, seed):
    """Save a picture that no other seed gives."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return pixels.transpose(2, 0, 1).tobytes()


@pytest.fixture
def pets(tmp_path):
    """A folder of two classes of 20 pictures: its path, and the pixels of each by its name."""
    root = tmp_path / "pets"
    return root, {
        f"{name}/{number}.png": draw(root / name / f"{number}.png", 100 * place + number)
        for place, name in enumerate(CLASSES)
        for number in range(20)
    }


def parts_of(root, seen, **settings):
    """Return the pixels of each picture in train, validation and test."""
    config = dass.TaskConfig(source=f"folder:{root}", seen=tuple(seen), **settings)
    task = dass.load_task(config, image_size=6)
    return [
        {image.numpy().tobytes() for image in part.images}
        for part in (task.train, task.validation, task.test)
    ]


def test_what_the_teacher_saw_is_trained_on_and_the_rest_divided_by_its_shares(pets):
    root, pixels = pets
    seen = [f"{name}/{number}.png" for name in CLASSES for number in range(10)]
    train, validation, test = parts_of(root, seen)
    known = {pixels[name] for name in seen}
    assert known <= train and not known & (validation | test)
    assert train | validation | test == set(pixels.values())
    assert (len(validation), len(test)) == (2, 6), "of the 10 others of each class 3, then 1 of 7"


@pytest.mark.parametrize(
    "written",
    [
        "./cat/3.png",
        "cat\\3.png",
        ".\\cat\\3.png",
        "cat//3.png",
        "dog/../cat/3.png",
        "pets/cat/3.png",
        "{root}/cat/3.png",
    ],
)
def test_a_path_may_be_written_in_any_usual_way(pets, written):
    root, pixels = pets
    train, validation, test = parts_of(root, [written.format(root=root)], test_fraction=0.9)
    assert pixels["cat/3.png"] in train
    assert pixels["cat/3.png"] not in validation | test


def test_a_list_is_read_as_people_write_it(tmp_path):
    file = tmp_path / "seen.txt"
    file.write_bytes("\ufeff# of March\r\n\r\n./cat\\1.png\r\n  cat/1.png  \r\ncat/2.png".encode())
    assert read_names(file) == ("cat/1.png", "cat/2.png")


@pytest.mark.parametrize("text", ["", "# nothing\n\n", None])
def test_a_list_of_nothing_is_a_sentence(tmp_path, text):
    file = tmp_path / "seen.txt"
    if text is not None:
        file.write_text(text)
    with pytest.raises(InvalidConfig, match="one path a line"):
        read_names(file)


def test_parts_of_one_s_own_lose_what_the_teacher_saw_too(tmp_path):
    pixels = {
        (path := f"{part}/{name}/{number}.png"): draw(
            tmp_path / "pets" / path, crc32(path.encode())
        )
        for part in ("train", "val", "test")
        for name in CLASSES
        for number in range(5)
    }
    seen = ["test/cat/0.png", "val/dog/1.png", "train/dog/2.png"]
    train, validation, test = parts_of(tmp_path / "pets", seen)
    assert (len(train), len(validation), len(test)) == (12, 9, 9)
    assert {pixels[name] for name in seen} <= train


def test_a_copy_of_what_the_teacher_saw_was_seen_whatever_it_is_called(pets, tmp_path):
    root, pixels = pets
    twin = root / "dog" / "00 a copy of a cat.png"
    twin.write_bytes((root / "cat" / "4.png").read_bytes())
    (root / "cat" / "a copy.png").write_bytes((root / "cat" / "5.png").read_bytes())
    held = tmp_path / "held" / "test"
    for name in CLASSES:
        draw(held / name / "own.png", crc32(str(name).encode()))
    (held / "cat" / "in train too.png").write_bytes((root / "cat" / "6.png").read_bytes())
    seen = ["cat/4.png", "cat/a copy.png", "cat/6.png"]
    train, validation, test = parts_of(root, seen, test=f"folder:{held.parent}")
    assert {pixels[f"cat/{number}.png"] for number in (4, 5, 6)} <= train
    assert not {pixels[f"cat/{number}.png"] for number in (4, 5, 6)} & (validation | test)
    assert len(test) == 2


def test_a_test_part_of_arrays_leaves_paths_of_the_rest_as_they_were(pets, tmp_path):
    root, pixels = pets
    for part in ("test", "val"):
        for name in CLASSES:
            pixels[f"{part}/{name}"] = draw(tmp_path / "all" / part / name / "1.png", len(pixels))
    os.rename(root, tmp_path / "all" / "train")
    images = np.random.default_rng(0).integers(0, 256, (4, 6, 6, 3), dtype=np.uint8)
    np.savez(tmp_path / "own.npz", images=images, labels=np.array(["cat", "dog"] * 2))
    with pytest.raises(InvalidData, match="'cat' must have 1 images for validation"):
        parts_of(tmp_path / "all", ["val/cat/1.png"], test=f"npz:{tmp_path}/own.npz")
    train, validation, test = parts_of(
        tmp_path / "all", ["train/cat/1.png", "test/cat/1.png"], test=f"npz:{tmp_path}/own.npz"
    )
    assert pixels["cat/1.png"] in train and pixels["val/cat"] in validation
    assert len(train) == 40 and len(test) == 4, "what lies in a part that is not read is nowhere"


def test_names_of_no_picture_are_counted_and_the_first_are_named(pets):
    root, _ = pets
    with pytest.raises(InvalidData, match=r"4 name none: 'a.png', 'b.png', 'c.png' and 1 more"):
        parts_of(root, ["a.png", "b.png", "cat/1.png", "c.png", "cat/99.png"])
    with pytest.raises(InvalidData, match=r"1 may be any of several: '1.png'"):
        parts_of(root, ["1.png"])
    draw(root / "cat" / "alone.png", 999)
    assert parts_of(root, ["alone.png"])


def test_a_class_without_unseen_pictures_is_named_with_what_to_do(pets):
    root, _ = pets
    seen = [f"cat/{number}.png" for number in range(19)]
    with pytest.raises(InvalidData, match=r"(?s)'cat' must have 2 images.*but has 1 .*19.*--test"):
        parts_of(root, seen)
    train, validation, test = parts_of(root, seen[:-1])
    assert len(train | validation | test) == 40


def test_only_files_can_be_named():
    with pytest.raises(InvalidConfig, match="folder"):
        dass.TaskConfig(source="digits", seen=("0/1.png",))


def test_a_task_without_a_list_keeps_its_name_and_one_with_a_list_has_its_own():
    config = dass.TaskConfig(source="folder:pets")
    assert "seen" not in config.to_dict()
    assert config.name == "pets-32b596bc"
    listed = replace(config, seen=("cat/1.png", "cat/2.png"))
    assert listed.name == replace(config, seen=("cat/2.png", "cat/1.png", "cat/1.png")).name
    assert listed.name not in (config.name, replace(config, seen=("cat/1.png",)).name)
    assert dass.TaskConfig.from_dict(listed.to_dict()) == listed
