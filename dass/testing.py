"""Contracts: what everything behind one signature must do, whoever wrote it.

Needs pytest. A contract is a class of tests: subclass it and add the fixture that it names.
"""

import copy
from dataclasses import replace

import pytest
import torch

from dass.networks.teacher import Teacher
from dass.predictor.scorer import Scorer
from dass.space.architecture import Architecture
from dass.space.space import Space


class ScorerContract:
    """Of every `Scorer`, the predictor included; needs a fixture `scorer`."""

    @pytest.fixture
    def members(self, micro_space: Space) -> list[Architecture]:
        """The teacher itself, the smallest student, and nine others, one of them twice."""
        drawn = micro_space.sample(8, generator=torch.Generator().manual_seed(5))
        return [micro_space.largest, *drawn, micro_space.smallest, drawn[0]]

    def test_it_is_a_scorer_with_a_finite_score_per_architecture(
        self, scorer: Scorer, teacher: Teacher, members: list[Architecture]
    ) -> None:
        assert isinstance(scorer, Scorer)
        scores = scorer.predict(teacher, members).mean
        assert scores.shape == (len(members),) and scores.is_floating_point()
        assert bool(torch.isfinite(scores).all())

    def test_it_gives_the_same_scores_twice(
        self, scorer: Scorer, teacher: Teacher, members: list[Architecture]
    ) -> None:
        assert scorer.predict(teacher, members).mean.equal(scorer.predict(teacher, members).mean)

    def test_it_orders_scores_as_the_architectures(
        self, scorer: Scorer, teacher: Teacher, members: list[Architecture]
    ) -> None:
        order = torch.randperm(len(members), generator=torch.Generator().manual_seed(1))
        shuffled = scorer.predict(teacher, [members[i] for i in order.tolist()]).mean
        expected = scorer.predict(teacher, members).mean[order]
        assert torch.allclose(shuffled, expected, rtol=1e-5, atol=1e-6)

    def test_it_scores_alone_as_in_company(
        self, scorer: Scorer, teacher: Teacher, members: list[Architecture]
    ) -> None:
        alone = torch.cat([scorer.predict(teacher, [member]).mean for member in members])
        assert torch.allclose(alone, scorer.predict(teacher, members).mean, rtol=1e-5, atol=1e-6)
        assert float(alone[1] - alone[-1]) == 0.0, "one architecture, one score"

    def test_it_tells_some_architectures_apart(
        self, scorer: Scorer, teacher: Teacher, members: list[Architecture]
    ) -> None:
        assert len(set(scorer.predict(teacher, members).mean.tolist())) > 1

    def test_it_takes_no_architecture_at_all(self, scorer: Scorer, teacher: Teacher) -> None:
        assert scorer.predict(teacher, []).mean.shape == (0,)

    def test_it_leaves_the_teacher_as_it_was(
        self, scorer: Scorer, teacher: Teacher, members: list[Architecture]
    ) -> None:
        before = copy.deepcopy(teacher.network.state_dict())
        scorer.predict(teacher, members)
        assert not teacher.network.training
        assert all(t.equal(before[n]) for n, t in teacher.network.state_dict().items())

    def test_it_reads_no_test_accuracy(
        self, scorer: Scorer, teacher: Teacher, members: list[Architecture]
    ) -> None:
        swapped = replace(teacher, test_accuracy=0.123)
        assert scorer.predict(swapped, members).mean.equal(scorer.predict(teacher, members).mean)
