"""A student distilled in process: the loop by hand is the reference."""

import copy
from dataclasses import replace

import pytest

from dass.errors import InvalidArchitecture, InvalidConfig
from dass.networks.remap import student
from dass.pipeline.students import distill
from dass.training.batches import training_batches
from dass.training.distillation import train
from dass.training.inference import accuracy, hits
from dass.training.recipe import Recipe

RECIPE = Recipe(epochs=2, batch_size=8, padding=1)


def test_it_trains_as_the_loop_does_by_hand(teacher, digits, micro_space):
    before = copy.deepcopy(teacher.network.state_dict())
    architecture = micro_space.smallest
    network, record = distill(teacher, architecture, digits, recipe=RECIPE, seed=3)
    reference = student(teacher.network, architecture).train()
    source = training_batches(digits.train, RECIPE, teacher=teacher.network, flip=digits.flip)
    passes = train(reference, source, recipe=RECIPE, seed=3)
    curve = [accuracy(reference, digits.validation) for _ in passes]
    expected = reference.state_dict()
    assert all(t.equal(expected[name]) for name, t in network.state_dict().items())
    assert record.curve == tuple(curve) and len(curve) == RECIPE.epochs
    assert record.validation_accuracy == accuracy(reference, digits.validation) == curve[-1]
    assert record.test_accuracy == accuracy(reference, digits.test)
    half = hits(reference, digits.validation)[::2].double().mean()
    assert record.validation_half_accuracy == pytest.approx(float(half))
    assert not network.training and not teacher.network.training
    assert all(t.equal(before[name]) for name, t in teacher.network.state_dict().items())


def test_the_record_says_what_was_trained_and_what_it_costs(teacher, digits, micro_space):
    epochs = []
    network, record = distill(
        teacher, str(micro_space.smallest), digits, recipe=RECIPE, on_epoch=epochs.append
    )
    assert [epoch.number for epoch in epochs] == [1, 2]
    assert (record.space, record.task, record.teacher) == ("micro", digits.name, teacher.name)
    assert (record.recipe, record.seed, record.device) == (RECIPE.name, 0, "cpu")
    assert record.architecture == str(micro_space.smallest)
    assert record.parameters == sum(p.numel() for p in network.parameters())
    assert record.test_images == len(digits.test) and record.seconds > 0


def test_the_task_of_the_teacher_is_loaded_where_none_is_given(teacher, digits, micro_space):
    short = replace(RECIPE, epochs=1)
    _, own = distill(teacher, micro_space.smallest, recipe=short)
    _, given = distill(teacher, micro_space.smallest, digits, recipe=short)
    assert replace(own, seconds=0.0) == replace(given, seconds=0.0)


def test_what_cannot_be_distilled_is_refused(teacher, digits, micro_space):
    with pytest.raises(InvalidConfig, match="must have a task to distil on"):
        distill(replace(teacher, task=None), micro_space.smallest)
    with pytest.raises(InvalidArchitecture):
        distill(teacher, "9999", digits)
    fewer = replace(digits, class_names=digits.class_names[:2])
    with pytest.raises(InvalidConfig, match="must have the 3 classes"):
        distill(teacher, micro_space.smallest, fewer)
