"""The order for spaces without labels: learned in one space, asked in another."""

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from dass.baselines.choices import uniform_in_budget
from dass.baselines.teacher_blind import fit_teacher_blind
from dass.errors import InfeasibleBudget, InvalidData
from dass.networks.resnet import ResNet
from dass.networks.teacher import Teacher
from dass.predictor.level import Facts
from dass.predictor.records import StudentRecord
from dass.searching.verification import Short
from dass.space.cost import Budget
from dass.space.spaces import by_name, micro


def teacher_of(space, accuracy=0.8):
    network = ResNet(space, space.largest, num_classes=4)
    return Teacher(name="any", network=network.eval(), accuracy=accuracy)


@pytest.fixture(scope="module")
def records():
    """Students of three teachers, the better the more FLOPs, each teacher at its own level."""
    space = by_name("small")
    drawn = space.spread(16, generator=torch.Generator().manual_seed(0))
    share = space.flops(drawn) / space.flops([space.largest])
    noise = np.random.default_rng(0).normal(0, 0.003, (3, len(drawn)))
    return [
        StudentRecord(
            space="small", task=f"task{place}-x", teacher=f"t{place}", architecture=str(a),
            recipe="kd4", seed=0, validation_accuracy=level + 0.1 * float(s) + float(n),
            test_accuracy=0.5, test_half_accuracy=0.5, validation_images=100, test_images=100,
            flops=1, parameters=1, seconds=1.0, device="cpu",
        )
        for place, level in enumerate((0.5, 0.6, 0.7))
        for a, s, n in zip(drawn, share, noise[place], strict=True)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def blind(records):
    return fit_teacher_blind(records, {f"t{i}": Facts(0.6 + 0.1 * i, 4) for i in range(3)})


def test_what_was_learned_in_one_space_orders_another(blind):
    space = by_name("resnet-w8.16.32-d2.2.2-s3@16")
    drawn = space.sample(40, generator=torch.Generator().manual_seed(1))
    mean, std = blind.predict(teacher_of(space), drawn)
    assert spearmanr(mean.numpy(), space.flops(drawn)).statistic > 0.8
    assert bool((std > 0).all()) and bool(((mean > 0) & (mean < 1)).all())
    assert blind.predict(teacher_of(space), []).mean.shape == (0,)


def test_measured_students_move_the_level(blind):
    space = by_name("resnet-w8.16.32-d2.2.2-s3@16")
    drawn = space.sample(12, generator=torch.Generator().manual_seed(1))
    support = [Short(architecture=str(a), validation_accuracy=0.31, epochs=0) for a in drawn[:4]]
    before = blind.predict(teacher_of(space), drawn[4:])
    after = blind.predict(teacher_of(space), drawn[4:], support=support)
    assert float((after.mean - 0.31).abs().mean()) < float((before.mean - 0.31).abs().mean()) / 3


def test_labels_of_one_teacher_are_too_few(records):
    with pytest.raises(InvalidData, match="two teachers or more"):
        fit_teacher_blind(records, {"t0": Facts(0.6, 4)})


@pytest.mark.parametrize("name", ["small", "resnet-w8.16.32-d2.2.2-s3@16"])
def test_slimmed_alike_is_the_largest_whose_stages_are_of_one_step(name):
    space = by_name(name)
    teacher = teacher_of(space)
    for fraction in (1.0, 0.5, 0.12):
        budget = Budget.of(teacher, flops=fraction)
        found = uniform_in_budget(teacher, budget)
        space.check(found)
        assert space.within([found], budget, num_classes=4)
        steps = {
            space.options[stage].tolist().index(width)
            for stage, widths in enumerate(found.widths)
            for width in widths[: None if found.streams else -1] or widths[:0]
        }
        assert len(steps) <= 1
    assert uniform_in_budget(teacher, Budget.of(teacher, flops=1.0)) == space.largest


def test_slimmed_alike_says_what_the_cheapest_costs():
    with pytest.raises(InfeasibleBudget, match="cheapest student"):
        uniform_in_budget(teacher_of(micro()), Budget(max_flops=1))
