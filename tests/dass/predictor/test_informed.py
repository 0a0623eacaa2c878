"""The informed predictor: it learns what inheriting much means, and searches use it at the end."""

from dataclasses import replace

import pytest
import torch

from dass.errors import CorruptArtifact, InvalidConfig
from dass.networks.inheritance import Shown, inheritance
from dass.pipeline.looking import second_look
from dass.predictor.crossfit import crossfitted, folds_of
from dass.predictor.informed import Informed
from dass.registry.inherited import read_inherited, write_inherited
from dass.registry.predictors import pack_ensemble, unpack_ensemble
from dass.searching.evolution import SearchConfig, SecondLook, run
from dass.space.architecture import Architecture
from dass.space.cost import Budget
from dass.store.store import Store
from tests.dass.networks.test_inheritance import pictures
from tests.dass.predictor.test_crossfit import GROUPS, SPACE, Measured, lesson, teacher, untrained

IMAGES = pictures(96)


def told(seed, group):
    """Return a lesson whose accuracies are what students inherit, and nothing else."""
    one, found = teacher(seed), lesson(seed, group)
    members = SPACE.sample(12, generator=torch.Generator().manual_seed(seed))
    rows = inheritance(one.network, members, Shown.of(one.network, IMAGES))
    accuracies = 0.5 + 0.1 * (rows[:, 0] - rows[:, 0].mean()) / rows[:, 0].std()
    return replace(found, students=replace(found.students, inherited=rows, accuracies=accuracies))


@pytest.fixture(scope="module")
def ensemble():
    lessons = [told(seed, group) for seed, group in enumerate(GROUPS)]
    return crossfitted(lessons, folds_of(GROUPS, 3), untrained, hear=False)


def ranks(values):
    return torch.tensor(values).argsort().argsort().double()


def test_it_orders_students_of_a_new_teacher_by_what_they_inherit(ensemble):
    one, members = teacher(9), SPACE.sample(16, generator=torch.Generator().manual_seed(9))
    looking = Informed.of(ensemble, one, IMAGES)
    truth = inheritance(one.network, members, looking.shown)[:, 0]

    def agreement(scores):
        return torch.corrcoef(torch.stack([ranks(scores.mean.tolist()), ranks(truth.tolist())]))

    informed = agreement(looking.predict(one, members))[0, 1]
    assert informed > 0.8 > agreement(ensemble.predict(one, members))[0, 1]


def test_a_student_is_predicted_the_same_whatever_else_is_asked_and_measured_ones_count(ensemble):
    one, members = teacher(9), SPACE.sample(4, generator=torch.Generator().manual_seed(3))
    looking = Informed.of(ensemble, one, IMAGES)
    whole = looking.predict(one, members)
    alone = looking.predict(one, members[2:3])
    assert alone.mean[0] == pytest.approx(float(whole.mean[2]), abs=1e-9)
    known = looking.predict(one, members, support=[Measured(str(members[0]), 0.9)])
    assert float(known.mean[0]) > float(whole.mean[0])
    assert float(known.std[0]) < float(whole.std[0])


def test_it_is_of_the_teacher_whose_images_were_shown(ensemble):
    with pytest.raises(InvalidConfig, match="t9, whose images were shown, but are of t8"):
        Informed.of(ensemble, teacher(9), IMAGES).predict(teacher(8), [SPACE.smallest])


def test_a_predictor_that_did_not_learn_it_says_so(ensemble):
    with pytest.raises(InvalidConfig, match="must have learned what students inherit"):
        Informed.of(replace(ensemble, informed=None), teacher(9), IMAGES)


def test_a_teacher_without_images_is_told_what_to_give(ensemble):
    with pytest.raises(InvalidConfig, match="give `images`"):
        second_look(ensemble, teacher(9), students=3)


def test_an_artifact_keeps_it(ensemble):
    files = pack_ensemble(ensemble, {})
    read, _ = unpack_ensemble(files)
    one, members = teacher(9), [SPACE.smallest, SPACE.largest]
    there, back = (Informed.of(e, one, IMAGES).predict(one, members) for e in (ensemble, read))
    assert torch.equal(there.mean, back.mean) and torch.equal(there.std, back.std)


def test_a_second_look_orders_the_best_and_leaves_the_rest_behind_them(ensemble):
    one = teacher(9)
    budget = Budget.of(one, flops=0.6)
    config = SearchConfig(candidates=150, top=40, generation=50)
    plain = run(ensemble, one, budget, config=config)
    second = second_look(ensemble, one, IMAGES, students=12)
    looked = run(ensemble, one, budget, config=config, second=second)
    asked = [p.architecture for p in (*plain.top[:12], *plain.pareto)]
    again = second.scorer.predict(one, asked)
    first = looked.top[: len(set(asked))]
    assert {p.architecture for p in first} == set(asked) and len(looked.top) == 40
    said = dict(zip(asked, again.mean.tolist(), strict=True))
    assert [p.accuracy for p in first] == pytest.approx(sorted(said.values(), reverse=True))
    rest = [p for p in plain.top if p.architecture not in set(asked)]
    assert list(looked.top[len(first) :]) == rest[: 40 - len(first)]
    assert {p.architecture for p in looked.pareto} <= set(asked)
    assert looked.scored == plain.scored


def test_a_look_at_nobody_is_refused(ensemble):
    with pytest.raises(InvalidConfig, match="one student or more"):
        SecondLook(scorer=ensemble, students=0)


def test_inheritances_are_kept_and_a_broken_file_is_named(tmp_path):
    store = Store(str(tmp_path))
    assert read_inherited(store, "t") == {}
    name = str(Architecture.parse(str(SPACE.smallest)))
    write_inherited(store, "t", {name: (0.25, -0.5)})
    assert read_inherited(store, "t") == {name: (0.25, -0.5)}
    for text in ('{"measured": ["agreement"], "students": {"a": [1.0]}}', "{", "[]"):
        store.write("inheritance/t.json", text.encode())
        with pytest.raises(CorruptArtifact, match=r"inheritance/t\.json"):
            read_inherited(store, "t")
