"""Ablations: what is taken away is not read, and a wrong teacher is another origin's."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch

from dass.evaluation.ablations import ablations, another, told_another, without
from dass.evaluation.left_out import joined
from dass.predictor.level import Facts
from dass.predictor.relative import feature_names, student_inputs
from dass.predictor.surrogate_fit import Students
from dass.space.spaces import by_name

SPACE = by_name("micro")
GROUPS = ("signs", "signs", "glyphs", "steel")
INPUTS = len(feature_names()) + 3


def labelled(seed, group):
    members = SPACE.sample(12, generator=torch.Generator().manual_seed(seed))
    inputs = student_inputs(SPACE, members, (float(seed), 1.0, -float(seed)))
    return Students(
        teacher=f"t{seed}",
        group=group,
        facts=Facts(0.7 + 0.02 * seed, 4),
        inputs=inputs,
        accuracies=0.6 + 0.05 * inputs[:, 0] + 0.01 * inputs[:, 3],
        trainings=torch.ones(12, dtype=torch.float64),
    )


LABELLED = [labelled(seed, group) for seed, group in enumerate(GROUPS)]


def test_every_input_is_taken_away_by_one_ablation():
    taken = [name for names in without().values() for name in names]
    assert sorted(taken) == sorted([*feature_names(), "teacher"])


def test_what_is_taken_away_changes_nothing_and_the_rest_does():
    one = LABELLED[0]
    names = [*feature_names(), *["teacher"] * (INPUTS - len(feature_names()))]
    for name, ablation in ablations(LABELLED).items():
        before, _ = ablation.predict(one.inputs, one.facts)
        away = torch.tensor([n in without()[name] for n in names])
        moved, _ = ablation.predict(one.inputs + away.double(), one.facts)
        assert torch.equal(before, moved), name
        other, _ = ablation.predict(one.inputs + (~away).double(), one.facts)
        assert not torch.allclose(before, other), name


def test_a_wrong_teacher_is_of_another_origin_and_leaves_students_as_they_are():
    for one in LABELLED:
        other = another(one, LABELLED)
        assert other is not None and other.group != one.group
        inputs, facts = told_another(one, other)
        split = len(feature_names())
        assert torch.equal(inputs[:, :split], one.inputs[:, :split])
        assert torch.equal(inputs[0, split:], other.inputs[0, split:])
        assert facts == other.facts
    assert another(LABELLED[0], LABELLED[:2]) is None, "both are signs"


def test_one_epoch_is_added_whatever_the_units_of_the_other_score():
    def frame(scorer, values):
        rows = [{"scorer": scorer, "teacher": "t", "architecture": str(i), "score": v, "std": 0.1,
                 "draw": 0} for i, v in enumerate(values)]  # fmt: skip
        return pd.DataFrame(rows)

    size, early = frame("FLOPs", [1e6, 2e6, 3e6]), frame("one epoch of KD", [0.5, 0.3, 0.4])
    found = joined(size, early, named="FLOPs + one epoch")
    assert list(found.columns) == list(size.columns)
    assert set(found["scorer"]) == {"FLOPs + one epoch"} and found["std"].isna().all()
    larger = joined(
        size.assign(score=size["score"] * 1e3), early.sample(frac=1, random_state=0), named="any"
    )
    assert np.allclose(found["score"], larger["score"])
    assert found["score"].argmin() == 1 and found["score"].argmax() == 2
