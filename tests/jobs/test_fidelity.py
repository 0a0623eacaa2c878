"""Cheap labels against long trainings: what is read off records."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks import fidelity
from dass.predictor.records import StudentRecord
from dass.registry import zoo
from dass.space.spaces import by_name

NUMBER = 12


def trained(seed, *, spread=0.04, noise=0.002, recipe="long"):
    """Return records of one training of each of some students; the order has no noise."""
    space = by_name("small")
    members = space.sample(NUMBER, generator=torch.Generator().manual_seed(0))
    costs = space.flops(members)
    truth = spread * np.random.default_rng(9).permutation(NUMBER) / NUMBER + 0.5
    measured = truth + noise * np.random.default_rng(seed).standard_normal(NUMBER)
    return {
        str(member): StudentRecord(
            space="small", task="t", teacher="a", architecture=str(member), recipe=recipe,
            seed=seed, validation_accuracy=value, test_accuracy=value, test_half_accuracy=value,
            validation_images=1000, test_images=1000, flops=int(flops), parameters=1,
            seconds=2.0 + seed, device="cpu",
        )
        for member, flops, value in zip(members, costs, measured.tolist(), strict=True)
    }  # fmt: skip


def test_a_task_tells_where_students_differ_by_more_than_seeds_do():
    wide = fidelity.truth({seed: trained(seed) for seed in (0, 1)})
    narrow = fidelity.truth({seed: trained(seed, spread=0.004) for seed in (0, 1)})
    assert wide.tells and not narrow.tells and "hardly matters" in str(narrow)
    assert wide.ceiling > 0.95 and wide.noise == pytest.approx(0.2, rel=0.5)


def test_a_label_that_is_the_truth_keeps_all_and_its_opposite_the_reverse():
    truth = fidelity.truth({seed: trained(seed, noise=0.0) for seed in (0, 1)})
    exact = trained(0, noise=0.0, recipe="cheap")
    turned = {
        name: replace(record, validation_accuracy=1 - record.validation_accuracy)
        for name, record in exact.items()
    }
    for labels, order in ((exact, 1.0), (turned, -1.0)):
        seconds, validation, kept, test, regret = fidelity.scores({0: labels}, truth)
        assert (seconds, validation, kept, test) == pytest.approx((2.0, order, order, 1.0))
        assert (regret == 0) == (order > 0)


def test_students_that_a_recipe_did_not_finish_are_not_judged():
    truth = fidelity.truth({seed: trained(seed) for seed in (0, 1)})
    some = dict(list(trained(0, recipe="cheap").items())[:-1])
    assert np.isnan(fidelity.scores({0: some}, truth)).all()


def test_the_shipped_records_tell_of_four_tasks(capsys):
    fidelity.main(["--store", str(zoo.ROOT / "fidelity")])
    printed = capsys.readouterr().out
    assert printed.count("16 students, spread") == 4
    assert "where the choice matters, 1 of them" in printed and "FLOPs" in printed
