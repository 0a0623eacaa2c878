"""The preset of rendered domains: sizes of its tasks, and the origin of every set."""

from pathlib import Path

import pytest

from dass.data.rendered.domains import DOMAINS
from dass.errors import UnknownName
from jobs.presets import benchmark, domains

DATASHEET = Path(__file__).parents[2] / "docs" / "rendered.md"


@pytest.fixture(scope="module")
def tasks():
    return {
        split.task.source.removeprefix("rendered:"): split.task for split in domains.build().splits
    }


def test_there_is_one_task_of_each_domain_in_training(tasks):
    assert list(tasks) == list(DOMAINS)
    assert {split.role for split in domains.build().splits} == {"train"}
    assert len({task.name for task in tasks.values()}) == len(DOMAINS)


@pytest.mark.parametrize("name", DOMAINS)
def test_a_task_has_enough_images_in_every_part(name, tasks):
    classes, task = len(DOMAINS[name].class_names), tasks[name]
    assert 600 <= classes * task.train_per_class <= 1300
    assert classes * task.validation_per_class >= 400
    assert classes * DOMAINS[name].test >= 500
    # All of a class's images are used, and none is asked for that is not there.
    assert task.train_per_class + task.validation_per_class == DOMAINS[name].train


def test_every_set_of_the_meta_dataset_has_an_origin():
    sources = {split.task.source for split in benchmark.build().splits}
    assert {domains.group(source) for source in sources} >= {"natural objects", "signs", "steel"}


def test_scripts_are_of_one_origin_wherever_they_come_from():
    scripts = ("npz:data/kannada.npz", "npz:/elsewhere/omniglot.npz", "rendered:thai")
    assert {domains.group(source) for source in (*scripts, "rendered:strokes")} == {"glyphs"}


def test_a_set_of_unknown_origin_is_a_sentence():
    with pytest.raises(UnknownName, match="add it there"):
        domains.group("npz:data/pets.npz")


def test_the_datasheet_has_every_domain_as_it_is(tasks):
    rows = [
        [cell.strip(" `") for cell in line.strip("|").split("|")]
        for line in DATASHEET.read_text().splitlines()
        if line.startswith("| `")
    ]
    assert [row[0] for row in rows] == list(DOMAINS)
    for name, group, shows, classes, images, trained, needs in rows:
        each = DOMAINS[name]
        count = len(each.class_names)
        assert (group, shows, int(classes)) == (each.group, each.shows, count)
        assert images == f"{count * each.train} + {count * each.test}"
        assert int(trained) == count * tasks[name].train_per_class
        assert needs.replace("`", "").replace(",", "") == (each.needs or "nothing")
