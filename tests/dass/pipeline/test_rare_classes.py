"""A teacher of rare classes is measured by all of them alike where that is asked."""

import pytest
import torch

from dass.data.task import Split, Task
from dass.data.task_config import TaskConfig
from dass.errors import UnfitTeacher
from dass.networks.oracles.oracle import classifier_of
from dass.networks.oracles.preprocessing import Preprocessing
from dass.pipeline.teacher_check import check_teacher

PLAIN = Preprocessing(size=4, resize=4, mean=(0.0,) * 3, std=(1.0,) * 3)


def part(frequent, alarms, rare, missed):
    """Images of one level each: rare ones are bright, but for some that are missed."""
    levels = [20] * (frequent - alarms) + [220] * alarms + [220] * (rare - missed) + [20] * missed
    images = torch.tensor(levels, dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 4, 4)
    return Split(images.contiguous(), torch.tensor([0] * frequent + [1] * rare))


def task_of(part):
    return Task(config=TaskConfig(source="digits"), class_names=("fine", "defect"), train=part,
                validation=part, test=part)  # fmt: skip


def by_brightness(x):
    return torch.stack([0.5 - x.mean((1, 2, 3)), x.mean((1, 2, 3)) - 0.5], 1)


def test_false_alarms_among_a_frequent_class_are_no_ignorance():
    task = task_of(part(frequent=380, alarms=50, rare=20, missed=1))
    oracle = classifier_of(by_brightness, preprocessing=PLAIN)
    with pytest.raises(UnfitTeacher):
        check_teacher(oracle, task)
    found = check_teacher(oracle, task, balanced=True)
    assert found.accuracy == pytest.approx(349 / 400) and found.accuracy < found.chance


def test_who_answers_by_chance_is_refused_in_either_measure():
    task = task_of(part(frequent=380, alarms=190, rare=20, missed=10))
    oracle = classifier_of(by_brightness, preprocessing=PLAIN)
    with pytest.raises(UnfitTeacher):
        check_teacher(oracle, task, balanced=True)
