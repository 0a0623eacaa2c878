"""Pictures: what is read is what a person sees, and what is passed over is told."""

import builtins
import logging

import numpy as np
import pytest
import torch
from PIL import Image

from dass.data import files, pictures
from dass.data.copies import sort_copies
from dass.data.pictures import decode, read_picture, suffixes
from dass.data.sources import load_source
from dass.data.task import TaskConfig, load_task
from dass.errors import InvalidConfig, InvalidData


def noise(file, seed, size=6):
    file.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size, size, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(file)


@pytest.fixture
def pets(tmp_path):
    """Two classes of four pictures each, all different."""
    for place in range(4):
        noise(tmp_path / "pets" / "cat" / f"{place}.png", place)
        noise(tmp_path / "pets" / "dog" / f"{place}.png", 10 + place)
    return tmp_path / "pets"


def read(folder):
    return load_source(f"folder:{folder}", image_size=6)


# what a person sees

BRIGHT = {2: "top", 3: "bottom", 4: "bottom", 5: "left", 6: "right", 7: "right", 8: "left"}


@pytest.mark.parametrize(("orientation", "bright"), BRIGHT.items())
def test_a_picture_is_turned_as_its_camera_says(tmp_path, orientation, bright):
    pixels = np.zeros((40, 40), np.uint8)
    pixels[:20] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(tmp_path / "x.jpg", exif=exif)
    level = read_picture(tmp_path / "x.jpg")[0, 0].float()
    halves = {"top": level[:20], "bottom": level[20:], "left": level[:, :20]}
    halves["right"] = level[:, 20:]
    assert max(halves, key=lambda half: halves[half].mean()) == bright
    assert halves[bright].mean() > 240


def square(mode):
    """A black square on nothing, in a mode that can carry transparency."""
    alpha = np.zeros((8, 8), np.uint8)
    alpha[2:6, 2:6] = 255
    clear = Image.fromarray(np.dstack([np.zeros((8, 8, 3), np.uint8), alpha]))
    if mode in ("RGBA", "RGBa"):
        return clear.convert(mode)
    if mode in ("LA", "La"):
        return clear.convert("LA").convert(mode)
    if mode == "PA":
        picture = Image.new("PA", (8, 8))
        picture.putpalette([0, 0, 0] * 256)
        picture.putdata([(0, int(level)) for level in alpha.ravel()])
        return picture
    picture = Image.fromarray(np.where(alpha, 0, 7).astype(np.uint8))  # 7 is clear
    picture = picture.convert("RGB") if mode == "RGB" else picture
    if mode == "P":
        picture = picture.convert("L")
        picture = Image.frombytes("P", (8, 8), picture.tobytes())
        picture.putpalette([0, 0, 0] * 256)
    if mode == "I;16":
        picture = Image.fromarray(np.where(alpha, 0, 7).astype(np.uint16))
    picture.info["transparency"] = (7, 7, 7) if mode == "RGB" else 7
    return picture


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "P", "RGBa", "La", "RGB", "L", "I;16"])
def test_what_is_transparent_shows_the_background(mode):
    picture = square(mode)
    assert picture.mode == mode
    expected = torch.full((8, 8), 255, dtype=torch.uint8)
    expected[2:6, 2:6] = 0
    for channel in decode(picture)[0]:
        assert torch.equal(channel, expected)
    red = decode(square(mode), background="#f00")[0, :, 0, 0]
    assert red.tolist() == [255, 0, 0]


@pytest.mark.parametrize("ending", [".png", ".webp", ".gif"])
def test_transparency_is_seen_in_files_too(tmp_path, ending):
    square("P" if ending == ".gif" else "RGBA").save(
        tmp_path / f"x{ending}",
        **({"transparency": 7} if ending == ".gif" else {"lossless": True}),
    )
    pixels = read_picture(tmp_path / f"x{ending}")[0]
    assert pixels[:, 0, 0].tolist() == [255] * 3 and pixels[:, 4, 4].tolist() == [0] * 3


def test_the_background_is_an_option_of_a_task(pets):
    for place in range(4):
        picture = square("RGBA")
        picture.putpixel((4, 4), (place + 1, 0, 0, 255))
        picture.save(pets / "cat" / f"{place}.png")
    usual = TaskConfig(source=f"folder:{pets}")
    black = TaskConfig(source=f"folder:{pets}", background="black")
    assert load_task(usual, image_size=8).train.images[0, 0, 0, 0] == 255
    assert load_task(black, image_size=8).train.images[0, 0, 0, 0] == 0
    assert usual.name != black.name
    assert TaskConfig.from_dict(black.to_dict()) == black


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"source": "folder:x", "background": "blakc"}, "must be a colour, but got 'blakc'"),
        ({"source": "digits", "background": "black"}, "'white' where the source is no `folder:`"),
        ({"source": "folder:x", "reader": 99}, "reader ≤ 2` must hold, but got 99"),
    ],
)
def test_a_wrong_way_of_reading_is_named(fields, message):
    with pytest.raises(InvalidConfig, match=message):
        TaskConfig(**fields)


@pytest.mark.parametrize("kind", ["I;16", "I", "tiff"])
def test_16_bits_of_grey_become_8(tmp_path, kind):
    levels = np.array([[0, 257, 32_896, 65_535]] * 4, np.uint16)
    picture = Image.fromarray(levels)
    if kind == "tiff":
        picture.save(tmp_path / "x.tif")
        pixels = read_picture(tmp_path / "x.tif")
    else:
        pixels = decode(picture if kind == "I;16" else Image.fromarray(levels.astype(np.int32)))
    assert pixels.shape == (1, 3, 4, 4)
    assert pixels[0, 1, 0].tolist() == [0, 1, 128, 255]


@pytest.mark.parametrize(
    "levels", [np.full((4, 4), 70_000, np.int32), np.ones((4, 4), np.float32)]
)
def test_levels_of_no_known_range_are_refused(tmp_path, levels):
    Image.fromarray(levels).save(tmp_path / "x.tif")
    with pytest.raises(
        InvalidData, match=r"x\.tif is not \(8 or 16 bits .* levels of .*remove it"
    ):
        read_picture(tmp_path / "x.tif")


# which files


def test_every_format_that_decodes_is_known_by_all_its_endings():
    known = suffixes()
    assert {".jfif", ".jpe", ".apng", ".webp", ".jpg", ".tif", ".ppm", ".mpo", ".jp2"} <= known
    assert not known & {".pdf", ".eps", ".mpg", ".h5", ".txt", ".npz", ".csv"}


def test_pictures_of_other_endings_are_read(pets):
    for place, ending in enumerate((".jfif", ".jpe", ".apng", ".webp", ".JPEG")):
        kind = {".jfif": "JPEG", ".jpe": "JPEG", ".apng": "PNG", ".webp": "WEBP"}
        pixels = np.random.default_rng(90 + place).integers(0, 256, (6, 6, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(pets / "cat" / f"x{ending}", kind.get(ending, "JPEG"))
    assert read(pets).train_labels.tolist() == [0] * 9 + [1] * 4


LEFT_BEHIND = (
    *(".ipynb_checkpoints", "__MACOSX", "@eaDir", ".AppleDouble", "$RECYCLE.BIN", "#recycle"),
    *("System Volume Information", "lost+found", ".Trash-1000", ".Trashes", "old~", "deep/@eaDir"),
)


@pytest.mark.parametrize("name", LEFT_BEHIND)
def test_copies_in_side_folders_do_not_count(pets, name, caplog):
    noise(pets / "cat" / name / "0-checkpoint.jpg", 77)
    assert read(pets).train_labels.tolist() == [0] * 4 + [1] * 4
    assert "passed over 1 files and folders" in caplog.text
    noise(pets / name / "x" / "0.jpg", 78)
    if "/" not in name:
        assert read(pets).class_names == ("cat", "dog")


@pytest.mark.parametrize("name", ["._0.jpg", "Thumbs.db", ".DS_Store", "0.jpg~", "desktop.ini"])
def test_files_of_systems_and_editors_are_passed_over_and_told(pets, name, caplog):
    (pets / "dog" / name).write_text("no picture")
    assert len(read(pets).train_labels) == 8
    assert f"1 of a system or an editor ({name})" in caplog.text


def test_what_is_passed_over_is_counted_by_ending(pets, caplog):
    for name in ("a.txt", "b.txt", "c.heic", "noending"):
        (pets / "cat" / name).write_text("no picture")
    (pets / "labels.csv").write_text("no picture")
    assert len(read(pets).train_labels) == 8
    (told,) = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert "passed over 5 files" in told.getMessage()
    for part in ("2 .txt (a.txt)", "1 .heic (c.heic)", "1 .csv", "1 without an ending (noending)"):
        assert part in told.getMessage()


def test_nothing_is_told_where_nothing_is_passed_over(pets, caplog):
    read(pets)
    assert not caplog.records


def test_a_folder_named_like_a_picture_is_none(pets):
    noise(pets / "cat" / "album.jpg" / "x.png", 50)
    assert read(pets).train_labels.tolist() == [0] * 5 + [1] * 4


# copies


def test_a_copy_stays_where_it_is_held_out_and_is_told(tmp_path, caplog):
    for part, seeds in (("train", (1, 2, 3, 4)), ("test", (3, 5)), ("val", (4, 5, 6))):
        for seed in seeds:
            noise(tmp_path / part / "cat" / f"{seed}.png", seed)
            noise(tmp_path / part / "dog" / f"{seed}.bmp", 20 + seed)
    found = read(tmp_path)
    assert found.train_labels.tolist() == [0, 0, 1, 1]
    assert found.test_labels.tolist() == [0, 0, 1, 1]
    assert found.validation_labels.tolist() == [0, 0, 1, 1]
    assert "left out 6 exact copies" in caplog.text
    assert "2 in validation, 4 in train" in caplog.text
    everything = torch.cat([found.train_images, found.test_images, found.validation_images])
    assert len(torch.unique(everything.flatten(1), dim=0)) == 12


def test_a_copy_in_another_format_is_a_copy(pets, caplog):
    Image.open(pets / "cat" / "0.png").save(pets / "cat" / "again.bmp")
    assert len(read(pets).train_labels) == 8
    assert "1 in train, first" in caplog.text and "again.bmp" in caplog.text


def test_a_picture_in_two_classes_is_told(pets, caplog):
    Image.open(pets / "cat" / "0.png").save(pets / "dog" / "again.png")
    assert len(read(pets).train_labels) == 9
    assert "1 pictures" in caplog.text and "one of the two labels must be wrong" in caplog.text


def test_a_class_of_nothing_but_held_out_copies_is_named(tmp_path):
    for part in ("train", "test"):
        noise(tmp_path / part / "cat" / "0.png", 1)
        noise(tmp_path / part / "dog" / "0.png", len(part))
    with pytest.raises(InvalidData, match=r"all 1 of 'cat' are exact copies .*: add others, or"):
        read(tmp_path)


def test_rows_without_copies_all_stay():
    parts = {"train": [(b"a", 0), (b"b", 1)], "test": [(b"c", 0)]}
    kept = sort_copies(parts)
    assert kept.kept == {"test": [0], "train": [0, 1]}
    assert not any(kept.left.values()) and not any(kept.contradictory.values())


# identity


def test_pictures_read_otherwise_are_another_task():
    """The name that a version without readers gave, and the one of today."""
    old = TaskConfig.from_dict({"source": "folder:/a/pets"})
    assert old.name == "pets-4a2a3fa9"
    assert TaskConfig(source="folder:/b/pets").name != old.name
    assert TaskConfig.from_dict(old.to_dict()).name == old.name
    new = TaskConfig(source="folder:/a/pets")
    assert TaskConfig.from_dict(new.to_dict()) == new


def test_a_task_of_an_older_reader_is_not_read_by_this_one(pets):
    old = TaskConfig.from_dict({"source": f"folder:{pets}"})
    with pytest.raises(InvalidData, match=r"(?s)is of reader 1 and this is 2.*make the task anew"):
        load_task(old, image_size=6)


def test_only_tasks_of_pictures_have_a_reader():
    for source in ("digits", "fashion", "npz:x.npz", "cifar100"):
        config = TaskConfig(source=source)
        assert not {"reader", "background"} & config.to_dict().keys()
        assert TaskConfig.from_dict(config.to_dict()) == config


# rights


def deny(*_, **__):
    raise PermissionError(13, "Permission denied")


DENIED = r"must be readable for the user who runs this, but got: .*Permission denied.*chmod"


def test_a_picture_that_may_not_be_read_is_a_sentence(pets, monkeypatch):
    monkeypatch.setattr(pictures.Image, "open", deny)
    with pytest.raises(InvalidData, match=DENIED):
        read(pets)


@pytest.mark.parametrize("function", ["walk", "scandir"])
def test_a_folder_that_may_not_be_listed_is_a_sentence(pets, monkeypatch, function):
    monkeypatch.setattr(files.os, function, deny)
    with pytest.raises(InvalidData, match=DENIED):
        read(pets)


def test_a_file_that_may_not_be_opened_is_a_sentence(pets, monkeypatch):
    whole = builtins.open

    def some(file, *rest, **named):
        return deny() if str(file).endswith("2.png") else whole(file, *rest, **named)

    monkeypatch.setattr(builtins, "open", some)
    with pytest.raises(InvalidData, match=r"2\.png " + DENIED):
        read(pets)
