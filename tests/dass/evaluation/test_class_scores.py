"""Accuracy, its interval and recall, against scikit-learn and a table."""

import pytest
import torch
from sklearn.metrics import balanced_accuracy_score, recall_score

from dass.evaluation.class_scores import ClassScores, class_scores


@pytest.fixture
def scores():
    generator = torch.Generator().manual_seed(0)
    labels = torch.tensor([0] * 70 + [1] * 20 + [2] * 10)
    predicted = torch.where(
        torch.rand(100, generator=generator) < 0.7,
        labels,
        torch.randint(0, 3, (100,), generator=generator),
    )
    return predicted, labels, class_scores(predicted, labels, classes=3)


def test_recall_and_balanced_accuracy_are_scikit_learn_s(scores):
    predicted, labels, found = scores
    expected = recall_score(labels.numpy(), predicted.numpy(), average=None)
    assert found.recall == pytest.approx(expected.tolist())
    assert found.balanced == pytest.approx(
        balanced_accuracy_score(labels.numpy(), predicted.numpy())
    )
    assert found.images == 100


def test_its_interval_is_wilson_s():
    predicted, labels = torch.tensor([0] * 90 + [1] * 10), torch.zeros(100, dtype=torch.int64)
    found = class_scores(predicted, labels, classes=1)
    assert (found.low, found.high) == pytest.approx((0.8256, 0.9448), abs=1e-4)


def test_it_is_read_back_from_values_of_json(scores):
    assert ClassScores.from_dict(scores[2].to_dict()) == scores[2]
