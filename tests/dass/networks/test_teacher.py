"""Teachers: what they cost, and which networks are none."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from dass.errors import InvalidConfig
from dass.networks.teacher import Teacher
from dass.space.cost import Budget, Costed


def test_a_teacher_costs_what_its_network_does(teacher):
    size = teacher.network.space.image_size
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        teacher.network(torch.zeros(1, 3, size, size))
    # The counter counts a multiply-add as two.
    assert 2 * teacher.flops == counter.get_total_flops()
    assert teacher.parameters == sum(p.numel() for p in teacher.network.parameters())
    assert isinstance(teacher, Costed)
    half = Budget.of(teacher, flops=0.5)
    assert half == Budget(max_flops=teacher.flops // 2)


@pytest.mark.parametrize("accuracy", [0.0, -0.1, 1.5, 73.0])
def test_an_accuracy_is_a_fraction(teacher, accuracy):
    with pytest.raises(InvalidConfig, match=r"a fraction in \(0, 1\]"):
        Teacher(name="t", network=teacher.network, accuracy=accuracy)
