"""Surrogates: the contract, the process against its textbook form, what they cannot see."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from dass.baselines.surrogates import (
    ExtraTrees,
    GaussianProcess,
    features_of,
    noise_of,
    standardised,
)
from dass.errors import InvalidData
from dass.evaluation.scoring import with_probe
from dass.space.architecture import Architecture
from dass.testing import ScorerContract
from tests.dass.baselines.test_baselines import POOL, RECORDS, SPACE

KINDS = (GaussianProcess, ExtraTrees)


@pytest.fixture(scope="module", params=KINDS)
def scorer(request):
    return request.param(SPACE, RECORDS)


class TestEverySurrogate(ScorerContract):
    """The contract, once for each kind."""


def test_the_process_is_the_posterior_of_all_scores_apart(teacher):
    """The textbook's matrices over every score of every teacher, none of them averaged."""
    process = GaussianProcess(SPACE, RECORDS)
    rows = standardised(RECORDS)
    inputs = features_of(SPACE, [Architecture.parse(text) for text, _ in rows])
    scores = np.array([score for _, score in rows])
    kernel = process._process.kernel_
    groups = [[s for text, s in rows if text == str(member)] for member in POOL]
    covariance = kernel(inputs) + noise_of(groups) * np.eye(len(rows))
    asked = SPACE.sample(9, generator=torch.Generator().manual_seed(3))
    across = kernel(features_of(SPACE, asked), inputs)
    mean = across @ np.linalg.solve(covariance, scores)
    variance = kernel.diag(features_of(SPACE, asked)) - np.einsum(
        "ij,ij->i", across, np.linalg.solve(covariance, across.T).T
    )
    found = process.predict(teacher, asked)
    assert found.mean.numpy() == pytest.approx(mean, abs=1e-5)
    assert found.std.numpy() == pytest.approx(np.sqrt(variance), abs=1e-5)


def test_targets_are_standardised_by_teacher_so_that_levels_do_not_matter():
    lifted = [
        replace(r, validation_accuracy=r.validation_accuracy / 2 + 0.1)
        if r.teacher == "teacher-a"
        else r
        for r in RECORDS
    ]
    assert [s for _, s in standardised(lifted)] == pytest.approx(
        [s for _, s in standardised(RECORDS)]
    )
    scores = np.array([s for _, s in standardised(RECORDS)]).reshape(3, len(POOL))
    assert scores.mean(1) == pytest.approx(0, abs=1e-9) and scores.std(1) == pytest.approx(1)


def test_a_teacher_whose_students_do_not_differ_says_nothing():
    level = [replace(r, teacher="level", validation_accuracy=0.5) for r in RECORDS[:5]]
    assert standardised([*RECORDS, *level]) == standardised(RECORDS)
    for kind in KINDS:
        with pytest.raises(InvalidData, match="several students of a teacher"):
            kind(SPACE, level)


@pytest.mark.parametrize("kind", KINDS)
def test_a_surrogate_sees_no_teacher(kind, teacher):
    scorer, other = kind(SPACE, RECORDS), replace(teacher, accuracy=0.3)
    assert scorer.predict(teacher, POOL).mean.equal(scorer.predict(other, POOL).mean)


def test_noise_is_the_pooled_variance_of_repeated_scores():
    assert noise_of([[1.0, 3.0], [0.0, 0.0, 3.0], [5.0]]) == pytest.approx((2 + 6) / 3)
    assert noise_of([[1.0], [2.0]]) == 0.1


def test_a_scorer_is_joined_with_a_probe_in_units_of_each_teachers_spread():
    def rows(scorer, teacher, scores):
        return [
            {"scorer": scorer, "teacher": teacher, "architecture": a, "score": s, "seconds": 2.0}
            for a, s in zip("xyz", scores, strict=True)
        ]

    scores = pd.DataFrame(
        rows("ours", "t", [1.0, 2.0, 3.0])
        + rows("probe", "t", [0.3, 0.1, 0.2])
        + rows("ours", "u", [10.0, 10.0, 10.0])
        + rows("probe", "u", [3.0, 2.0, 1.0])
    )
    found = with_probe(scores, ["ours", "nobody"], probe="probe")
    assert set(found["scorer"]) == {"ours + probe"} and (found["seconds"] == 4.0).all()
    unit = 1.5**0.5
    by_teacher = found.groupby("teacher")["score"].apply(list)
    assert by_teacher["t"] == pytest.approx([-unit + unit, -unit, unit])
    assert by_teacher["u"] == pytest.approx([unit, 0.0, -unit]), "one that ties adds nothing"
