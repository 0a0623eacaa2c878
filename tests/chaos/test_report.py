"""The report of a siege: a killed one goes on, and what is bad is not called good."""

import pytest

from tests.chaos.faults import FATED, ROUND, kinds_of
from tests.chaos.report import KINDS, Report


def begun(report, number, kinds=("child", "cut"), twice=0):
    report.note("begin", round=number)
    for kind in kinds:
        report.note("fault", round=number, kind=kind, harm_s=1.0, lost_s=2.5, twice=twice)


def ended(report, number, lost=0, code=1):
    counts = {"jobs": 9, "lost": lost}
    report.note("round", round=number, code=code, fated=FATED, seconds=60, counts=counts)


def test_a_round_that_was_killed_counts_only_once_it_was_done_again(tmp_path):
    path = tmp_path / "report.jsonl"
    begun(Report(path), 0)
    ended(report := Report(path), 0)
    begun(report, 1)
    with path.open("a") as file:
        file.write('{"what": "fau')  # the kill
    again = Report(path)
    assert set(again.rounds) == {0} and len(again.faults) == 2
    with path.open("a") as file:
        file.write("\n")
    begun(again, 1)
    ended(again, 1)
    assert again.totals == {"jobs": 18, "lost": 0} and len(again.faults) == 4
    assert Report(path).table() == again.table() and "12 faults in 2 rounds" in again.table()


@pytest.mark.parametrize(
    ("kind", "twice", "lost", "code", "good"),
    [
        ("cut", 1, 0, 1, True),
        ("node", 1, 0, 1, False),
        ("node", 0, 1, 1, False),
        ("node", 0, 0, 0, False),
        ("node", 0, 0, 1, True),
    ],
)
def test_only_a_node_that_cannot_be_heard_may_repeat_what_another_does(
    tmp_path, kind, twice, lost, code, good
):
    report = Report(tmp_path / "report.jsonl")
    begun(report, 0, [kind], twice)
    ended(report, 0, lost, code)
    assert report.is_good() is good


def test_two_hundred_faults_hold_every_kind_equally_often_and_a_seed_repeats_them():
    rounds = [
        kinds_of(ROUND - FATED, round_=i, seed=0, allowed=KINDS) for i in range(200 // ROUND)
    ]
    found = [kind for kinds in rounds for kind in kinds]
    assert {found.count(kind) for kind in KINDS} == {16}
    assert rounds[3] == kinds_of(ROUND - FATED, round_=3, seed=0, allowed=KINDS)
    assert rounds[3] != kinds_of(ROUND - FATED, round_=3, seed=1, allowed=KINDS)
