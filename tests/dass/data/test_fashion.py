"""The embedded source `fashion`: a task of the meta-dataset, no test image trained on."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from dass.data.fashion_tasks import META_DATASET_TASK, TASK
from dass.data.sources import FASHION
from dass.data.task import load_task
from dass.registry import zoo
from dass.training.inference import accuracy

PARTS = {"train": 130, "validation": 100, "test": 250}
TEACHER = "small.fashion-2f723e7a.label16-4791e311.0"
ORIGINAL = Path(os.environ.get("DASS_DATA", Path(__file__).parents[3] / "data")) / "fashion.npz"
"""The file that the embedded one was cut out of; it is not shipped."""


@pytest.fixture(scope="module")
def task():
    return load_task(TASK, image_size=32)


def test_its_parts_have_the_stated_sizes(task):
    counts = {part: getattr(task, part).labels.bincount().tolist() for part in PARTS}
    assert counts == {part: [count] * 10 for part, count in PARTS.items()}


def test_no_image_is_there_twice(task):
    images = torch.cat([getattr(task, part).images for part in PARTS]).flatten(1)
    assert len(torch.unique(images, dim=0)) == len(images) == 4800


def test_it_names_the_task_of_the_shipped_teacher():
    assert zoo.teacher(TEACHER).task == META_DATASET_TASK


def test_its_images_are_those_of_the_task_of_the_meta_dataset(task):
    if not ORIGINAL.exists():
        pytest.skip(f"NOT COMPARED with the original: no {ORIGINAL}; set DASS_DATA=FOLDER")
    source = replace(META_DATASET_TASK, source=f"npz:{ORIGINAL}")
    original = load_task(source, image_size=32)
    assert task.class_names == original.class_names
    for part in PARTS:
        assert torch.equal(getattr(task, part).images, getattr(original, part).images)
        assert torch.equal(getattr(task, part).labels, getattr(original, part).labels)


def test_the_shipped_teacher_reaches_its_recorded_accuracies_on_it(task):
    """To the digit, half-precision weights and all: one image is worth 0.1 and 0.04 points."""
    teacher = zoo.teacher(TEACHER)
    assert accuracy(teacher.network, task.validation) == pytest.approx(teacher.accuracy, abs=1e-9)
    assert accuracy(teacher.network, task.test) == pytest.approx(teacher.test_accuracy, abs=1e-9)


def test_it_is_small_and_its_licence_is_beside_it():
    assert FASHION.stat().st_size <= 3e6
    licence = FASHION.with_suffix(".LICENSE").read_text()
    assert "MIT License" in licence and "Zalando SE" in licence
