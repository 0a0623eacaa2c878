"""The statistics of the evidence, each against a naive loop or a case known by hand."""

import itertools
import math

import numpy as np
import pytest

from dass.errors import InvalidData
from dass.evaluation.metrics import BUDGETS, METRICS, budget_regret, tau_of_equals
from dass.evaluation.reliability import ceiling, second_half
from dass.evaluation.statistics import bootstrap, sign_flip

RNG = np.random.default_rng(7)
N = 30
FLOPS = np.exp(RNG.uniform(12, 13, N))
MEASURED = np.round(RNG.uniform(0.5, 0.6, N), 2)
SCORES = np.round(MEASURED + RNG.normal(0, 0.03, N), 2)


def test_tau_of_equals_is_the_naive_loop_over_pairs():
    total, count = 0, 0
    for i, j in itertools.combinations(range(N), 2):
        near = abs(FLOPS[i] - FLOPS[j]) <= 0.05 * max(FLOPS[i], FLOPS[j])
        if near and MEASURED[i] != MEASURED[j]:
            a = int(SCORES[i] > SCORES[j]) - int(SCORES[i] < SCORES[j])
            total += a * (1 if MEASURED[i] > MEASURED[j] else -1)
            count += 1
    assert count > 10
    assert tau_of_equals(SCORES, MEASURED, FLOPS) == pytest.approx(total / count)


def test_flops_themselves_cannot_order_students_of_exactly_equal_flops():
    equal = np.full(N, 100.0)
    assert tau_of_equals(equal, MEASURED, equal) == 0.0
    assert tau_of_equals(MEASURED, MEASURED, equal) == 1.0
    assert tau_of_equals(SCORES, MEASURED, 2.0 ** np.arange(N)) == 0.0, "no pair is near"


@pytest.mark.parametrize("k", [1, 5])
def test_budget_regret_is_the_naive_loop_over_budgets(k):
    whole, losses = FLOPS.max() * 1.4, []
    for share in BUDGETS:
        inside = [i for i in range(N) if FLOPS[i] <= share * whole]
        if inside:
            best = sorted(inside, key=lambda i: -SCORES[i])[:k]
            losses.append(max(MEASURED[i] for i in inside) - max(MEASURED[i] for i in best))
    ours = budget_regret(SCORES, MEASURED, FLOPS, teacher_flops=whole, k=k)
    assert ours == pytest.approx(sum(losses) / len(losses))
    assert budget_regret(MEASURED, MEASURED, FLOPS, teacher_flops=whole, k=k) == 0.0


def test_regret_without_any_student_in_a_budget_is_an_error():
    with pytest.raises(InvalidData, match="label smaller ones"):
        budget_regret(SCORES, MEASURED, FLOPS, teacher_flops=1.0, k=1)


def test_the_second_half_is_counted_back_from_the_whole():
    hits = RNG.integers(0, 2, (4, 11)).astype(float)
    whole, even = hits.mean(1), hits[:, ::2].mean(1)
    odd = second_half(whole, even, np.full(4, 11.0))
    assert odd == pytest.approx(hits[:, 1::2].mean(1))


def test_the_ceiling_of_labels_without_noise_is_one_and_of_mere_noise_zero():
    assert ceiling((MEASURED, MEASURED), (MEASURED, MEASURED)) == pytest.approx(1.0)
    assert ceiling((MEASURED, MEASURED), (-MEASURED, -MEASURED)) == 0.0


def test_the_ceiling_is_what_the_truth_reaches_against_noisy_labels():
    """A thousand students: truth plus four noises of its own size, one per seed and half."""
    truth = RNG.normal(size=4000)
    halves = [[truth + RNG.normal(size=4000) for _ in range(2)] for _ in range(2)]
    label = sum(half for seed in halves for half in seed) / 4
    found = ceiling((halves[0][0], halves[1][0]), (halves[0][1], halves[1][1]))
    # Seeds share no noise here but each has two halves: the label is better than Spearman–Brown
    # for two measurements says, which is therefore on the careful side.
    reached = np.corrcoef(truth.argsort().argsort(), label.argsort().argsort())[0, 1]
    assert found == pytest.approx(math.sqrt(2 / 3), abs=0.03) and found < reached


def test_a_bootstrap_interval_holds_its_mean_and_narrows_with_more_datasets():
    few, many = bootstrap(MEASURED[:8]), bootstrap(np.tile(MEASURED[:8], 8))
    for found in (few, many):
        assert found.low <= found.mean <= found.high
    assert few.mean == pytest.approx(MEASURED[:8].mean())
    assert many.high - many.low < 0.6 * (few.high - few.low)
    assert bootstrap(MEASURED[:8]) == few
    with pytest.raises(InvalidData):
        bootstrap(np.zeros(0))


def test_the_sign_flip_test_is_the_naive_enumeration():
    differences = RNG.normal(0.3, 1, 7)
    at_least = sum(
        abs(sum(s * x for s, x in zip(signs, differences, strict=True)))
        >= abs(differences.sum()) - 1e-12
        for signs in itertools.product((1, -1), repeat=7)
    )
    assert sign_flip(differences) == at_least / 2**7
    assert sign_flip(np.full(10, 0.1)) == 2 / 2**10
    with pytest.raises(InvalidData, match="1 to 20"):
        sign_flip(np.zeros(21))


def test_every_metric_is_best_for_the_truth():
    for name, metric in METRICS.items():
        truth = metric(MEASURED, MEASURED, FLOPS, FLOPS.max() * 1.4)
        wrong = metric(-MEASURED, MEASURED, FLOPS, FLOPS.max() * 1.4)
        assert truth < wrong if name.startswith("regret") else truth > wrong
