"""Verification: who is trained, for how long, and who is chosen."""

import pytest
import torch

from dass.errors import InvalidConfig
from dass.predictor.relative import relative_features
from dass.searching.prediction import Prediction
from dass.searching.verification import Searched, diverse, rungs, verify, verify_among


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


# --- several spaces ------------------------------------------------------------------------


def searched(space, ordered, *, better=0.0):
    ladder = Ladder(ordered)
    ladder.quality = {a: q + better for a, q in ladder.quality.items()}
    return Searched(ordered=lambda _: ordered, space=space, measure=ladder), ladder


def test_one_space_among_none_is_verified_as_ever(micro_space, ordered):
    alone, among = (Ladder(ordered) for _ in range(2))
    settings = {"students": 7, "longest": 4}
    one = list(verify(lambda _: ordered, micro_space, measure=alone, **settings))
    search = Searched(ordered=lambda _: ordered, space=micro_space, measure=among)
    assert one == list(verify_among([search], **settings))
    assert alone.calls == among.calls


def test_each_space_enters_evenly_and_its_best_stays_to_the_last_round(micro_space, ordered):
    (good, _), (bad, ladder) = (searched(micro_space, ordered, better=b) for b in (2.0, 0.0))
    rounds = list(verify_among([good, bad], students=9, longest=4))
    entered = [[one.place for one in each.checked] for each in rounds[:2]]
    assert [sorted(places) for places in entered] == [[0, 0, 0, 1, 1], [0, 0, 1, 1]]
    first, last = rounds[0].checked, rounds[-1].checked
    assert {one.place for one in last} == {0, 1} and last[0].place == 0
    both = [one for each in rounds[:2] for one in each.checked if one.place == 1]
    best = max(both, key=lambda one: one.measured)
    assert [one.architecture for one in last if one.place == 1] == [best.architecture]
    assert len({(one.place, one.architecture) for one in (*first, *rounds[1].checked)}) == 9
    assert len(set(ladder.calls)) == len(ladder.calls)


def test_whoever_trains_elsewhere_is_told_of_a_round_before_it_is_measured(micro_space, ordered):
    search, ladder = searched(micro_space, ordered)
    told = []

    def ahead(students, epochs):
        assert not {(a, epochs) for _, a in students} & set(ladder.calls)
        told.extend((a, epochs) for _, a in students)

    list(verify_among([search], students=5, longest=4, ahead=ahead))
    assert told == ladder.calls


def test_each_space_must_have_a_student_at_least(micro_space, ordered):
    search, _ = searched(micro_space, ordered)
    with pytest.raises(InvalidConfig, match="each space"):
        list(verify_among([search, search], students=1, longest=2))
