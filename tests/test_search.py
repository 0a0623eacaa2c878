"""Searching, and the contract of every scorer."""

from dataclasses import replace

import pytest
import torch

from dass.baselines import ByDepth, ByFlops, ByParameters, MeanRank, SizeRegression
from dass.errors import InfeasibleBudget, InvalidConfig, InvalidData
from dass.network import ResNet
from dass.predictor import Ensemble, Predictor, PredictorConfig
from dass.record import StudentRecord
from dass.search import Prediction, SearchConfig, pareto, predict, run, search
from dass.space import Architecture, Budget, by_name
from dass.teacher import Teacher

SPACE = by_name("micro")
QUICK = SearchConfig(candidates=120, generation=20, population=30, sample=5, top=4)


def records():
    pool = SPACE.pool(16, seed=0)
    return [
        StudentRecord(
            space="micro",
            task=f"task{t}",
            teacher=f"teacher{t}",
            architecture=str(a),
            recipe="r",
            seed=0,
            validation_accuracy=0.5 + 0.01 * ((i * 7 + t) % 16),
            test_accuracy=0.0,
            validation_images=1,
            test_images=1,
            flops=int(SPACE.flops([a])[0]),
            parameters=1,
            seconds=1.0,
            device="cpu",
        )
        for t in range(3)
        for i, a in enumerate(pool)
    ]


def ensemble():
    config = PredictorConfig(space="micro", recipe="r", hidden=4, features=6)
    return Ensemble(
        tuple(Predictor(config, generator=torch.Generator().manual_seed(i)) for i in range(2))
    )


SCORERS = {
    "parameters": ByParameters,
    "flops": ByFlops,
    "depth": ByDepth,
    "size": lambda: SizeRegression(SPACE, records()),
    "rank": lambda: MeanRank(SPACE, records()),
    "ensemble": ensemble,
}


@pytest.mark.parametrize("name", SCORERS)
def test_a_scorer_scores_each_architecture_whatever_else_is_asked(name, teacher):
    scorer = SCORERS[name]()
    drawn = SPACE.sample(9, generator=torch.Generator().manual_seed(0))
    scores = scorer.score(teacher, drawn)
    assert scores.shape == (9,) and bool(torch.isfinite(scores).all())
    assert torch.allclose(scorer.score(teacher, drawn[::-1]), scores.flip(0), atol=1e-6)
    assert torch.allclose(scorer.score(teacher, drawn[4:5]), scores[4:5], atol=1e-6)


def test_mean_rank_is_the_naive_loop(teacher):
    known = records()
    architecture = Architecture.parse(known[5].architecture)
    ranks = []
    for t in range(3):
        group = [r for r in known if r.teacher == f"teacher{t}"]
        own = next(r for r in group if r.architecture == str(architecture))
        below = sum(r.validation_accuracy < own.validation_accuracy for r in group)
        ranks.append((below + 0.5) / len(group))
    score = MeanRank(SPACE, known).score(teacher, [architecture])
    assert float(score[0]) == pytest.approx(sum(ranks) / 3)


def test_a_fitted_baseline_needs_records():
    with pytest.raises(InvalidData, match="records"):
        SizeRegression(SPACE, [])


class Peak:
    """Likes half of the teacher's FLOPs and a wide first block."""

    def score(self, teacher, architectures):
        share = torch.tensor(SPACE.flops(architectures) / SPACE.flops([SPACE.largest]))
        wide = torch.tensor([a.widths[0][0] / 100 for a in architectures])
        return -(share - 0.5).abs() + wide


@pytest.mark.parametrize("algorithm", ["evolution", "random"])
def test_a_search_is_sorted_distinct_within_budget_and_repeatable(algorithm, teacher):
    config = replace(QUICK, algorithm=algorithm)
    budget = Budget(max_flops=200_000, max_parameters=30_000)
    answer = run(Peak(), teacher, budget, config=config)
    assert answer.scored == 120 and len(answer.top) == 4
    assert len({p.architecture for p in answer.top}) == 4
    accuracies = [p.accuracy for p in answer.top]
    assert accuracies == sorted(accuracies, reverse=True)
    for p in (*answer.top, *answer.pareto):
        assert p.flops <= 200_000 and p.parameters <= 30_000
    assert run(Peak(), teacher, budget, config=config) == answer


def test_evolution_comes_nearer_to_a_hidden_optimum_than_random_draws():
    space = by_name("small")
    network = ResNet(space, space.largest, num_classes=3)
    large = Teacher(name="large", network=network, accuracy=0.5)
    goal = torch.tensor(space.table(space.sample(1, generator=torch.Generator().manual_seed(5))))

    class Near:
        def score(self, teacher, architectures):
            widths = torch.tensor(space.table(architectures))
            return -((widths - goal) / goal.max()).abs().sum((1, 2)).double()

    best = {}
    for algorithm in ("evolution", "random"):
        config = replace(QUICK, algorithm=algorithm, candidates=400)
        tops = [
            run(Near(), large, Budget(), config=replace(config, seed=seed)).top[0].accuracy
            for seed in range(3)
        ]
        best[algorithm] = sum(tops) / 3
    assert best["evolution"] > best["random"]


def test_a_budget_for_a_handful_ends_with_that_handful(teacher):
    classes = teacher.network.num_classes
    floor = int(SPACE.flops([SPACE.smallest], num_classes=classes)[0])
    answer = run(Peak(), teacher, Budget(max_flops=floor), config=QUICK)
    assert answer.scored == 1 and answer.top[0].architecture == SPACE.smallest


def test_an_impossible_budget_is_answered_with_the_cheapest(teacher):
    with pytest.raises(InfeasibleBudget, match=str(SPACE.smallest)):
        next(search(Peak(), teacher, Budget(max_parameters=1), config=QUICK))


def test_the_pareto_front_is_the_naive_one(teacher):
    drawn = SPACE.sample(40, generator=torch.Generator().manual_seed(3))
    predictions = predict(Peak(), teacher, list(dict.fromkeys(drawn)))

    def beaten(p: Prediction) -> bool:
        return any(
            q.flops <= p.flops
            and q.accuracy >= p.accuracy
            and (q.flops, q.accuracy) != (p.flops, p.accuracy)
            for q in predictions
        )

    naive = {(p.flops, p.accuracy) for p in predictions if not beaten(p)}
    assert {(p.flops, p.accuracy) for p in pareto(predictions)} == naive


@pytest.mark.parametrize("bad", [{"candidates": 0}, {"top": 0}, {"mutation_rate": 0.0}])
def test_a_bad_search_names_the_rule(bad):
    with pytest.raises(InvalidConfig, match=next(iter(bad))):
        SearchConfig(**bad)
