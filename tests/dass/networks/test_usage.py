"""Usage: what an export tells of its input is what the project itself does."""

import json
import tomllib
from pathlib import Path

import pytest
import torch

from dass.data.images import normalise
from dass.errors import InvalidConfig
from dass.networks import usage as module
from dass.networks.usage import usage
from dass.registry.networks import pack_student, unpack_student


def test_mean_and_std_are_what_normalises_every_pixel(teacher):
    facts = usage(teacher.network)
    pixels = torch.arange(256, dtype=torch.uint8).repeat(3, 1)[None, :, :, None]
    mean, std = (torch.tensor(facts[name])[:, None, None] for name in ("mean", "std"))
    assert torch.allclose((pixels / 255 - mean) / std, normalise(pixels), atol=1e-6)
    assert (facts["mean"], facts["std"]) == ([0.5] * 3, [0.5] * 3)


def test_they_follow_the_normalisation_if_that_changes(teacher, monkeypatch):
    def other(images):
        means, stds = torch.tensor([0.1, 0.2, 0.3]), torch.tensor([0.4, 0.5, 0.6])
        return (images / 255 - means[:, None, None]) / stds[:, None, None]

    monkeypatch.setattr(module, "normalise", other)
    facts = usage(teacher.network)
    assert facts["mean"] == pytest.approx([0.1, 0.2, 0.3], abs=1e-6)
    assert facts["std"] == pytest.approx([0.4, 0.5, 0.6], abs=1e-6)


def test_the_version_is_the_project_s_own(teacher):
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    assert project["name"] == module.PACKAGE
    assert usage(teacher.network)["version"] == project["version"]


def test_a_checkout_that_is_not_installed_exports_too(teacher, monkeypatch):
    monkeypatch.setattr(module, "PACKAGE", "no-such-package-is-installed")
    assert usage(teacher.network)["version"] == "unknown"


def test_names_of_other_classes_are_refused(teacher, digits):
    assert usage(teacher.network, class_names=digits.class_names)["class_names"] == ["7", "8", "9"]
    with pytest.raises(InvalidConfig, match="must name the 3 outputs of the network, but got 2"):
        usage(teacher.network, class_names=("7", "8"))


def test_a_student_s_manifest_tells_it_without_being_asked(teacher):
    files = pack_student(teacher.network, {"seed": 3})
    manifest = json.loads(files["config.json"])
    assert manifest.items() >= usage(teacher.network).items() and manifest["seed"] == 3
    network, facts = unpack_student(files)
    assert facts == manifest and network.architecture == teacher.network.architecture
