"""Rendered domains: the same images everywhere, no image in two parts, and sentences for the rest.

Domains that need fonts or espeak-ng are skipped, and said so, where these are not installed.
"""

import hashlib
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
from dass.data.rendered import fonts, glyphs, speech
from dass.data.rendered.catalogue import CATALOGUE, facts
from dass.data.rendered.domains import DOMAINS, render
from dass.data.task import TaskConfig, load_task
from dass.errors import InvalidData, UnknownName

ROOT = Path(__file__).parents[3]
DIGESTS = """
import sys
from tests.dass.data.test_rendered import digest
for name in sys.argv[1:]:
    print(digest(name))
"""


def digest(name):
    """Return the name of a domain and a hash of one picture of each part."""
    pictures = [DOMAINS[name].picture(1, part, index=3) for part in ("train", "test")]
    return f"{name} {hashlib.sha256(np.concatenate(pictures).tobytes()).hexdigest()}"


def missing(name):
    """Return what a domain says is not installed here; nothing if it can be drawn."""
    try:
        if DOMAINS[name].check is not None:
            DOMAINS[name].check()
    except InvalidData as error:
        return str(error)
    return ""


@pytest.fixture(params=DOMAINS)
def name(request):
    if reason := missing(request.param):
        pytest.skip(f"NOT DRAWN: {reason}")
    return request.param


@pytest.fixture
def few(name, monkeypatch):
    """A domain of which only four and two images of three classes are drawn."""
    whole = DOMAINS[name]
    monkeypatch.setitem(CATALOGUE, name, replace(whole.facts, classes=3, train=4, test=2))
    monkeypatch.setitem(DOMAINS, name, replace(whole, class_names=whole.class_names[:3]))
    sources._load.cache_clear()
    yield name
    sources._load.cache_clear()


def test_there_are_many_domains_of_many_origins():
    assert len(DOMAINS) >= 14
    assert len({each.facts.group for each in DOMAINS.values()}) >= 7


def test_another_process_draws_the_same_bytes():
    names = [name for name in DOMAINS if not missing(name)]
    other = subprocess.run(
        [sys.executable, "-c", DIGESTS, *names],
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": "7", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=True,
        text=True,
    )
    assert other.stdout.splitlines() == [digest(name) for name in names]


def test_a_picture_does_not_depend_on_what_was_drawn_before(name):
    first = DOMAINS[name].picture(0, "train", index=1)
    DOMAINS[name].picture(1, "test", index=0)
    assert np.array_equal(first, DOMAINS[name].picture(0, "train", index=1))


def test_every_class_has_a_picture_of_its_own(name):
    whole = DOMAINS[name]
    drawn = [whole.picture(label, "train", index=0) for label in range(len(whole.class_names))]
    assert len(set(whole.class_names)) == len(drawn)
    assert len({pixels.tobytes() for pixels in drawn}) == len(drawn)
    assert min(pixels.std() for pixels in drawn) > 4


def test_a_small_sample_passes_through_a_task_and_no_image_is_there_twice(few):
    config = TaskConfig(source=f"rendered:{few}", validation_per_class=1, flip=facts(few).flip)
    task = load_task(config, image_size=16)
    parts = (task.train, task.validation, task.test)
    assert [part.labels.bincount().tolist() for part in parts] == [[3] * 3, [1] * 3, [2] * 3]
    images = torch.cat([part.images for part in parts])
    assert images.shape == (18, 3, 16, 16)
    assert len(torch.unique(images.flatten(1), dim=0)) == 18
    assert task.name.startswith(f"{few}-")


def test_more_images_leave_the_first_ones_as_they_are(monkeypatch):
    monkeypatch.setitem(CATALOGUE, "flags", replace(facts("flags"), classes=1))
    monkeypatch.setitem(DOMAINS, "flags", replace(DOMAINS["flags"], class_names=("three across",)))
    few, more = (render("flags", image_size=32, train=count, test=1) for count in (2, 4))
    assert torch.equal(more.train_images[:2], few.train_images)


@pytest.mark.parametrize("script", [each for each in glyphs.DOMAINS if each.name != "words"])
def test_every_font_of_a_script_has_all_of_its_characters(script):
    """A font that lacks two of them would draw the same box for both."""
    if reason := missing(script.name):
        pytest.skip(f"NOT DRAWN: {reason}")
    characters, faces = script.draw.keywords["characters"], script.draw.keywords["fonts"]
    assert not set(faces[0]) & set(faces[1])
    for face in (*faces[0], *faces[1]):
        stamps = {glyphs.stamp(each, face, size=32).tobytes() for each in characters}
        assert len(stamps) == len(characters), face


# --- errors --------------------------------------------------------------------------------


def test_an_unknown_domain_is_a_sentence_with_the_nearest_names():
    with pytest.raises(UnknownName, match=r"'fractal'.*try fractals"):
        TaskConfig(source="rendered:fractal")
    with pytest.raises(UnknownName, match="rendered:NAME"):
        facts("")


@pytest.mark.parametrize("name", [n for n in DOMAINS if "fonts" in facts(n).needs])
def test_missing_fonts_say_which_package_to_install(name, monkeypatch, tmp_path):
    monkeypatch.setattr(fonts, "FOLDERS", (str(tmp_path),))
    package = facts(name).needs
    with pytest.raises(InvalidData, match=f"`rendered:{name}`.*apt-get install {package}"):
        load_task(TaskConfig(source=f"rendered:{name}"), image_size=32)


def test_a_missing_speaker_says_which_package_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InvalidData, match="apt-get install espeak-ng"):
        load_task(TaskConfig(source="rendered:commands"), image_size=32)


def test_a_voice_that_is_not_installed_is_a_sentence():
    if shutil.which(speech.PROGRAM) is None:
        pytest.skip(f"NOT SPOKEN: no {speech.PROGRAM}")
    with pytest.raises(InvalidData, match="must speak 'yes' as voice nobody"):
        speech._speak("yes", "nobody")
