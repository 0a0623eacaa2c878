"""What may be said of a choice among measured students."""

from __future__ import annotations

import numpy as np

from dass.pipeline.compression.measure import Measure

ACCURACY = Measure(name="accuracy")


def test_equal_students_are_rarely_told_apart_and_different_ones_are():
    rng = np.random.default_rng(0)
    images, silent = 200, 0
    for _ in range(300):
        one, two = rng.binomial(images, 0.8, 2) / images
        silent += not ACCURACY.doubt([one, two], images=images)
    assert silent < 60, "differences that are chance are called so, nine times of ten"
    assert not ACCURACY.doubt([0.9, 0.7], images=images)


def test_more_images_take_the_doubt_away_and_it_names_them():
    few = ACCURACY.doubt([0.80, 0.77], images=100)
    assert "within 3.0 points" in few and "100 validation images" in few and "--val" in few
    assert not ACCURACY.doubt([0.80, 0.77], images=10_000)


def test_a_single_student_is_no_choice():
    assert not ACCURACY.doubt([0.8], images=10)
