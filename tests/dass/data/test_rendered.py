"""Rendered domains: the same images everywhere, no image in two parts, and sentences for the rest.

Domains that need fonts or espeak-ng are skipped, and said so, where these are not installed.
"""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest

from dass.data.rendered import fonts, glyphs, speech
from dass.data.rendered.catalogue import CATALOGUE, facts
from dass.data.rendered.domains import DOMAINS
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
    sizes = dataclasses.replace(whole.facts, classes=3, train=4, test=2)
    monkeypatch.setitem(CATALOGUE, name, sizes)
    names = whole.class_names[:3]
    monkeypatch.setitem(DOMAINS, name, dataclasses.replace(whole, class_names=names))
    return name


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


@pytest.mark.parametrize("name", [each for each in DOMAINS if "fonts" in DOMAINS[each].facts.needs])
def test_missing_fonts_say_which_package_to_install(name, monkeypatch, tmp_path):
    monkeypatch.setattr(fonts, "FOLDERS", (str(tmp_path),))
    package = DOMAINS[name].needs
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
