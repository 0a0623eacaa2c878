"""Rank measures against definitions written as loops over pairs and ranks."""

import math

import numpy as np
import pytest

from dass.predictor.ranking import kendall, regret, size_residual, spearman


def arrays(seed, number=25, ties=False):
    draws = np.random.default_rng(seed)
    predicted = draws.normal(size=number)
    measured = predicted + draws.normal(size=number)
    # Accuracies on few images tie often.
    return (np.round(predicted), np.round(measured)) if ties else (predicted, measured)


def naive_ranks(values):
    """The place of each value, or the mean of the places of all that equal it."""
    places = sorted(values)
    return [
        sum(place for place, other in enumerate(places) if other == value) / places.count(value)
        for value in values
    ]


def naive_spearman(predicted, measured):
    first, second = naive_ranks(predicted.tolist()), naive_ranks(measured.tolist())
    a, b = (sum(ranks) / len(ranks) for ranks in (first, second))
    shared = sum((x - a) * (y - b) for x, y in zip(first, second, strict=True))
    return shared / math.sqrt(sum((x - a) ** 2 for x in first) * sum((y - b) ** 2 for y in second))


def naive_kendall(predicted, measured):
    agreed = left = right = 0
    for i in range(len(predicted)):
        for j in range(i):
            x, y = np.sign(predicted[i] - predicted[j]), np.sign(measured[i] - measured[j])
            agreed, left, right = agreed + x * y, left + abs(x), right + abs(y)
    return agreed / math.sqrt(left * right)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_correlations_are_the_naive_ones(seed, ties):
    predicted, measured = arrays(seed, ties=ties)
    assert spearman(predicted, measured) == pytest.approx(naive_spearman(predicted, measured))
    assert kendall(predicted, measured) == pytest.approx(naive_kendall(predicted, measured))


@pytest.mark.parametrize("measure", [spearman, kendall])
def test_correlations_see_order_only(measure):
    predicted, measured = arrays(0)
    assert measure(measured, measured) == pytest.approx(1)
    assert measure(-measured, measured) == pytest.approx(-1)
    assert measure(measured, predicted) == pytest.approx(measure(predicted, measured))
    assert measure(np.exp(predicted) * 7, measured) == pytest.approx(measure(predicted, measured))


@pytest.mark.parametrize("measure", [spearman, kendall])
@pytest.mark.parametrize("number", [1, 2, 9])
def test_what_orders_nothing_correlates_with_nothing(measure, number):
    rising, constant = np.arange(float(number)), np.full(number, 0.7)
    assert measure(rising, constant) == 0.0
    assert measure(constant, rising) == 0.0
    assert measure(constant, constant) == 0.0


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("k", [1, 2, 5, 25, 99])
def test_regret_is_what_the_best_k_miss(k, ties):
    predicted, measured = arrays(3, ties=ties)
    left, best = list(range(len(predicted))), -math.inf
    for _ in range(min(k, len(predicted))):
        # Of equal predictions the first is measured.
        top = max(left, key=lambda i: (predicted[i], -i))
        left.remove(top)
        best = max(best, measured[top])
    assert regret(predicted, measured, k=k) == pytest.approx(max(measured) - best)


def test_regret_is_zero_for_a_perfect_order_and_never_rises_with_k():
    predicted, measured = arrays(4)
    assert regret(measured, measured) == 0.0
    assert regret(-measured, measured) == pytest.approx(np.ptp(measured))
    values = [regret(predicted, measured, k=k) for k in range(1, 26)]
    assert values == sorted(values, reverse=True)
    assert values[-1] == 0.0


def test_what_size_explains_is_a_least_squares_line_in_log_flops():
    _, measured = arrays(5)
    flops = np.random.default_rng(6).uniform(1e5, 1e9, 25)
    residual = size_residual(measured, flops)
    slope, offset = np.polyfit(np.log(flops), measured, 1)
    assert residual == pytest.approx(measured - (slope * np.log(flops) + offset))
    assert residual.sum() == pytest.approx(0, abs=1e-9)
    assert residual @ np.log(flops) == pytest.approx(0, abs=1e-9)


def test_accuracies_on_the_line_leave_nothing():
    flops = np.geomspace(1e5, 1e9, 10)
    assert size_residual(0.3 + 0.02 * np.log(flops), flops) == pytest.approx(np.zeros(10))
    # The unit of FLOPs does not matter.
    _, measured = arrays(5, number=10)
    assert size_residual(measured, flops) == pytest.approx(size_residual(measured, flops / 1e6))
