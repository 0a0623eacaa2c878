"""Layouts: every way to lay files that docs/data.md shows, and how each may be misread."""

import http.server
import re
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dass.data import archives, files, parts
from dass.data.sources import canonical, load_source
from dass.data.task import TaskConfig, load_task
from dass.errors import InvalidData, UnknownName

PAGE = Path(__file__).parents[3] / "docs" / "data.md"
SHARED, *EXAMPLES = re.findall(
    r"^```python\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE
)
PARTS = ("train", "validation", "test")


def pictures(folder, count, seed=0):
    folder.mkdir(parents=True, exist_ok=True)
    for place in range(count):
        pixels = np.random.default_rng((seed, place)).integers(0, 256, (6, 6, 3))
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{place}.png")


def laid(root, layout):
    """Write class folders of pictures, all different: {"Train/cat": 6, ...}."""
    for seed, (place, count) in enumerate(layout.items()):
        pictures(root / place, count, seed=seed)
    return f"folder:{root}"


def both(counts):
    return {f"{part}/{kind}": count for part, count in counts.items() for kind in ("cat", "dog")}


def sizes(source, **fields):
    task = load_task(TaskConfig(source=source, **fields), image_size=6)
    return [torch.bincount(getattr(task, part).labels).tolist() for part in PARTS]


# the page


@pytest.fixture
def web(tmp_path):
    """Serve the folder of a test; the host and port of the server."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=tmp_path))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: text.splitlines()[0][2:])
def test_what_the_page_shows_runs_and_does_what_it_says(example, tmp_path, monkeypatch, web):
    monkeypatch.chdir(tmp_path)
    example = example.replace("127.0.0.1:8000", web)
    assert "assert" in example
    exec(compile(SHARED + example, str(PAGE), "exec"), {})


def test_the_page_shows_every_layout():
    assert len(EXAMPLES) >= 10
    assert all(len(example.splitlines()) <= 9 for example in EXAMPLES)


# parts in folders

TRAIN = ("train", "training", "Train", "TRAIN")
VALIDATION = ("val", "valid", "validation", "dev", "Val", "VALID")
TEST = ("test", "testing", "eval", "Test")


@pytest.mark.parametrize("train", TRAIN)
@pytest.mark.parametrize("validation", VALIDATION)
def test_parts_are_known_by_their_usual_names(tmp_path, train, validation):
    source = laid(tmp_path, both({train: 4, validation: 3, "test": 2}))
    assert sizes(source) == [[4, 4], [3, 3], [2, 2]]


@pytest.mark.parametrize("test", TEST)
def test_the_test_part_is_known_by_its_usual_names(tmp_path, test):
    assert sizes(laid(tmp_path, both({"train": 5, test: 2}))) == [[4, 4], [1, 1], [2, 2]]


def test_the_layout_of_imagenet_validates_on_val_and_tells_where_test_images_come_from(
    tmp_path, caplog
):
    source = laid(tmp_path, both({"train": 10, "val": 3}))
    assert sizes(source) == [[7, 7], [3, 3], [3, 3]]
    assert "val as what is validated on, and the test part" in caplog.text
    own = load_source(source, image_size=6).validation_images
    task = load_task(TaskConfig(source=source), image_size=6)
    assert torch.equal(task.validation.images.sort(0).values, own.sort(0).values)


def test_usual_parts_are_not_remarked_on_and_other_spellings_are(tmp_path, caplog):
    load_source(laid(tmp_path / "a", both({"train": 2, "val": 2, "test": 2})), image_size=6)
    assert not caplog.records
    load_source(laid(tmp_path / "b", both({"Train": 2, "dev": 2, "eval": 2})), image_size=6)
    for note in ("Train as the train part", "dev as the validation part", "eval as the test"):
        assert note in caplog.text


def test_a_folder_that_is_no_part_is_told(tmp_path, caplog):
    layout = both({"train": 2, "test": 2}) | {"extra/cat": 2, "val": 3}
    load_source(laid(tmp_path, layout), image_size=6)
    assert "nothing of extra, which is no part" in caplog.text
    assert "nothing of val, which holds no folder per class" in caplog.text


def test_one_part_under_two_names_is_refused(tmp_path):
    source = laid(tmp_path, both({"train": 2, "val": 2, "validation": 2}))
    with pytest.raises(InvalidData, match="'val' and 'validation' both stand for it: merge"):
        load_source(source, image_size=6)


def test_parts_without_train_are_classes_and_that_is_told(tmp_path, caplog):
    source = laid(tmp_path, {"val/cat": 2, "test/cat": 2})
    assert load_source(source, image_size=6).class_names == ("test", "val")
    assert "test and val as classes, since no folder `train`" in caplog.text


def test_parts_below_classes_are_more_of_the_class_and_that_is_told(tmp_path, caplog):
    layout = {f"{kind}/{part}": 3 for kind in ("cat", "dog") for part in ("train", "test")}
    read = load_source(laid(tmp_path, layout), image_size=6)
    assert read.train_labels.bincount().tolist() == [6, 6]
    assert "4 folders such as cat/test as more pictures of their class" in caplog.text


def test_every_spelling_stands_for_one_part():
    spelled = [name for names in parts.SPELLINGS.values() for name in names]
    assert len(set(spelled)) == len(spelled)
    assert parts.part_of("cat") is None and parts.part_of("VALID") == "validation"


# a validation part of one's own


@pytest.fixture
def three(tmp_path):
    return laid(tmp_path, both({"train": 10, "val": 5, "test": 4}))


def test_the_cap_of_validation_images_keeps_a_subset_of_the_own_part(three):
    assert sizes(three, validation_per_class=2) == [[10, 10], [2, 2], [4, 4]]
    few, all_ = (
        load_task(TaskConfig(source=three, validation_per_class=cap), image_size=6).validation
        for cap in (2, 5)
    )
    rows = {tuple(image.flatten().tolist()) for image in all_.images}
    assert {tuple(image.flatten().tolist()) for image in few.images} < rows


def test_more_validation_images_than_the_own_part_has_are_refused_with_the_number(three):
    with pytest.raises(InvalidData, match=r"have 6 images for validation, but has 5 there") as no:
        sizes(three, validation_per_class=6)
    assert "set `validation_per_class=5`" in str(no.value)
    assert sizes(three, validation_per_class=5)[1] == [5, 5]


def test_pooling_leaves_the_own_validation_part_alone(three):
    assert sizes(three, pooled=True, test_fraction=0.5) == [[7, 7], [5, 5], [7, 7]]


# npz


def arrays(part="train", count=8, **changed):
    seed = sum(part.encode())
    pixels = np.random.default_rng(seed).integers(0, 256, (count, 6, 6, 3)).astype(np.uint8)
    whole = {f"{part}_images": pixels, f"{part}_labels": np.arange(count) % 2}
    return whole | {f"{part}_{what}": array for what, array in changed.items()}


def saved(folder, *groups, **more):
    whole = {name: array for group in groups for name, array in group.items()}
    np.savez(folder / "x.npz", **whole, **more)
    return f"npz:{folder / 'x.npz'}"


@pytest.mark.parametrize("name", ["val", "valid", "validation", "dev", "VAL"])
def test_an_npz_may_have_a_validation_part(tmp_path, name):
    source = saved(tmp_path, arrays(), arrays(name, 6), arrays("test", 4))
    assert sizes(source) == [[4, 4], [3, 3], [2, 2]]


def test_an_npz_of_train_and_val_divides_test_out_of_train(tmp_path, caplog):
    assert sizes(saved(tmp_path, arrays(count=20), arrays("val", 6))) == [[7, 7], [3, 3], [3, 3]]
    assert "val as what is validated on, and the test part" in caplog.text


def test_a_validation_label_without_a_class_is_named(tmp_path):
    source = saved(tmp_path, arrays(), arrays("val", labels=np.arange(8)), class_names=["a", "b"])
    with pytest.raises(InvalidData, match=r"must be below 2.*its validation part has 2: correct"):
        load_source(source, image_size=6)


def test_medmnist_files_are_read(tmp_path, caplog):
    groups = [
        {
            f"{part}_images": np.random.default_rng(count).integers(0, 256, (count, 28, 28), "u1"),
            f"{part}_labels": (np.arange(count, dtype=np.uint8) % 2)[:, None],
        }
        for part, count in (("train", 8), ("val", 4), ("test", 6))
    ]
    assert sizes(saved(tmp_path, *groups)) == [[4, 4], [2, 2], [3, 3]]
    assert "train_labels of shape (8, 1) as one column" in caplog.text


LABELS = np.array([0, 1, 1, 0, 1, 0, 0, 1])


@pytest.mark.parametrize(
    ("labels", "names", "note"),
    [
        (np.eye(2)[LABELS], ("0", "1"), "one-hot rows"),
        (np.eye(2, dtype=bool)[LABELS], ("0", "1"), "one-hot rows"),
        (LABELS.astype(np.float32), ("0", "1"), "float32, as whole numbers"),
        (LABELS.astype(np.float64)[:, None], ("0", "1"), "as one column"),
        (LABELS.astype(bool), ("0", "1"), "bool, as whole numbers"),
        (np.array(["ant", "bee"])[LABELS], ("ant", "bee"), "as names of 2 classes"),
        (np.array([b"ant", b"bee"])[LABELS][:, None], ("ant", "bee"), "as names of 2 classes"),
    ],
)
def test_labels_of_other_kinds_are_understood_and_told(tmp_path, caplog, labels, names, note):
    read = load_source(saved(tmp_path, arrays(labels=labels)), image_size=6)
    assert read.train_labels.tolist() == LABELS.tolist()
    assert read.class_names == names
    assert note in caplog.text


def test_labels_that_are_names_follow_class_names(tmp_path):
    words = np.array(["ant", "bee"])[LABELS]
    source = saved(tmp_path, arrays(labels=words), class_names=np.array(["bee", "ant"]))
    assert load_source(source, image_size=6).train_labels.tolist() == (1 - LABELS).tolist()


GREY = np.arange(8 * 36).reshape(8, 6, 6) % 256


@pytest.mark.parametrize(
    ("images", "note"),
    [
        (GREY / 255, "float64 of 0 to 1, as levels"),
        ((GREY / 255).astype(np.float16), "float16 of 0 to 1, as levels"),
        (GREY.astype(np.float32), "float32 of 0 to 255, as levels"),
        (GREY, "int64 of 0 to 255, as levels"),
        ((GREY * 257).astype(np.uint16), "uint16 of 0 to 65535, as levels"),
        (GREY.astype(np.uint8)[:, None], "(8, 1, 6, 6) as channels first"),
        (GREY.astype(np.uint8)[:, None].repeat(3, 1), "(8, 3, 6, 6) as channels first"),
        ((GREY / 255)[:, None].repeat(3, 1), "(8, 3, 6, 6) as channels first"),
    ],
)
def test_images_of_other_kinds_are_understood_and_told(tmp_path, caplog, images, note):
    read = load_source(saved(tmp_path, arrays(images=images)), image_size=6).train_images
    for channel in range(3):
        assert torch.equal(read[:, channel], torch.from_numpy(GREY).to(torch.uint8))
    assert note in caplog.text


def test_a_dark_part_is_not_brightened(tmp_path):
    dark = arrays("test", images=np.ones((8, 6, 6)) / 255 * 0, labels=LABELS)
    source = saved(tmp_path, arrays(images=GREY.astype(np.float64)), dark)
    assert int(load_source(source, image_size=6).test_images.max()) == 0
    ones = arrays("test", images=np.ones((8, 6, 6)), labels=LABELS)
    source = saved(tmp_path, arrays(images=GREY.astype(np.float64)), ones)
    assert int(load_source(source, image_size=6).test_images.max()) == 1


@pytest.mark.parametrize(
    "images",
    [GREY / 127.5 - 1, GREY / 255 * 2, GREY % 2, GREY * 1000, np.where(GREY == 9, np.nan, 0.5)],
)
def test_images_of_no_plain_range_are_refused_with_a_line_that_mends_them(tmp_path, images):
    with pytest.raises(InvalidData, match=r"train_images of .* must be uint8, or floats") as no:
        load_source(saved(tmp_path, arrays(images=images)), image_size=6)
    line = re.search(r"with `(.*)` say", str(no.value))[1]
    scope = {"np": np, "a": images}
    exec(line, scope)
    assert load_source(saved(tmp_path, arrays(images=scope["a"])), image_size=6)


@pytest.mark.parametrize("labels", [np.ones((8, 14), np.uint8), LABELS + 0.5, np.zeros((8, 2))])
def test_labels_of_no_one_class_are_refused_with_a_line_that_mends_them(tmp_path, labels):
    with pytest.raises(InvalidData, match="train_labels of") as no:
        load_source(saved(tmp_path, arrays(labels=labels)), image_size=6)
    scope = {"np": np, "labels": labels}
    exec(re.search(r"`(labels = [^`]*)`", str(no.value))[1], scope)
    assert scope["labels"].shape == (8,)


def test_labels_partly_names_and_partly_numbers_are_refused(tmp_path):
    words = arrays("test", labels=np.array(["ant", "bee"])[LABELS])
    with pytest.raises(InvalidData, match="test_labels are names and train_labels are not"):
        load_source(saved(tmp_path, arrays(), words), image_size=6)


@pytest.mark.parametrize(
    "names",
    [
        np.array([b"cat", b"dog"]),
        np.array(["cat", "dog"]),
        np.array([["cat"], ["dog"]]),
        np.array([[b"cat", b"dog"]]),
        np.array(["cat ", " dog"]),
    ],
)
def test_class_names_of_any_text_are_names(tmp_path, names):
    read = load_source(saved(tmp_path, arrays(), class_names=names), image_size=6)
    assert read.class_names == ("cat", "dog")


@pytest.mark.parametrize("names", [np.array([["a", "b"], ["c", "d"]]), np.array("cat"), 1j])
def test_class_names_that_are_no_row_of_names_are_refused(tmp_path, names):
    with pytest.raises(InvalidData, match=r"(class_names|Labels) of .*"):
        load_source(saved(tmp_path, arrays(), class_names=names), image_size=6)


@pytest.mark.parametrize("name", ["train_images", "train_labels", "class_names"])
def test_objects_are_refused_for_what_they_are(tmp_path, name):
    whole = arrays() | {"class_names": np.array(["a", "b"])}
    whole[name] = np.array([*whole[name], None], dtype=object)[:-1]
    with pytest.raises(InvalidData, match=rf"{name} of .* array of Python objects .*: .*`np\."):
        load_source(saved(tmp_path, whole), image_size=6)


def test_other_arrays_are_passed_over_and_told(tmp_path, caplog):
    load_source(saved(tmp_path, arrays(), notes=np.zeros(3)), image_size=6)
    assert "passed over arrays of" in caplog.text and "notes" in caplog.text


# too few


def advice(message):
    """Return the settings that an error advises, each as keyword arguments."""
    return [eval(f"dict({found})") for found in re.findall(r"set `([^`]*)`", message)]


FEW = [
    ({"cat": 1, "dog": 9, "fox": 9}, {}, "Class 'cat' .* have 3 images .*, but has 1:"),
    ({"cat": 2, "dog": 9, "fox": 200}, {}, "Class 'cat' .* have 3 images .*, but has 2:"),
    ({"ape": 1, "cat": 1, "dog": 9, "fox": 9}, {}, r"but has 1 \(1 other classes lack"),
    ({"cat": 1, "dog": 200, "fox": 9}, {"only": ("cat", "dog", "fox")}, "but has 1: .*only="),
    ({"cat": 9, "dog": 9}, {"validation_per_class": 50}, "but has 9 .*validation_per_class=5"),
    ({"cat": 1, "dog": 9, "fox": 9, "owl": 9}, {"exclude": ("owl",)}, "but has 1:"),
]


@pytest.mark.parametrize(("layout", "fields", "message"), FEW)
def test_the_advice_for_small_classes_counts_right_and_works(tmp_path, layout, fields, message):
    source = laid(tmp_path, layout)
    with pytest.raises(InvalidData, match=message) as no:
        sizes(source, **fields)
    advised = advice(str(no.value))
    assert advised
    for changed in advised:
        assert min(min(counts) for counts in sizes(source, **(fields | changed))) >= 1


def test_pooling_is_advised_only_where_it_helps(tmp_path):
    layout = {"train/cat": 1, "train/dog": 5, "test/cat": 4, "test/dog": 4}
    source = laid(tmp_path / "a", layout)
    with pytest.raises(
        InvalidData, match="have 2 images for train and validation, but has 1"
    ) as no:
        sizes(source)
    assert advice(str(no.value)) == [{"pooled": True}]
    assert sizes(source, pooled=True)
    poor = laid(tmp_path / "b", layout | {"test/cat": 1})
    with pytest.raises(InvalidData, match=r"but has 1: add images$"):
        sizes(poor)


def test_adding_as_many_images_as_it_says_is_enough(tmp_path):
    source = laid(tmp_path, {"cat": 1, "dog": 9})
    with pytest.raises(InvalidData, match="must have 3 images for train, validation and test"):
        sizes(source)
    pictures(tmp_path / "cat", 3, seed=99)
    assert sizes(source)[0][0] == 1


def test_one_class_is_named_and_the_folder_inside_is_advised(tmp_path):
    laid(tmp_path / "all" / "pets", {"cat": 5, "dog": 5})
    with pytest.raises(InvalidData, match=r"has one, 'pets': add another, or write") as no:
        sizes(f"folder:{tmp_path}/all")
    assert sizes(re.search(r"write `(.*?)`", str(no.value))[1])


# addresses and paths


def test_a_bare_path_is_told_what_to_write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pets").mkdir()
    for bare, said in (
        ("photos/", "folder:photos/"),
        ("/data/x.npz", "npz:/data/x.npz"),
        ("x.npz", "npz:x.npz"),
        ("pets", "folder:pets"),
        ("s3://bucket/x.npz", "npz:s3://bucket/x.npz"),
        ("s3://bucket/pets", "folder:s3://bucket/pets"),
    ):
        with pytest.raises(UnknownName, match=f"got '{re.escape(bare)}': write `{said}`"):
            canonical(bare)


def test_an_address_is_named_by_its_last_part():
    assert canonical("npz:https://a.org/b/cats.npz?token=1") == ("npz", "cats")
    assert canonical("folder:s3://bucket/pets/") == ("folder", "pets")
    assert canonical("folder:s3://bucket") == ("folder", "bucket")


def put(address, file):
    import fsspec

    with fsspec.open(address, "wb") as there:
        there.write(Path(file).read_bytes())


def test_a_remote_npz_is_fetched_once_and_again_when_it_changed(tmp_path, caplog):
    address = "memory://bucket/x.npz"
    saved(tmp_path, arrays())
    put(address, tmp_path / "x.npz")
    root = str(tmp_path / "root")
    first = load_source(f"npz:{address}", image_size=6, data_root=root)
    assert load_source(f"npz:{address}", image_size=6, data_root=root) is first
    assert caplog.text.count("fetch memory") == 1
    saved(tmp_path, arrays(count=10))
    put(address, tmp_path / "x.npz")
    assert len(load_source(f"npz:{address}", image_size=6, data_root=root).train_labels) == 10


def test_a_remote_folder_is_fetched_whole_without_what_systems_leave(tmp_path):
    local = laid(tmp_path / "pets", both({"train": 4, "val": 3, "test": 2}))
    pictures(tmp_path / "pets" / "train" / "cat" / "@eaDir", 2, seed=50)
    for file in (tmp_path / "pets").rglob("*.png"):
        put(f"memory://zoo/{file.relative_to(tmp_path)}", file)
    root = str(tmp_path / "root")
    read = load_source("folder:memory://zoo/pets", image_size=6, data_root=root)
    assert torch.equal(read.train_images, load_source(local, image_size=6).train_images)
    assert not list((tmp_path / "root").rglob("@eaDir"))
    assert not list((tmp_path / "root").rglob(".part-*"))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("npz:memory://bucket/absent.npz", "must name a file, but nothing is there: correct"),
        ("folder:memory://absent/pets", "must name a folder with files, but nothing is there"),
        ("folder:https://a.org/pets/", "is a web address: download it and write `folder:PATH`"),
        ("npz:nosuch://a/x.npz", r"nosuch://a/x.npz must be reachable.*install what fsspec"),
        ("npz:http://127.0.0.1:9/x.npz", "http://127.0.0.1:9/x.npz must "),
    ],
)
def test_what_cannot_be_fetched_is_a_sentence(tmp_path, source, message):
    with pytest.raises(InvalidData, match=message):
        load_source(source, image_size=6, data_root=str(tmp_path))


def test_a_folder_called_npz_and_a_file_called_folder_are_told_apart(tmp_path):
    file = saved(tmp_path, arrays()).removeprefix("npz:")
    with pytest.raises(InvalidData, match="a file: for arrays write `npz:PATH`"):
        load_source(f"folder:{file}", image_size=6)
    with pytest.raises(InvalidData, match=r"is a folder \(for pictures write `folder:PATH`\)"):
        load_source(f"npz:{tmp_path}", image_size=6)


# rights


def deny(*_, **__):
    raise PermissionError(13, "Permission denied")


@pytest.mark.parametrize(("owner", "name"), [(archives.np, "load"), (Path, "open")])
def test_an_npz_that_may_not_be_read_is_a_sentence(tmp_path, monkeypatch, owner, name):
    source = saved(tmp_path, arrays())
    monkeypatch.setattr(owner, name, deny)
    with pytest.raises(InvalidData, match=r"x\.npz must be readable for the user .*chmod"):
        load_source(source, image_size=6)


def test_class_folders_that_may_not_be_listed_are_a_sentence(tmp_path, monkeypatch):
    source = laid(tmp_path, {"cat": 3, "dog": 3})
    monkeypatch.setattr(files.Path, "iterdir", deny)
    with pytest.raises(InvalidData, match="must be readable for the user who runs this"):
        load_source(source, image_size=6)
