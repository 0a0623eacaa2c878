"""The evaluation, on a store of three micro tasks with two seeds."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from dass.data.task import TaskConfig
from dass.errors import InvalidData
from dass.evaluation import comparison, plots, reliability, scoring
from dass.evaluation.comparison import EvaluateConfig, evaluate
from dass.evaluation.equal_time import Competitor
from dass.evaluation.reliability import mean_over_teachers
from dass.predictor.meta import MetaConfig
from dass.predictor.ranking import spearman
from dass.predictor.records import FIRST_CLOSED_LOOP_SEED
from dass.registry.registry import Registry
from dass.searching.evolution import SearchConfig
from dass.space.spaces import by_name
from dass.store.store import Store
from jobs.build import build
from jobs.closed_loop import ClosedLoopConfig, close, compare, unseen_teachers
from jobs.evaluate import publish, text
from jobs.planning.contenders import KINDS, ContestConfig, contenders
from jobs.planning.plan import LabelPlan, SplitPlan, plan_students, plan_teachers
from jobs.presets import micro
from jobs.train import train_predictor

CONTEST = ContestConfig(seeds=1, search=SearchConfig(candidates=30, generation=30))


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    base = micro.build()
    few = TaskConfig(source="digits", train_per_class=8, validation_per_class=40, flip=False)
    second = replace(base.teacher, epochs=2)
    made = replace(
        base,
        store=str(tmp_path_factory.mktemp("store")),
        splits=(
            SplitPlan(role="train", task=replace(few, only=("0", "1", "2"))),
            SplitPlan(role="validation", task=replace(few, only=("4", "5", "6"))),
            SplitPlan(
                role="unseen",
                task=replace(few, only=("7", "8", "9")),
                labels=LabelPlan(seeds=2, per_task=4, weak_teacher=second, ce_only=8),
            ),
        ),
        pool=12,
        per_task=1,
        seeds=1,
        teacher=replace(base.teacher, epochs=6),
        student=replace(base.student, epochs=1),
        workers=1,
    )
    build(made)
    train = replace(
        micro.train(),
        store=made.store,
        recipe=made.student.name,
        members=1,
        meta=MetaConfig(episodes=3, queries=8, validate_every=1),
    )
    train_predictor(train)
    return made


@pytest.fixture(scope="module")
def asked(config):
    return EvaluateConfig(
        store=config.store,
        space="micro",
        student=config.student,
        pool=config.pool,
        others=("reconstructed",),
    )


@pytest.fixture(scope="module")
def answer(asked):
    return evaluate(asked)


def test_a_plan_has_the_second_teacher_and_the_students_without_answers(config):
    teachers = [plan for plan, role in plan_teachers(config) if role == "unseen"]
    students = plan_students(config, teachers)
    assert [t.recipe.epochs for t in teachers] == [6, 2]
    counted = [[s for s in students if s.teacher == t.name] for t in teachers]
    assert [len(c) for c in counted] == [(12 + 4) * 2 + 8, 12]
    alone = [s for s in students if s.recipe.hard_weight == 1]
    assert len(alone) == 8 and len({s.identity.key for s in students}) == len(students)


def test_every_scorer_is_measured_on_every_first_teacher(answer, config):
    rows = answer.tasks[answer.tasks["group"] == "all"]
    assert set(rows["role"]) == {"validation", "unseen"}
    for _, own in rows.groupby("teacher"):
        assert set(own["scorer"]) >= {
            "random",
            "FLOPs",
            "mean rank",
            "boosted trees",
            "DaSS as first shipped",
            "DaSS, wrong teacher",
            *scoring.EXPENSIVE,
        }
    assert rows["teacher"].nunique() == 2, "a second teacher is no dataset of its own"


def test_unseen_tasks_are_measured_by_test_and_others_by_validation_accuracy(answer, config):
    records = mean_over_teachers(
        [r for r in Registry(Store(config.store)).records() if r.recipe == config.student.name]
    )
    rows = answer.tasks[(answer.tasks["group"] == "all") & (answer.tasks["scorer"] == "FLOPs")]
    for row in rows.itertuples():
        own = [r for r in records if r.teacher == row.teacher]
        part = "test_accuracy" if row.role == "unseen" else "validation_accuracy"
        flops = np.array([float(r.flops) for r in own])
        assert row.spearman == pytest.approx(
            spearman(flops, np.array([getattr(r, part) for r in own]))
        )


def test_the_ceiling_needs_two_seeds_of_enough_students(answer, config):
    records = Registry(Store(config.store)).records()
    (name,) = answer.ceilings
    assert 0 <= answer.ceilings[name] <= 1
    once = [r for r in records if r.seed == 0]
    assert reliability.ceiling_of(once, name) is None


def test_awareness_compares_two_teachers_and_kd_with_labels_alone(answer):
    assert set(answer.awareness["across"]) == {"teachers", "KD and labels alone"}
    assert answer.awareness["spearman"].between(-1, 1).all()


def test_the_strongest_baseline_is_chosen_by_validation_alone(answer):
    swapped = answer.tasks.copy()
    swapped.loc[swapped["role"] == "unseen", "spearman"] *= -1
    learned = {
        "DaSS as first shipped",
        "DaSS, wrong teacher",
        "DaSS as first shipped + one epoch of KD",
    }
    assert comparison.strongest_baselines(swapped, learned) == dict(answer.chosen)
    assert answer.chosen["any"] not in learned
    assert answer.chosen["trains nothing"] in scoring.TRAINS_NOTHING


def test_expensive_scores_are_kept_and_then_need_no_images(asked, answer, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("no image must be read again")

    monkeypatch.setattr(scoring, "load_task", refuse)
    again = evaluate(asked)
    columns = ["scorer", "teacher", "group", "spearman", "regret1"]
    pd.testing.assert_frame_equal(again.tasks[columns], answer.tasks[columns])


def test_the_report_is_written_in_three_forms(asked, answer):
    labelled = scoring.labelled_teachers(
        Registry(Store(asked.store)),
        mean_over_teachers(
            [r for r in Registry(Store(asked.store)).records() if r.recipe == asked.student.name]
        ),
    )
    unseen = [s for s in labelled if s.role == "unseen"][:1]
    table = scoring.table({"DaSS as first shipped": scoring.Shuffled()}, unseen)
    students = comparison.students_of(table, unseen)
    tall = replace(answer, headline=list(answer.ceilings), students=students)
    where = publish(asked, tall)
    store = Store(asked.store)
    facts = json.loads(store.read("evaluations/evidence.json"))
    assert facts["chosen"] == answer.chosen and len(facts["tasks"]) == len(answer.tasks)
    assert where.endswith(".html") and b"data:image/png" in store.read("evaluations/evidence.html")
    table = text(tall)
    assert "| DaSS as first shipped " in table and "one epoch of KD" in table


def test_one_epoch_regrets_less_the_more_students_it_can_afford():
    measured, fractions = np.array([0.5, 0.6, 0.7, 0.8]), np.array([0.2, 0.3, 0.5, 0.7])
    rival = Competitor(
        measured=measured,
        epoch=measured,
        fractions=fractions,
        search_s=1.0,
        epoch_s=0.1,
        training_s=1.0,
    )
    assert rival.regret(4) == 0, "who sees all and orders them rightly loses nothing"
    one = np.mean([0.1 / 2, (0.2 + 0.1) / 3, (0.3 + 0.2 + 0.1) / 4])
    assert rival.regret(1) == pytest.approx(one, abs=0.01), "one of them is any of them"
    assert 0 < rival.regret(2) < rival.regret(1)


def test_the_report_compares_at_equal_time_on_the_headline(asked, monkeypatch):
    monkeypatch.setattr(comparison, "LEAST_CEILING", -1.0)
    found = evaluate(asked)
    assert found.headline
    assert list(found.equal_time["students of one epoch"]) == sorted(
        found.equal_time["students of one epoch"]
    )
    assert "the search alone" in text(found)
    names = ["DaSS as first shipped", "FLOPs"]
    drawn = plots.plots(found.students, shipped="DaSS as first shipped", scorers=names)
    assert len(drawn) == 3 and all(png.startswith(b"\x89PNG") for png in drawn.values())
    regrets = plots.curve(found.students, "FLOPs", steps=(1, 40), value=plots._regret).y
    assert regrets[0] >= regrets[1] == 0, "who distils all loses nothing"


def test_without_unseen_records_the_error_says_what_to_do(asked, tmp_path):
    with pytest.raises(InvalidData, match=r"label some with jobs\.build"):
        evaluate(replace(asked, store=str(tmp_path)))


def test_a_closed_loop_trains_every_choice_with_seeds_of_its_own(config):
    asked = ClosedLoopConfig(build=config, contest=CONTEST)
    head, rows = close(asked)
    assert head[1:4] == list(KINDS) and len(rows) == 4
    own = [r for r in Registry(Store(config.store)).records() if r.seed >= FIRST_CLOSED_LOOP_SEED]
    budgets = {r.architecture: r.flops for r in own}
    space = by_name("micro")
    whole = int(space.flops([space.largest], num_classes=3)[0])
    assert own and all(flops <= 0.7 * whole for flops in budgets.values())
    assert close(asked) == (head, rows), "trainings are not repeated"
    assert len(
        [r for r in Registry(Store(config.store)).records() if r.seed >= FIRST_CLOSED_LOOP_SEED]
    ) == len(own)


def test_a_verified_student_competes_under_a_longer_recipe(config):
    contest = replace(CONTEST, fractions=(0.7,), beside=("slimmed alike",))
    asked = ClosedLoopConfig(build=config, contest=contest, verify=2, epochs=2, name="longer")
    head, rows = close(asked)
    assert head[1:4] == ["searched", "verified", "slimmed alike"]
    kept = json.loads(Store(config.store).read("evaluations/longer.json"))
    records = {record.key: record for record in Registry(Store(config.store)).records()}
    for choice in kept["choices"]:
        found = [records[key] for key in choice["records"]]
        assert [len(one.curve) for one in found] == [2], "trained as long as was asked"
        assert f"{100 * found[0].test_accuracy:.2f} %" == rows[0][head.index(choice["kind"])]
    assert close(asked) == (head, rows)


def test_trainings_of_a_closed_loop_are_no_labels(asked, answer, config):
    assert any(r.seed >= FIRST_CLOSED_LOOP_SEED for r in Registry(Store(config.store)).records())
    again = evaluate(asked)
    assert again.facts["records"] == answer.facts["records"]
    assert again.facts["students"] == answer.facts["students"]


def test_a_closed_loop_compares_means_over_seeds_per_teacher(config):
    registry = Registry(Store(config.store))
    (teacher,) = unseen_teachers(registry)
    predictor, _ = registry.predictor("predictor")
    choices = list(contenders(predictor, teacher, recipe=config.student, config=CONTEST))
    found = {r.key: 100 * r.test_accuracy for r in registry.records()}
    _, rows = compare(choices, registry.records())
    for column, kind in enumerate(KINDS, 1):
        values = [found[c.plans[0].identity.key] for c in choices if c.kind == kind]
        assert rows[-1][column] == f"{sum(values) / 3:.2f} %"
        assert [row[column] for row in rows[:3]] == [f"{value:.2f} %" for value in values]
