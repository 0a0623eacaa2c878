"""The tasks of the public meta-dataset keep to the protocol; no image is needed to see it."""

from collections import Counter
from pathlib import Path

from jobs.planning.plan import plan_students, plan_teachers
from jobs.presets import benchmark, benchmark_tasks

WHOLE, CORE = benchmark.build(), benchmark.core()
ROLES = {plan.task.name: (plan.task, role) for plan, role in plan_teachers(WHOLE)}
NEVER = set(benchmark_tasks.SHARED_WITH_TEST)
SELECT = {*benchmark_tasks.SHARED_WITH_CIFAR10, *benchmark_tasks.HELD_OUT}


def of(role):
    return [task for task, own in ROLES.values() if own == role]


def test_there_are_as_many_tasks_as_the_protocol_says():
    assert Counter(role for _, role in ROLES.values()) == {
        "train": 26,
        "validation": 8,
        "unseen": 10,
    }
    assert len(plan_teachers(WHOLE)) == 57
    draws = {(t.classes, t.class_seed) for t in of("train")}
    assert len(draws) == 26, "every task to learn from has its own draw of classes"


def test_no_class_that_selects_or_is_tested_teaches():
    assert not NEVER & SELECT and len(NEVER) == 26 and len(SELECT) == 30 + 29
    for task in of("train"):
        assert task.source == benchmark_tasks.TINY and set(task.exclude) == NEVER | SELECT
    for task in of("validation"):
        if task.source == benchmark_tasks.TINY:
            assert set(task.only) == SELECT


def test_unseen_tasks_come_from_sources_that_nothing_else_reads():
    unseen = {task.source for task in of("unseen")}
    assert len(unseen) == 10
    assert not unseen & {task.source for task in (*of("train"), *of("validation"))}


def test_no_task_names_a_place_on_a_machine():
    for task, _ in ROLES.values():
        assert task.source.startswith("npz:data/") and task.source.count("/") == 1


def test_signs_characters_and_spectrograms_are_not_mirrored():
    turned = {task.source for task, _ in ROLES.values() if not task.flip}
    names = ("gtsrb", "kannada", "omniglot", "spokendigits")
    assert turned == {f"npz:data/{name}.npz" for name in names}


def test_the_core_is_a_part_of_the_whole_with_the_same_labels():
    whole, core = (
        {s.identity.key for s in plan_students(c, [p for p, _ in plan_teachers(c)])}
        for c in (WHOLE, CORE)
    )
    assert core < whole


def test_unseen_tasks_get_forty_students_twice_and_four_of_them_without_answers():
    students = plan_students(WHOLE, [plan for plan, role in plan_teachers(WHOLE)])
    unseen = {task.name for task in of("unseen")}
    firsts = Counter(
        (s.task.name, s.seed)
        for s in students
        if s.task.name in unseen and s.recipe == WHOLE.student and WHOLE.teacher.name in s.teacher
    )
    assert all(firsts[name, seed] == 40 for name in unseen for seed in (0, 1))
    alone = Counter(s.task.name for s in students if s.recipe.hard_weight == 1)
    assert len(alone) == 4 and set(alone.values()) == {24}


def test_the_protocol_names_every_class_that_is_left_out():
    text = " ".join(Path(__file__).parents[2].joinpath("docs/protocol.md").read_text().split())
    for name in NEVER:
        assert name.split(" ", 1)[1].lower() in text.lower()
