"""The preset of rendered domains: sizes of its tasks, and which of them are sealed."""

from pathlib import Path

import pytest

from dass.data.origins import SEALED, origin
from dass.data.rendered.catalogue import CATALOGUE
from jobs.presets import domains

DATASHEET = Path(__file__).parents[2] / "docs" / "rendered.md"


@pytest.fixture(scope="module")
def tasks():
    return {name: domains.task(name, facts) for name, facts in CATALOGUE.items()}


def test_there_is_one_task_of_each_domain_that_can_be_learned(tasks):
    learned = [name for name in CATALOGUE if name not in domains.UNLEARNED]
    assert [split.task for split in domains.build().splits] == [tasks[name] for name in learned]
    assert len({task.name for task in tasks.values()}) == len(CATALOGUE)


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_task_has_enough_images_in_every_part(name, tasks):
    classes, task = CATALOGUE[name].classes, tasks[name]
    assert 600 <= classes * task.train_per_class <= 1300
    assert classes * task.validation_per_class >= 400
    assert classes * CATALOGUE[name].test >= 500
    # All of a class's images are used, and none is asked for that is not there.
    assert task.train_per_class + task.validation_per_class == CATALOGUE[name].train


def test_sealed_groups_are_tested_on_and_all_others_trained_on():
    groups = {"train": set(), "unseen": set()}
    for split in domains.build().splits:
        groups[split.role].add(origin(split.task.source))
    assert groups["unseen"] == set(SEALED)
    assert not groups["unseen"] & groups["train"]
