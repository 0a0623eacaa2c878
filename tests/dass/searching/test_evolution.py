"""Searching: replayed over small spaces in which every answer is known."""

import itertools
from dataclasses import replace

import pytest
import torch

from dass.baselines.size import ByFlops
from dass.errors import InfeasibleBudget, InvalidConfig
from dass.networks.resnet import ResNet
from dass.networks.teacher import Teacher
from dass.predictor.ensemble import Ensemble
from dass.predictor.episode import episode
from dass.predictor.network import Predictor, PredictorConfig
from dass.predictor.records import StudentRecord
from dass.predictor.scorer import Scores
from dass.searching.evolution import SearchConfig, run, search
from dass.searching.pareto import pareto_front
from dass.searching.prediction import Prediction, predictions
from dass.space.architecture import Architecture
from dass.space.cost import Budget
from dass.space.published import PublishedSpace
from dass.space.spaces import by_name

SPACE = by_name("micro")
CLASSES = 3
QUICK = SearchConfig(candidates=120, generation=20, population=30, sample=5, top=4)


class Peak:
    """Likes half of the teacher's FLOPs and a wide first block."""

    def predict(self, teacher, architectures, *, support=()):
        share = torch.tensor(SPACE.flops(architectures) / SPACE.flops([SPACE.largest]))
        wide = torch.tensor([a.widths[0][0] / 100 for a in architectures])
        return Scores(-(share - 0.5).abs() + wide)


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
        def predict(self, teacher, architectures, *, support=()):
            widths = torch.tensor(space.table(architectures))
            return Scores(-((widths - goal) / goal.max()).abs().sum((1, 2)).double())

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
    found = predictions(Peak(), teacher, list(dict.fromkeys(drawn)))

    def beaten(p: Prediction) -> bool:
        return any(
            q.flops <= p.flops
            and q.accuracy >= p.accuracy
            and (q.flops, q.accuracy) != (p.flops, p.accuracy)
            for q in found
        )

    naive = {(p.flops, p.accuracy) for p in found if not beaten(p)}
    assert {(p.flops, p.accuracy) for p in pareto_front(found)} == naive


# replay: every member of the space scored beforehand


@pytest.fixture(scope="module")
def everyone():
    """All 5,400 members of the micro space, in a fixed order."""
    stages = [
        [*((a,) for a in row), *itertools.product(row, repeat=2)] for row in SPACE.options.tolist()
    ]
    stages[-1] = [stage for stage in stages[-1] if stage[-1] == SPACE.stage_widths[-1]]
    members = [Architecture(widths) for widths in itertools.product(*stages)]
    assert len(members) == len(set(members)) == 5400
    assert all(SPACE.contains(member) for member in members)
    return members


class Recorded:
    """Answers from a table, and notes what it is asked."""

    def __init__(self, members, scores):
        self.table = dict(zip(members, scores.tolist(), strict=True))
        self.asked = []

    def predict(self, teacher, architectures, *, support=()):
        self.asked += architectures
        return Scores(torch.tensor([self.table[a] for a in architectures], dtype=torch.float64))


@pytest.fixture(scope="module")
def world(everyone):
    """A table of scores: smooth in the widths, with a little noise on every member."""
    encodings = SPACE.encode(everyone).double()
    generator = torch.Generator().manual_seed(3)
    likes = torch.randn(encodings.shape[1], generator=generator, dtype=torch.float64)
    noise = torch.randn(len(everyone), generator=generator, dtype=torch.float64)
    return encodings @ likes + 0.2 * noise


def rank_of_best(scorer, teacher, config):
    """Return how many members of the whole space beat the best one found."""
    best = run(scorer, teacher, Budget(), config=config).top[0].accuracy
    return sum(value > best for value in scorer.table.values())


def test_evolution_finds_a_better_top_than_the_median_of_random(everyone, world, teacher):
    config = replace(QUICK, candidates=240)
    ranks = {
        algorithm: sorted(
            rank_of_best(
                Recorded(everyone, world),
                teacher,
                replace(config, algorithm=algorithm, seed=seed),
            )
            for seed in range(5)
        )
        for algorithm in ("evolution", "random")
    }
    assert ranks["evolution"][2] < ranks["random"][2]
    assert ranks["evolution"][2] <= 5, "among the best thousandth"


@pytest.mark.parametrize("algorithm", ["evolution", "random"])
def test_a_search_scores_every_candidate_once_and_none_over_budget(
    algorithm, everyone, world, teacher
):
    scorer = Recorded(everyone, world)
    budget = Budget(max_flops=180_000, max_parameters=25_000)
    config = replace(QUICK, algorithm=algorithm)
    states = list(search(scorer, teacher, budget, config=config))
    assert [state.scored for state in states] == [20, 40, 60, 80, 100, 120]
    assert len(scorer.asked) == len(set(scorer.asked)) == 120
    assert SPACE.within(scorer.asked, budget, num_classes=CLASSES) == scorer.asked
    best = sorted((scorer.table[a] for a in scorer.asked), reverse=True)
    assert [p.accuracy for p in states[-1].top] == best[:4]


def test_another_seed_draws_other_candidates(everyone, world, teacher):
    asked = []
    for seed in (0, 0, 1):
        scorer = Recorded(everyone, world)
        run(scorer, teacher, Budget(), config=replace(QUICK, seed=seed))
        asked.append(scorer.asked)
    assert asked[0] == asked[1] != asked[2]


@pytest.mark.parametrize("algorithm", ["evolution", "random"])
@pytest.mark.parametrize("number", [2, 9])
def test_a_budget_for_a_few_students_is_exhausted(algorithm, number, everyone, world, teacher):
    costs = SPACE.flops(everyone, num_classes=CLASSES)
    budget = Budget(max_flops=int(sorted(costs.tolist())[number - 1]))
    allowed = SPACE.within(everyone, budget, num_classes=CLASSES)
    scorer = Recorded(everyone, world)
    config = replace(QUICK, algorithm=algorithm, generation=8, candidates=40, top=100)
    answer = run(scorer, teacher, budget, config=config)
    assert set(scorer.asked) == set(allowed) and answer.scored == len(allowed) < 40
    assert {p.architecture for p in answer.top} == set(allowed), "top may exceed what there is"


def test_an_impossible_budget_states_what_the_cheapest_costs(teacher):
    flops = int(SPACE.flops([SPACE.smallest], num_classes=CLASSES)[0])
    with pytest.raises(InfeasibleBudget, match=f"{flops:,} FLOPs"):
        run(ByFlops(), teacher, Budget(max_flops=flops - 1), config=QUICK)


# predictions


def test_predictions_carry_costs_and_an_ensembles_spread(teacher):
    config = PredictorConfig(space="micro", recipe="r", hidden=4, features=6)
    members = tuple(
        Predictor(config, generator=torch.Generator().manual_seed(i)) for i in range(3)
    )
    asked = [SPACE.smallest, SPACE.largest]
    found = predictions(Ensemble(members), teacher, asked)
    mean, spread = Ensemble(members).predict_episode(episode(teacher, asked, [0.0, 0.0]))
    assert [p.architecture for p in found] == asked
    assert [p.accuracy for p in found] == pytest.approx(mean.tolist(), abs=1e-6)
    assert [p.std for p in found] == pytest.approx(spread.tolist(), abs=1e-6)
    assert [p.flops for p in found] == SPACE.flops(asked, num_classes=CLASSES).tolist()
    assert [p.parameters for p in found] == SPACE.parameters(asked, num_classes=CLASSES).tolist()
    alone = predictions(Ensemble(members[:1]), teacher, asked)
    assert [p.std for p in alone] == [None, None]
    assert [p.std for p in predictions(ByFlops(), teacher, asked)] == [None, None]


def test_measured_students_move_an_ensembles_predictions(teacher):
    config = PredictorConfig(space="micro", recipe="r", hidden=4, features=6)
    ensemble = Ensemble((Predictor(config, generator=torch.Generator().manual_seed(0)),))
    known = StudentRecord(
        space="micro",
        task="t",
        teacher=teacher.name,
        architecture=str(SPACE.smallest),
        recipe="r",
        seed=0,
        validation_accuracy=0.1,
        test_accuracy=0.9,
        test_half_accuracy=0.9,
        validation_images=1,
        test_images=1,
        flops=1,
        parameters=1,
        seconds=1.0,
        device="cpu",
    )

    def found(*support):
        return predictions(ensemble, teacher, [SPACE.largest], support=support)[0].accuracy

    assert found() != found(known) != found(replace(known, validation_accuracy=0.6))
    assert found(known) == found(replace(known, test_accuracy=0.2))


RULES = {
    "candidates": 0,
    "top": 0,
    "generation": 0,
    "population": 1,
    "sample": 0,
    "mutation_rate": 1.5,
    "crossover_rate": -0.1,
}


@pytest.mark.parametrize("name", RULES)
def test_every_setting_of_a_search_has_a_rule(name):
    with pytest.raises(InvalidConfig, match=rf"`[^`]*{name}[^`]*` must hold"):
        SearchConfig(**{name: RULES[name]})


def test_an_interval_is_at_the_level_it_names_and_stays_within_0_to_1():
    facts = {"architecture": SPACE.smallest, "flops": 1, "parameters": 1}
    sure = Prediction(accuracy=0.5, std=0.1, **facts)
    assert sure.interval() == pytest.approx((0.5 - 0.16449, 0.5 + 0.16449), abs=1e-4)
    assert sure.interval(0.6827) == pytest.approx((0.4, 0.6), abs=1e-4)
    assert Prediction(accuracy=0.05, std=0.9, **facts).interval() == (0.0, 1.0)
    assert Prediction(accuracy=-3.0, std=0.1, **facts).interval() == (0.0, 0.0)
    assert Prediction(accuracy=0.5, std=None, **facts).interval() is None
    with pytest.raises(InvalidConfig, match="level"):
        sure.interval(90.0)


@pytest.mark.parametrize("algorithm", ["evolution", "random"])
@pytest.mark.parametrize("candidates", [1, 2, 3, 4, 7])
def test_as_few_candidates_as_one_are_searched(algorithm, candidates, teacher):
    config = SearchConfig(algorithm=algorithm, candidates=candidates)
    answer = run(Peak(), teacher, Budget(), config=config)
    assert answer.scored == candidates and len(answer.top) == min(5, candidates)


@pytest.mark.parametrize("more", [1.0, 1.2, 1.3])
def test_a_budget_of_few_members_is_searched_to_its_end_without_drawing_on(
    more, everyone, teacher, monkeypatch
):
    least = int(SPACE.flops([SPACE.smallest], num_classes=CLASSES)[0])
    budget = Budget(max_flops=int(least * more))
    members = SPACE.within(everyone, budget, num_classes=CLASSES)
    drawn, sample = [], PublishedSpace.sample
    monkeypatch.setattr(
        PublishedSpace,
        "sample",
        lambda self, n, **to: drawn.append(n) or sample(self, n, **to),
    )
    answer = run(Peak(), teacher, budget, config=SearchConfig(candidates=1000))
    assert answer.scored == len(members) and sum(drawn) <= 2000
