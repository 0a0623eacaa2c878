"""Images: tensor functions against naive loops, and every source with every way it can fail."""

import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dass.data import images, sources
from dass.data.images import augment, crop, flip, from_picture, normalise, resize
from dass.data.sources import canonical, load_source
from dass.data.torchvision_sets import TORCHVISION
from dass.errors import InvalidData, UnknownName

SHARED = Path(__file__).parents[4] / "shared" / "data"


@pytest.fixture
def batch():
    pixels = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (9, 3, 6, 8), dtype=torch.uint8, generator=pixels)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def naive_crop(image, padding, row, column):
    rows, columns = image.shape[1:]
    padded = torch.zeros(3, rows + 2 * padding, columns + 2 * padding, dtype=torch.uint8)
    padded[:, padding : padding + rows, padding : padding + columns] = image
    return padded[:, row : row + rows, column : column + columns]


# tensor functions


def test_flip_mirrors_the_images_drawn_and_no_other(batch):
    drawn = torch.rand(9, generator=seeded()) < 0.5
    naive = [
        image.flip(2) if mirrored else image for image, mirrored in zip(batch, drawn, strict=True)
    ]
    flipped = flip(batch, seeded())
    assert 0 < drawn.sum() < 9
    assert torch.equal(flipped, torch.stack(naive))
    assert flipped.is_contiguous()


def test_crop_shifts_each_image_by_its_own_draw_over_black(batch):
    offsets = torch.randint(0, 5, (2, 9), generator=seeded()).T.tolist()
    naive = [
        naive_crop(image, 2, row, column)
        for image, (row, column) in zip(batch, offsets, strict=True)
    ]
    cropped = crop(batch, 2, seeded())
    assert torch.equal(cropped, torch.stack(naive))
    assert cropped.is_contiguous()


@pytest.mark.parametrize("padding", [0, 1, 8])
def test_augment_is_crop_then_flip_with_the_same_draws(batch, padding):
    generator = seeded()
    one_by_one = flip(crop(batch, padding, generator), generator)
    at_once = augment(batch, padding=padding, flip=True, generator=seeded())
    assert torch.equal(at_once, one_by_one)
    assert at_once.is_contiguous()


def test_augment_without_padding_and_flip_changes_nothing(batch):
    assert torch.equal(augment(batch, padding=0, flip=False, generator=seeded()), batch)


def test_augment_takes_an_empty_batch(batch):
    assert len(augment(batch[:0], padding=2, flip=True, generator=seeded())) == 0


def test_every_offset_is_drawn():
    image = torch.zeros(1, 3, 5, 5, dtype=torch.uint8)
    image[:, :, 2, 2] = 1
    shifted = crop(image.repeat(500, 1, 1, 1), 1, seeded()).sum(0)[0]
    assert (shifted[1:4, 1:4] > 0).all()
    assert shifted.sum() == 500


def test_normalise_is_half_mean_and_half_deviation_in_channels_last(batch):
    naive = torch.stack([(image.float() / 255 - 0.5) / 0.5 for image in batch])
    normalised = normalise(batch)
    assert torch.equal(normalised, naive)
    assert normalised.is_contiguous(memory_format=torch.channels_last)
    assert normalised.min() >= -1 and normalised.max() <= 1


def test_resize_does_not_depend_on_the_size_of_its_chunks(batch, monkeypatch):
    whole = resize(batch, 5)
    monkeypatch.setattr(images, "CHUNK_BYTES", 1)
    assert torch.equal(resize(batch, 5), whole)
    assert whole.shape == (9, 3, 5, 5)


def test_resize_averages_areas_and_keeps_flat_colours():
    board = (torch.arange(32)[:, None] + torch.arange(32)) % 2 * 255
    small = resize(board.to(torch.uint8)[None, None], 4)
    assert (small.int() - 128).abs().max() <= 8
    flat = torch.full((1, 3, 10, 7), 255, dtype=torch.uint8)
    assert (resize(flat, 16) == 255).all()


def test_resize_to_the_same_size_is_identity():
    images = torch.zeros(1, 3, 4, 4, dtype=torch.uint8)
    assert resize(images, 4) is images


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "1", "CMYK"])
def test_pictures_of_any_8_bit_mode_become_rgb(mode):
    assert from_picture(Image.new(mode, (5, 4))).shape == (1, 3, 4, 5)


# names


def test_names_are_found_whatever_their_case_and_underscores():
    for name in ("oxford_iiit_pet", "OxfordIIITPet", "Oxford-IIIT Pet"):
        assert canonical(name) == ("named", "oxfordiiitpet")


def test_paths_are_reduced_to_their_last_part():
    assert canonical("npz:/a/b.c.npz") == ("npz", "b.c")
    assert canonical("folder:/a/pets/") == ("folder", "pets")


def test_an_unknown_name_lists_the_close_ones():
    with pytest.raises(UnknownName, match=r"got 'cifar101': try .*cifar100"):
        load_source("cifar101", image_size=8)
    with pytest.raises(UnknownName, match="try digits, fashion, cifar10, "):
        canonical("zzz")
    with pytest.raises(UnknownName, match="folder:PATH"):
        canonical("npz:")


# digits


def test_digits_come_without_a_download():
    digits = load_source("digits", image_size=8)
    assert digits.train_images.shape == (1797, 3, 8, 8)
    assert (digits.train_images.min(), digits.train_images.max()) == (0, 255)
    assert digits.train_labels.bincount().min() >= 170
    assert digits.class_names == tuple("0123456789")
    assert len(digits.test_images) == len(digits.test_labels) == 0


def test_a_source_is_read_once_and_two_are_kept(tmp_path):
    sources._load.cache_clear()
    first = load_source("digits", image_size=8)
    assert load_source("Digits", image_size=8) is first
    load_source("digits", image_size=9)
    load_source("digits", image_size=10)
    assert load_source("digits", image_size=8) is not first


# npz


def arrays(**changed):
    """Three classes of 8×6 colour images, 4 + 2 each."""
    pixels = np.random.default_rng(0).integers(0, 256, (18, 8, 6, 3)).astype(np.uint8)
    labels = np.arange(18, dtype=np.int16) % 3
    whole = {
        "train_images": pixels[:12],
        "train_labels": labels[:12],
        "test_images": pixels[12:],
        "test_labels": labels[12:],
        "class_names": np.array(["ant", "bee", "cat"]),
    }
    return {key: array for key, array in {**whole, **changed}.items() if array is not None}


def saved(folder, **changed):
    np.savez(folder / "insects.npz", **arrays(**changed))
    return f"npz:{folder / 'insects.npz'}"


def test_npz_is_read_whole(tmp_path):
    read = load_source(saved(tmp_path), image_size=8)
    expected = torch.from_numpy(arrays()["test_images"]).permute(0, 3, 1, 2)
    assert read.class_names == ("ant", "bee", "cat")
    assert read.train_images.shape == (12, 3, 8, 8)
    assert read.train_labels.tolist() == [0, 1, 2] * 4
    assert torch.equal(read.test_images, resize(expected, 8))
    assert read.test_images.is_contiguous()


@pytest.mark.parametrize("trailing", [(), (1,)])
def test_grey_npz_images_are_repeated_over_three_channels(tmp_path, trailing):
    grey = np.arange(12 * 16, dtype=np.uint8).reshape(12, 4, 4, *trailing)
    read = load_source(saved(tmp_path, train_images=grey), image_size=4)
    for channel in range(3):
        assert torch.equal(read.train_images[:, channel], torch.from_numpy(grey).reshape(12, 4, 4))


def test_npz_without_class_names_numbers_them(tmp_path):
    assert load_source(saved(tmp_path, class_names=None), image_size=4).class_names == (
        "0",
        "1",
        "2",
    )


def test_npz_may_have_an_empty_test_part(tmp_path):
    nothing = arrays()["test_images"][:0], arrays()["test_labels"][:0]
    source = saved(tmp_path, test_images=nothing[0], test_labels=nothing[1])
    assert load_source(source, image_size=4).test_images.shape == (0, 3, 4, 4)


def test_a_changed_npz_is_read_again(tmp_path):
    first = load_source(saved(tmp_path), image_size=4)
    assert load_source(f"npz:{tmp_path}/insects.npz", image_size=4) is first
    changed = saved(tmp_path, class_names=np.array(["ape", "bat", "cow"]))
    assert load_source(changed, image_size=4).class_names == ("ape", "bat", "cow")


MIXED = np.empty(12, dtype=object)
MIXED[:] = [np.zeros((size, size, 3), np.uint8) for size in range(1, 13)]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"test_images": None}, "must hold the arrays .*, but test_images is missing: add it"),
        ({"train_images": MIXED}, "train_images of .*insects.npz .*allow_pickle.* mixed size"),
        ({"train_images": np.zeros((12, 4, 4, 4), np.uint8)}, r"of shape \(12, 4, 4, 4\)"),
        ({"train_images": np.zeros((12, 4), np.uint8)}, r"train_images .*uint8.*\(12, 4\)"),
        ({"test_images": np.full((6, 4, 4), 0.5) * 3}, "test_images of .*it is float64 of 1.5"),
        ({"train_labels": np.zeros(11, int)}, r"train_labels .*12 integers.*\(11,\)"),
        ({"train_labels": np.full(12, 0.5)}, "train_labels .*integers.*float64.*not whole"),
        ({"train_labels": np.arange(12)}, "must be below 3.*its train part has 3: correct"),
        ({"test_labels": np.arange(6) - 1}, "not negative.*its test part has -1: correct"),
        ({"train_labels": np.arange(12) % 2}, "'cat' has none: add images or remove the class"),
        ({"class_names": np.array(["ant", "bee", "ant"])}, "'ant' is there twice: rename one"),
        (
            {"train_images": np.zeros((0, 4, 4), np.uint8), "train_labels": np.zeros(0, int)},
            "train_images of .* has no rows",
        ),
    ],
)
def test_a_wrong_npz_names_its_fault(tmp_path, changed, message):
    with pytest.raises(InvalidData, match=f"(?s){message}"):
        load_source(saved(tmp_path, **changed), image_size=4)


def test_a_missing_npz_is_named(tmp_path):
    with pytest.raises(InvalidData, match=r"absent\.npz does not exist: correct the path"):
        load_source(f"npz:{tmp_path}/absent.npz", image_size=4)


class Trap:
    """Would raise another error if it were unpickled."""

    def __reduce__(self):
        return print, ("unpickled",)


def test_a_pickle_called_npz_is_refused_unopened(tmp_path, capsys):
    (tmp_path / "trap.npz").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(InvalidData, match=r"must name an archive .* but .*trap.npz is none"):
        load_source(f"npz:{tmp_path}/trap.npz", image_size=4)
    trap = np.array([Trap()] * 3, dtype=object)
    with pytest.raises(InvalidData, match=r"class_names of .* must be whole and not pickled"):
        load_source(saved(tmp_path, class_names=trap), image_size=4)
    assert capsys.readouterr().out == ""


def test_a_truncated_or_damaged_npz_is_named(tmp_path):
    path = Path(saved(tmp_path).removeprefix("npz:"))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InvalidData, match=r"insects.npz is none"):
        load_source(f"npz:{path}", image_size=4)
    path.write_bytes(whole[:600] + b"\0" * 100 + whole[700:])
    with pytest.raises(
        InvalidData, match=r"train_images of .*insects.npz .* write the file again"
    ):
        load_source(f"npz:{path}", image_size=4)


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the shared image sets")
@pytest.mark.parametrize(("name", "counts"), [("dtd10", (960, 237)), ("neusteel", (1439, 360))])
def test_real_sets_are_read_whole(name, counts):
    read = load_source(f"npz:{SHARED / name}.npz", image_size=32)
    assert (len(read.train_images), len(read.test_images)) == counts
    assert read.train_images.float().std() > 10


# folders


def paint(file, colour, size=(9, 5)):
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(file)


@pytest.fixture
def folder(tmp_path):
    """Two classes of red and green pictures of mixed sizes and formats, and things to ignore."""
    paint(tmp_path / "red" / "b.png", (255, 0, 0))
    paint(tmp_path / "red" / "a.BMP", (255, 0, 0), size=(30, 31))
    paint(tmp_path / "green" / "deep" / "c.png", (0, 255, 0), size=(1, 1))
    (tmp_path / "green" / ".hidden.png").write_text("no picture")
    (tmp_path / "green" / "notes.txt").write_text("no picture")
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / ".cache").mkdir()
    return tmp_path


def test_a_folder_is_one_class_per_folder(folder):
    read = load_source(f"folder:{folder}", image_size=4)
    assert read.class_names == ("green", "red")
    assert read.train_labels.tolist() == [0, 1, 1]
    assert read.train_images[:, :, 2, 2].tolist() == [[0, 255, 0], [255, 0, 0], [255, 0, 0]]
    assert len(read.test_images) == 0


def test_a_folder_may_be_divided_into_train_and_test(tmp_path):
    for part, count in (("train", 3), ("test", 2)):
        for place in range(count):
            shade = count * 10 + place
            paint(tmp_path / part / "sun" / f"{place}.png", (255, 255, shade))
            paint(tmp_path / part / "sea" / f"{place}.png", (0, shade, 255))
    read = load_source(f"folder:{tmp_path}", image_size=4)
    assert read.class_names == ("sea", "sun")
    assert read.train_labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert read.test_labels.tolist() == [0, 0, 1, 1]
    paint(tmp_path / "test" / "sky" / "0.png", (0, 0, 255))
    with pytest.raises(InvalidData, match=r"must hold the classes of .*train, but 'sky' is no"):
        load_source(f"folder:{tmp_path}", image_size=4)


def test_a_class_may_be_called_train(tmp_path):
    paint(tmp_path / "train" / "0.png", (9, 9, 9))
    paint(tmp_path / "tram" / "0.png", (9, 9, 9))
    assert load_source(f"folder:{tmp_path}", image_size=4).class_names == ("train", "tram")


def test_a_changed_folder_is_read_again(folder):
    assert len(load_source(f"folder:{folder}", image_size=4).train_images) == 3
    paint(folder / "green" / "new.png", (0, 255, 0))
    assert len(load_source(f"folder:{folder}", image_size=4).train_images) == 4


def test_a_class_folder_without_pictures_is_named(folder):
    (folder / "blue").mkdir()
    with pytest.raises(InvalidData, match=r"but .*blue has no file that ends in .*\.png"):
        load_source(f"folder:{folder}", image_size=4)


def test_missing_and_empty_folders_are_named(tmp_path):
    with pytest.raises(InvalidData, match=r"must name a folder, but .*absent is none"):
        load_source(f"folder:{tmp_path}/absent", image_size=4)
    with pytest.raises(InvalidData, match=r"must hold one folder per class, but has none"):
        load_source(f"folder:{tmp_path}", image_size=4)


def test_unreadable_pictures_are_named(folder):
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3)).astype(np.uint8)
    broken = folder / "red" / "z.png"
    Image.fromarray(noise).save(broken)
    broken.write_bytes(broken.read_bytes()[:2000])
    with pytest.raises(InvalidData, match=r"z\.png is not \(.*truncated.*\): replace or remove"):
        load_source(f"folder:{folder}", image_size=4)
    broken.write_text("no picture")
    with pytest.raises(InvalidData, match=r"z\.png is not \(cannot identify"):
        load_source(f"folder:{folder}", image_size=4)


# torchvision


@pytest.fixture
def offline(monkeypatch):
    """Let every download fail as it does without a network."""
    from torchvision.datasets import utils

    def fail(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr(utils.urllib.request, "urlopen", fail)


@pytest.fixture
def cifar(tmp_path, monkeypatch, offline):
    """CIFAR-10's files on disk, 20 + 10 images, whose digests are not checked."""
    from torchvision import datasets

    home = tmp_path / datasets.CIFAR10.base_folder
    home.mkdir()
    files = [("data_batch_1", 20), ("test_batch", 10)]
    for name, count in files:
        pixels = np.random.default_rng(count).integers(0, 256, (count, 3072)).astype(np.uint8)
        labels = [place % 10 for place in range(count)]
        (home / name).write_bytes(pickle.dumps({"data": pixels, "labels": labels}))
    names = [f"thing {number}" for number in range(10)]
    (home / "batches.meta").write_bytes(pickle.dumps({"label_names": names}))
    monkeypatch.setattr(datasets.CIFAR10, "train_list", [("data_batch_1", None)])
    monkeypatch.setattr(datasets.CIFAR10, "test_list", [("test_batch", None)])
    monkeypatch.setattr(datasets.CIFAR10, "meta", {**datasets.CIFAR10.meta, "md5": None})
    return tmp_path


def test_torchvision_sets_with_a_train_flag_are_read(cifar):
    read = load_source("cifar_10", image_size=32, data_root=str(cifar))
    stored = pickle.loads((cifar / "cifar-10-batches-py" / "test_batch").read_bytes())["data"]
    assert len(read.train_images) == 20
    assert read.test_labels.tolist() == list(range(10))
    assert read.class_names[3] == "thing 3"
    assert torch.equal(read.test_images, torch.from_numpy(stored).view(10, 3, 32, 32))


def test_torchvision_sets_without_a_test_part_are_read(tmp_path, offline):
    for name in ("Forest", "River"):
        for place in range(2):
            paint(tmp_path / "eurosat" / "2750" / name / f"{name}_{place}.png", (0, 99, 0))
    read = load_source("eurosat", image_size=8, data_root=str(tmp_path))
    assert read.class_names == ("Forest", "River")
    assert read.train_images.shape == (4, 3, 8, 8)
    assert len(read.test_images) == 0


def test_torchvision_sets_add_their_validation_part_to_train(tmp_path, offline):
    home = tmp_path / "dtd" / "dtd"
    (home / "labels").mkdir(parents=True)
    for place, part in enumerate(("train", "val", "test")):
        files = [f"{name}/{name}_{part}.png" for name in ("dotted", "woven")]
        (home / "labels" / f"{part}1.txt").write_text("\n".join(files))
        for file in files:
            paint(home / "images" / file, (place, 0, 0))
    read = load_source("DTD", image_size=8, data_root=str(tmp_path))
    assert read.class_names == ("dotted", "woven")
    assert read.train_images[:, 0, 0, 0].tolist() == [0, 0, 1, 1]
    assert read.test_images[:, 0, 0, 0].tolist() == [2, 2]


def test_torchvision_sets_without_class_names_number_them(tmp_path, monkeypatch, offline):
    from scipy.io import savemat
    from torchvision import datasets

    listed = {}
    for part, count in (("train", 6), ("test", 3)):
        pixels = np.full((32, 32, 3, count), 7, np.uint8)
        labels = np.arange(count)[:, None] % 3
        savemat(tmp_path / f"{part}.mat", {"X": pixels, "y": labels})
        listed[part] = ("", f"{part}.mat", None)
    monkeypatch.setattr(datasets.SVHN, "split_list", listed)
    read = load_source("svhn", image_size=32, data_root=str(tmp_path))
    assert read.class_names == ("0", "1", "2")
    assert read.test_labels.tolist() == [0, 1, 2]
    assert (read.train_images == 7).all()


def test_a_broken_image_of_a_torchvision_set_is_named(tmp_path, offline):
    home = tmp_path / "eurosat" / "2750" / "Forest"
    paint(home / "0.png", (0, 99, 0))
    (home / "1.png").write_text("no picture")
    with pytest.raises(InvalidData, match=r"image of EuroSAT .* image 1 of .* is not \(cannot"):
        load_source("eurosat", image_size=8, data_root=str(tmp_path))


@pytest.mark.parametrize("name", ["cifar100", "dtd", "stanford_cars", "food101", "gtsrb"])
def test_a_failed_download_names_dataset_root_and_remedy(tmp_path, offline, name):
    root = tmp_path / "sets"
    with pytest.raises(InvalidData) as raised:
        load_source(name, image_size=8, data_root=str(root))
    attribute = next(key for key in TORCHVISION if canonical(key)[1] == canonical(name)[1])
    message = f"Dataset {attribute} must be in the data root {root} or be downloadable, but got"
    assert str(raised.value).startswith(message)
    assert re.search(r"Check the network .* by hand", str(raised.value))


def test_every_listed_dataset_exists_in_torchvision_and_takes_its_arguments():
    import inspect

    from torchvision import datasets

    for name, parts in TORCHVISION.items():
        taken = inspect.signature(getattr(datasets, name).__init__).parameters
        for arguments in (*parts[0], *parts[1]):
            assert set(arguments) <= set(taken) or "kwargs" in taken, name
