"""Whether labels are noise: halves of the validation part tell what two whole parts would."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dass.evaluation.reliability import LEAST_HALVED, NOISY, Agreement, agreements
from dass.predictor.ranking import spearman
from dass.predictor.records import StudentRecord

BASE = StudentRecord(
    space="micro", task="t", teacher="t.0", architecture="", recipe="r", seed=0,
    validation_accuracy=0.0, test_accuracy=0.0, test_half_accuracy=0.0, validation_images=0,
    test_images=2, flops=1, parameters=1, seconds=0.0, device="cpu",
)  # fmt: skip
STUDENTS = 24


def right(spread, images, *, seed):
    """Draw which of a part's images each student has right; students differ by `spread`."""
    rng = np.random.default_rng(seed)
    ability = 0.6 + spread * np.linspace(-1, 1, STUDENTS)
    return rng.random((STUDENTS, images)) < ability[:, None]


def labelled(answers):
    images = answers.shape[1]
    return [
        replace(
            BASE, architecture=f"a{i:02d}", validation_accuracy=float(row.mean()),
            validation_half_accuracy=float(row[::2].mean()), validation_images=images,
        )
        for i, row in enumerate(answers)
    ]  # fmt: skip


@pytest.mark.parametrize(("spread", "images"), [(0.1, 101), (0.2, 240)])
def test_halves_tell_how_alike_two_whole_parts_order_students(spread, images):
    told, seen = [], []
    for seed in range(60):
        one, two = (right(spread, images, seed=2 * seed + i) for i in (0, 1))
        (found,) = agreements(labelled(one))
        told.append(found.value)
        seen.append(spearman(one.mean(1), two.mean(1)))
    assert np.mean(told) == pytest.approx(np.mean(seen), abs=0.08)


def test_noise_is_called_noise():
    told = [agreements(labelled(right(0.02, 60, seed=seed)))[0].value for seed in range(60)]
    assert np.mean([value < NOISY for value in told]) > 0.8


def test_as_many_images_as_it_says_are_enough():
    (found,) = agreements(labelled(right(0.05, 120, seed=3)))
    assert found.needed is not None and 0 < found.value < 0.7 and found.needed > 120
    agreed = [
        spearman(*(right(0.05, found.needed, seed=100 + 2 * i + j).mean(1) for j in (0, 1)))
        for i in range(40)
    ]
    assert 0.55 < np.mean(agreed) < 0.95, "one part's estimate is rough"
    assert f"some {found.needed} images" in str(found)


def test_few_students_and_old_records_are_not_judged():
    records = labelled(right(0.1, 50, seed=0))
    assert not agreements(records[: LEAST_HALVED - 1])
    assert not agreements([replace(r, validation_half_accuracy=None) for r in records])


def test_where_halves_disagree_more_images_are_no_help():
    assert "longer trainings" in str(Agreement(teacher="t", students=8, value=0.0, images=40))
