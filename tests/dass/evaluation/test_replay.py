"""Verification replayed from recorded curves, by the very rule that is used."""

import json
from dataclasses import replace

import pandas as pd
import pytest
import torch

from dass.evaluation import replay, replay_tables
from dass.evaluation.left_out import Judged
from dass.networks.resnet import ResNet
from dass.networks.teacher import Teacher
from dass.pipeline.compression.expected import sentence
from dass.predictor.crossfit import Lesson
from dass.predictor.episode import episode
from dass.predictor.level import Facts
from dass.predictor.surrogate_fit import Students, fit_surrogate
from dass.registry import zoo
from dass.space.architecture import Architecture
from dass.space.spaces import by_name


@pytest.fixture(scope="module")
def recorded():
    """Labelled teachers of the shipped store with curves, as a cross-validation judges them."""
    shipped, judged = zoo.registry(), []
    groups = {}
    for record in shipped.records():
        if record.curve and record.seed == 0:
            groups.setdefault(record.teacher, []).append(record)
    for name, records in sorted(groups.items())[:6]:
        space = by_name(records[0].space)
        network = ResNet(space, space.largest, num_classes=10).eval()
        students = Students.of(space, records, Facts(0.8, 10), group=name)
        teacher = Teacher(name=name, network=network, accuracy=0.8)
        few = [Architecture.parse(record.architecture) for record in records[:2]]
        heard = episode(teacher, few, [r.validation_accuracy for r in records[:2]])
        judged.append(Judged(teacher, Lesson(students, heard), records, None))
    return judged


@pytest.fixture(scope="module")
def surrogate(recorded):
    students = [one.lesson.students for one in recorded[1:]]
    return fit_surrogate(students, inducing=16, widened=False)


def test_nobody_verified_takes_the_first_and_everybody_verified_whole_finds_the_floor(recorded):
    for one in recorded[:2]:
        for _, contest in replay.contests(one):
            ordered = replay.by_flops(contest)
            nobody = replay.replayed(contest, ordered, students=0)
            records = [one.records[i] for i in contest.kept]
            largest = max(records, key=lambda r: r.flops)
            best = max(r.test_accuracy for r in records)
            assert nobody.epochs == 0 and not nobody.measured
            assert nobody.regret == pytest.approx(best - largest.test_accuracy)
            once = replay.replayed(contest, ordered, students=1)
            assert (once.choice, once.epochs) == (nobody.choice, contest.longest)


def test_a_first_epoch_that_orders_as_the_whole_training_does_leads_to_the_best(recorded):
    one = recorded[0]
    ideal = [
        replace(r, curve=(r.test_accuracy,) * 4, validation_accuracy=r.test_accuracy)
        for r in one.records
    ]
    for _, contest in replay.contests(replace(one, records=ideal)):
        played = replay.replayed(contest, replay.by_flops(contest), students=len(contest.kept))
        assert played.regret == contest.floor == 0
        assert played.epochs < contest.longest * len(contest.kept), "halving trains few whole"


def test_what_is_expected_of_a_choice_shrinks_as_students_are_measured(recorded, surrogate):
    expected = {0: 0.0, 16: 0.0}
    for one in recorded[:3]:
        for _, contest in replay.contests(one):
            ordered = replay.by_surrogate(contest, surrogate)
            for students in expected:
                played = replay.replayed(contest, ordered, students=students)
                expected[students] += replay.expected_regret(contest, surrogate, played)
    assert 0 < expected[16] < expected[0]


def test_what_was_measured_changes_the_surrogate_s_order(recorded, surrogate):
    fraction, contest = list(replay.contests(recorded[0]))[-1]
    assert fraction == 0.7
    ordered = replay.by_surrogate(contest, surrogate)
    before = [p.architecture for p in ordered([])]
    last = str(before[-1])
    record = next(r for r in recorded[0].records if r.architecture == last)
    support = [replay.Short(architecture=last, validation_accuracy=0.99, epochs=0)]
    after = [p.architecture for p in ordered(support)]
    assert record.validation_accuracy < 0.99
    assert set(after) == set(before)
    assert after.index(before[-1]) < len(before) - 1


def test_the_summary_counts_each_task_once(recorded, surrogate):
    rows = pd.DataFrame(replay.replays(recorded[:2], surrogate))
    found = replay_tables.summary(rows)
    key = (replay.FLOPS, 0, None)
    nobody = next(r for r in found["rows"]
                  if (r["order"], r["verified"], r["fraction"]) == key)  # fmt: skip
    own = rows[(rows["order"] == replay.FLOPS) & (rows["verified"] == 0)]
    by_task = [part["regret"].mean() for _, part in own.groupby("task")]
    assert nobody["tasks"] == 2
    assert nobody["regret"] == pytest.approx(100 * sum(by_task) / 2, abs=1e-3)
    assert json.loads(json.dumps(found)) == found
    table = replay_tables.rows_of(found)
    assert len(table) == 2 * len(replay.VERIFIED) + 1


def test_the_shipped_replay_is_told_in_a_sentence():
    found = json.loads(zoo.registry().store.read(replay_tables.KEPT))
    said = sentence(found, verified=12, extrapolated=False)
    assert "Verifying 8 students: expected regret" in said and "gain" in said
    assert "stands for" in sentence(found, verified=2, extrapolated=True)
    assert "gain" not in sentence(found, verified=0, extrapolated=False)


def test_an_order_does_not_need_intervals(recorded):
    students = [one.lesson.students for one in recorded]
    whole, short = (fit_surrogate(students, inducing=16, widened=w) for w in (True, False))
    inputs = students[0].inputs
    scores = [
        s.conditioned(s.level.expected(students[0].facts)).predict(inputs)[0]
        for s in (whole, short)
    ]
    assert torch.equal(*scores)
