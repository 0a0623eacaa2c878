"""Origins: which sets are akin."""

import pytest

from dass.data.origins import GROUPS, origin
from jobs.presets import benchmark


def test_every_set_of_the_meta_dataset_has_an_origin_that_is_not_just_its_name():
    sources = {split.task.source for split in benchmark.build().splits}
    names = {source.removeprefix("npz:data/").removesuffix(".npz") for source in sources}
    assert names <= GROUPS.keys()
    assert {origin(source) for source in sources} >= {"natural objects", "signs", "steel"}


@pytest.mark.parametrize("source", ["npz:data/kannada.npz", "digits", "rendered:thai"])
def test_scripts_are_akin_to_digits_wherever_they_come_from(source):
    assert origin(source) == "glyphs"


def test_both_sets_of_natural_objects_are_akin():
    assert origin("npz:elsewhere/cifar10.npz") == origin("npz:data/tinyimagenet.npz")


def test_a_source_of_a_users_own_is_akin_to_no_other():
    assert origin("npz:data/pets.npz") not in {*GROUPS.values(), origin("folder:cats")}
