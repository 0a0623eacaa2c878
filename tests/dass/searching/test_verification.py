"""Verification: who is trained, for how long, and who is chosen."""

import pytest
import torch

from dass.errors import InvalidConfig
from dass.predictor.relative import relative_features
from dass.searching.prediction import Prediction
from dass.searching.verification import diverse, rungs, verify


@pytest.fixture
def ordered(micro_space):
    """Forty members, the best first by a made-up score."""
    drawn = dict.fromkeys(micro_space.sample(60, generator=torch.Generator().manual_seed(3)))
    return [
        Prediction(architecture=a, accuracy=0.9 - place / 100, std=0.02, flops=1, parameters=1)
        for place, a in enumerate(list(drawn)[:40])
    ]


def test_halving_ends_with_two_that_had_all_epochs():
    assert rungs(8, longest=4) == ((1, 8), (2, 4), (4, 2))
    assert rungs(2, longest=2) == ((1, 2), (2, 2))
    assert rungs(1, longest=4) == ((1, 1), (2, 1), (4, 1))
    assert rungs(16, longest=1) == ((1, 16),)
    with pytest.raises(InvalidConfig, match="students and epochs"):
        rungs(0, longest=4)


def test_those_that_are_trained_are_no_near_duplicates(micro_space, ordered):
    twins = [ordered[0]] * 5 + ordered
    chosen = diverse(micro_space, twins, count=6)
    assert chosen[0] is ordered[0]
    features = relative_features(micro_space, [p.architecture for p in chosen])
    apart = (features[:, None] - features[None]).abs().mean(2)
    apart.fill_diagonal_(1.0)
    assert float(apart.min()) > 0
    places = [ordered.index(p) for p in chosen]
    assert places == sorted(places)


def test_where_there_are_only_near_duplicates_all_are_taken(micro_space, ordered):
    assert len(diverse(micro_space, [ordered[0]] * 4, count=3)) == 3
    assert diverse(micro_space, [], count=3) == []


class Ladder:
    """Trains nobody: accuracy is a fixed value that grows with epochs; remembers the calls."""

    def __init__(self, ordered):
        self.quality = {p.architecture: (place * 7 % 40) / 100 for place, p in enumerate(ordered)}
        self.calls = []

    def __call__(self, architecture, epochs):
        self.calls.append((architecture, epochs))
        return self.quality[architecture] + epochs / 100


def test_what_is_measured_decides_and_no_training_is_done_twice(micro_space, ordered):
    ladder, supports = Ladder(ordered), []

    def search(support):
        supports.append(list(support))
        return ordered

    rounds = list(verify(search, micro_space, students=8, longest=4, measure=ladder))
    assert len(ladder.calls) == len(set(ladder.calls)) == 8 + 4 + 2
    trained = {architecture for architecture, _ in ladder.calls}
    assert rounds[-1].checked[0].architecture == max(trained, key=ladder.quality.get)
    assert [len(one.checked) for one in rounds] == [4, 4, 4, 2]
    assert [len(one) for one in supports] == [0, 4], "the second half knows of the first"
    assert all(one.epochs == 1 for one in supports[1])


def test_measured_students_move_the_choice_of_the_second_half(micro_space, ordered):
    ladder = Ladder(ordered)

    def search(support):
        return list(reversed(ordered)) if support else ordered

    first, second, *_ = verify(search, micro_space, students=4, longest=2, measure=ladder)
    assert ordered[0] in [each.prediction for each in first.checked]
    assert ordered[-1] in [each.prediction for each in second.checked]


def test_a_student_that_must_be_among_them_is(micro_space, ordered):
    last = ordered[-1].architecture
    rounds = list(
        verify(lambda _: ordered, micro_space, students=2, longest=1, measure=Ladder(ordered),
               extra=(last,))
    )  # fmt: skip
    assert last in {each.architecture for each in rounds[0].checked}
    assert len(rounds[-1].checked) == 2
