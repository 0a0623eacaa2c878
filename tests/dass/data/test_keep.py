"""Kept domains: the bytes of a fresh rendering, whatever is installed; never those of another."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dass.data import sources
from dass.data.rendered import fonts, keep
from dass.data.rendered.catalogue import CATALOGUE
from dass.data.rendered.domains import DOMAINS, render
from dass.data.sources import load_source
from dass.data.task import TaskConfig, load_task
from dass.errors import InvalidData

ROOT = Path(__file__).parents[3]
PLACE = """
import sys
from pathlib import Path
from dass.data.rendered.keep import place
print(place("flags", image_size=32, root=Path()))
"""


@pytest.fixture
def few(monkeypatch):
    """Make a domain small: four and two images of each of three classes."""

    def shrink(name):
        whole = DOMAINS[name]
        try:
            if whole.check is not None:
                whole.check()
        except InvalidData as error:
            pytest.skip(f"NOT DRAWN: {error}")
        monkeypatch.setitem(CATALOGUE, name, replace(whole.facts, classes=3, train=4, test=2))
        monkeypatch.setitem(DOMAINS, name, replace(whole, class_names=whole.class_names[:3]))
        return name

    sources._load.cache_clear()
    yield shrink
    sources._load.cache_clear()


def assert_same(one, other):
    """Assert that two sets of images have the same names, pixels and labels."""
    assert one.class_names == other.class_names
    for part in ("train", "validation", "test"):
        for what in ("images", "labels"):
            first, second = (getattr(each, f"{part}_{what}") for each in (one, other))
            assert first.dtype == second.dtype
            assert torch.equal(first, second)
            assert first.is_contiguous() == second.is_contiguous()


# --- laws ----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [16, 64])
@pytest.mark.parametrize("name", ["flags", "birdsong", "pictograms", "words"])
def test_a_kept_domain_is_the_bytes_of_a_fresh_one(name, size, few, tmp_path):
    fresh = render(few(name), image_size=size)
    keep.keep(name, image_size=size, root=tmp_path)
    assert_same(
        load_source(f"rendered:{name}", image_size=size, data_root=str(tmp_path)),
        fresh,
    )


def test_what_is_kept_is_read_and_not_drawn(few, tmp_path, monkeypatch):
    few("flags")
    keep.keep("flags", image_size=16, root=tmp_path)
    config = TaskConfig(source="rendered:flags", validation_per_class=1, flip=False)
    before = load_task(config, image_size=16, data_root=str(tmp_path))
    sources._load.cache_clear()
    monkeypatch.delitem(DOMAINS, "flags")
    after = load_task(config, image_size=16, data_root=str(tmp_path))
    assert torch.equal(before.train.images, after.train.images)
    assert before.name == after.name


def test_what_is_kept_needs_no_fonts(few, tmp_path, monkeypatch):
    few("pictograms")
    keep.keep("pictograms", image_size=16, root=tmp_path)
    monkeypatch.setattr(fonts, "FOLDERS", (str(tmp_path / "none"),))
    kept = keep.load("pictograms", image_size=16, root=tmp_path)
    assert len(kept.train_labels) == 12
    with pytest.raises(InvalidData, match="apt-get install"):
        keep.load("pictograms", image_size=32, root=tmp_path)


def test_reading_a_domain_writes_nothing(few, tmp_path):
    load_source(f"rendered:{few('flags')}", image_size=16, data_root=str(tmp_path))
    assert not list(tmp_path.iterdir())


def test_other_pictures_have_another_place(few, tmp_path):
    places = [keep.place("flags", image_size=size, root=tmp_path) for size in (16, 32)]
    few("flags")
    places.append(keep.place("flags", image_size=16, root=tmp_path))
    assert len(set(places)) == len(places)


def test_the_place_goes_with_the_sources_that_draw_wherever_these_lie(tmp_path):
    def placed():
        done = subprocess.run(
            [sys.executable, "-c", PLACE],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(tmp_path)},
            capture_output=True,
            check=True,
            text=True,
        )
        return done.stdout.strip()

    shutil.copytree(ROOT / "dass", tmp_path / "dass")
    here = str(keep.place("flags", image_size=32, root=Path()))
    assert placed() == here
    canvas = tmp_path / "dass/data/rendered/canvas.py"
    canvas.write_text(canvas.read_text().replace("strength: float = 0.25", "strength: float = 1"))
    assert placed() != here


# --- files ---------------------------------------------------------------------------------


def test_the_command_draws_what_is_named(few, tmp_path, monkeypatch, capsys):
    names = [few("flags"), few("solids")]
    line = f"keep {' '.join(names)} --root {tmp_path} --image-size 16"
    monkeypatch.setattr(sys, "argv", line.split())
    keep.main()
    places = [keep.place(name, image_size=16, root=tmp_path) for name in names]
    assert sorted((tmp_path / keep.FOLDER).iterdir()) == places
    told = capsys.readouterr().out
    assert all(str(path) in told for path in places)


def test_the_command_ends_in_a_sentence_where_a_name_is_none(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", f"keep flag --root {tmp_path}".split())
    with pytest.raises(SystemExit, match="2"):
        keep.main()
    assert capsys.readouterr().err.startswith("UnknownName: `rendered:NAME` must name a domain")
    assert not list(tmp_path.iterdir())


def test_a_broken_file_is_a_sentence_and_drawing_anew_mends_it(few, tmp_path):
    path = keep.keep(few("flags"), image_size=16, root=tmp_path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InvalidData, match=f"rendered:flags.*whole.*keep flags --root {tmp_path}"):
        load_source("rendered:flags", image_size=16, data_root=str(tmp_path))
    keep.keep("flags", image_size=16, root=tmp_path)
    assert_same(
        load_source("rendered:flags", image_size=16, data_root=str(tmp_path)),
        render("flags", image_size=16),
    )


def test_a_writing_that_fails_leaves_what_was_there(few, tmp_path, monkeypatch):
    path = keep.keep(few("flags"), image_size=16, root=tmp_path)
    whole = path.read_bytes()
    (path.parent / "flags-of-another-version.npz").write_bytes(b"old")
    present = sorted(path.parent.iterdir())

    def full(file, **arrays):
        Path(file).write_bytes(whole[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(OSError, match="No space"):
        keep.keep("flags", image_size=16, root=tmp_path)
    assert path.read_bytes() == whole
    assert sorted(path.parent.iterdir()) == present
