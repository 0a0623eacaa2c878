"""The baselines: the contract of every scorer, and each against a naive loop."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from dass.baselines.fitted import MeanRank, SizeRegression
from dass.baselines.size import ByDepth, ByFlops, ByParameters
from dass.errors import InvalidData
from dass.networks.remap import student
from dass.predictor.ensemble import Ensemble
from dass.predictor.network import Predictor, PredictorConfig
from dass.predictor.records import StudentRecord
from dass.space.architecture import Architecture
from dass.space.sampling import stratified
from dass.space.spaces import by_name
from dass.testing import ScorerContract

SPACE = by_name("micro")
POOL = stratified(SPACE, 14, seed=0)
TASKS = ("a", "b", "c")


def accuracy(index, task):
    """Mostly size, each task at its own level; two architectures tie."""
    cost = math.log(float(SPACE.flops([POOL[index]])[0]) / 1e5)
    return 0.6 + 0.02 * cost + 0.003 * ((index * 7 + 3 * task) % 11) + 0.1 * task


RECORDS = [
    StudentRecord(
        space="micro",
        task=name,
        teacher=f"teacher-{name}",
        architecture=str(member),
        recipe="r",
        seed=0,
        validation_accuracy=round(accuracy(index, task), 3),
        test_accuracy=0.0,
        test_half_accuracy=0.0,
        validation_images=1,
        test_images=1,
        flops=1,
        parameters=1,
        seconds=1.0,
        device="cpu",
    )
    for task, name in enumerate(TASKS)
    for index, member in enumerate(POOL)
]


def ensemble(number):
    config = PredictorConfig(space="micro", recipe="r", hidden=4, features=6)
    members = [
        Predictor(config, generator=torch.Generator().manual_seed(i)) for i in range(number)
    ]
    return Ensemble(tuple(members))


SCORERS = {
    "parameters": ByParameters,
    "flops": ByFlops,
    "depth": ByDepth,
    "size-regression": lambda: SizeRegression(SPACE, RECORDS),
    "mean-rank": lambda: MeanRank(SPACE, RECORDS),
    "one-predictor": lambda: ensemble(1),
    "ensemble": lambda: ensemble(3),
}


@pytest.fixture(scope="module", params=SCORERS)
def scorer(request):
    return SCORERS[request.param]()


class TestEveryScorer(ScorerContract):
    """The contract, once for each of `SCORERS`."""


# sizes


def test_sizes_are_those_of_the_built_networks(teacher):
    networks = [student(teacher.network, member) for member in POOL[:4]]
    counted = [sum(p.numel() for p in network.parameters()) for network in networks]
    blocks = [
        sum(1 for name, _ in network.named_modules() if name.endswith(".conv1"))
        for network in networks
    ]
    assert ByParameters().predict(teacher, POOL[:4]).mean.tolist() == counted
    assert ByDepth().predict(teacher, POOL[:4]).mean.tolist() == blocks


def test_flops_are_those_of_the_space(teacher):
    assert ByFlops().predict(teacher, POOL).mean.tolist() == SPACE.flops(POOL).tolist()


# size regression


def features(member):
    flops = math.log(float(SPACE.flops([member])[0]) / float(SPACE.flops([SPACE.largest])[0]))
    sizes = [float(SPACE.parameters([m], num_classes=0)[0]) for m in (member, SPACE.largest)]
    size = math.log(sizes[0] / sizes[1])
    return [1.0, flops, size, flops**2, size**2]


def test_size_regression_solves_the_naive_normal_equations(teacher):
    gram, moment = np.zeros((5, 5)), np.zeros(5)
    for name in TASKS:
        group = [r for r in RECORDS if r.task == name]
        mean = sum(r.validation_accuracy for r in group) / len(group)
        for record in group:
            row = np.array(features(Architecture.parse(record.architecture)))
            gram += np.outer(row, row)
            moment += row * (record.validation_accuracy - mean)
    weights = np.linalg.solve(gram, moment)
    asked = [*POOL[:3], *SPACE.sample(5, generator=torch.Generator().manual_seed(2))]
    naive = [float(np.dot(weights, features(member))) for member in asked]
    ours = SizeRegression(SPACE, RECORDS).predict(teacher, asked).mean
    assert ours.tolist() == pytest.approx(naive, rel=1e-6, abs=1e-9)


def test_size_regression_does_not_see_how_hard_a_task_is(teacher):
    harder = [
        replace(r, validation_accuracy=r.validation_accuracy - 0.3 * (r.task == "a"))
        for r in RECORDS
    ]
    one, two = (
        SizeRegression(SPACE, records).predict(teacher, POOL).mean for records in (RECORDS, harder)
    )
    assert torch.allclose(one, two, atol=1e-9)


# mean rank


def naive_rank(record, group):
    below = sum(r.validation_accuracy < record.validation_accuracy for r in group)
    ties = sum(r.validation_accuracy == record.validation_accuracy for r in group)
    return (below + ties / 2) / len(group)


def naive_mean(member, records):
    own = [r for r in records if r.architecture == str(member)]
    ranks = [naive_rank(r, [q for q in records if q.teacher == r.teacher]) for r in own]
    return sum(ranks) / len(ranks)


def test_mean_rank_of_the_pool_is_the_naive_loop(teacher):
    naive = [naive_mean(member, RECORDS) for member in POOL]
    assert MeanRank(SPACE, RECORDS).predict(teacher, POOL).mean.tolist() == pytest.approx(naive)


def test_mean_rank_counts_only_the_tasks_that_labelled_an_architecture(teacher):
    some = [r for r in RECORDS if r.task == "a" or r.architecture != str(POOL[0])]
    naive = [naive_mean(member, some) for member in POOL]
    assert MeanRank(SPACE, some).predict(teacher, POOL).mean.tolist() == pytest.approx(naive)


def test_mean_rank_of_an_unseen_architecture_is_the_naive_ridge_regression(teacher):
    means = np.array([naive_mean(member, RECORDS) for member in POOL])
    encodings = SPACE.encode(POOL).double().numpy()
    rows = np.vstack([encodings, np.eye(encodings.shape[1])])  # a penalty of 1 is a row per weight
    targets = np.concatenate([means - means.mean(), np.zeros(encodings.shape[1])])
    weights = np.linalg.lstsq(rows, targets, rcond=None)[0]
    drawn = SPACE.sample(6, generator=torch.Generator().manual_seed(9))
    unseen = [member for member in drawn if member not in POOL]
    naive = means.mean() + SPACE.encode(unseen).double().numpy() @ weights
    scores = MeanRank(SPACE, RECORDS).predict(teacher, unseen).mean
    assert unseen and scores.tolist() == pytest.approx(naive.tolist(), rel=1e-6)


@pytest.mark.parametrize("kind", [SizeRegression, MeanRank])
def test_a_fitted_baseline_needs_records(kind):
    with pytest.raises(InvalidData, match="records to learn from"):
        kind(SPACE, [])


@pytest.mark.parametrize("kind", [SizeRegression, MeanRank])
def test_a_fitted_baseline_reads_no_test_accuracy(kind, teacher):
    swapped = [replace(r, test_accuracy=1.0 - 0.01 * i) for i, r in enumerate(RECORDS)]
    asked = SPACE.sample(6, generator=torch.Generator().manual_seed(3)) + POOL
    one, two = (
        kind(SPACE, records).predict(teacher, asked).mean for records in (RECORDS, swapped)
    )
    assert one.equal(two)
