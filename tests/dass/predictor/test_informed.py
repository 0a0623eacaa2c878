"""Scorers that look at images: standings are added, and searches use it at the end."""

import pytest
import torch

from dass.baselines.size import ByFlops
from dass.errors import CorruptArtifact, InvalidConfig
from dass.networks.inheritance import Inherited
from dass.pipeline.looking import second_look
from dass.predictor.ensemble import sample_of
from dass.predictor.informed import Informed, blended
from dass.predictor.scorer import Scores
from dass.registry.inherited import read_inherited, write_inherited
from dass.searching.evolution import SearchConfig, SecondLook, run
from dass.space.cost import Budget
from dass.store.store import Store
from tests.dass.networks.test_inheritance import pictures
from tests.dass.predictor.test_crossfit import SPACE, teacher

IMAGES = pictures(96)


def rows(generator, number):
    return torch.randn(number, 2, generator=generator, dtype=torch.float64)


@pytest.fixture(scope="module")
def one():
    return teacher(9)


class Peak:
    """Likes students of two fifths of the teacher's FLOPs."""

    def predict(self, teacher, architectures, *, support=()):
        share = torch.tensor(SPACE.flops(architectures) / SPACE.flops([SPACE.largest]))
        return Scores(-(share - 0.4).abs())


def test_both_count_the_same_whatever_their_units():
    generator = torch.Generator().manual_seed(0)
    said, beside = rows(generator, 30)[:, 0], rows(generator, 24)[:, 0]
    inherited = Inherited(students=rows(generator, 30), sample=rows(generator, 24))
    order = blended(said, beside, inherited).argsort()
    assert torch.equal(order, blended(5 + 0.01 * said, 5 + 0.01 * beside, inherited).argsort())
    scale = torch.tensor([100.0, 0.01], dtype=torch.float64)
    other = Inherited(students=scale * inherited.students, sample=scale * inherited.sample)
    assert torch.equal(order, blended(said, beside, other).argsort())
    plain = blended(said, beside, Inherited(students=0 * other.students, sample=0 * other.sample))
    assert torch.allclose(plain, said, atol=1e-6), "nothing inherited, nothing added"


def test_over_the_sample_predictions_keep_their_mean_and_spread():
    generator = torch.Generator().manual_seed(1)
    said, inherited = 0.6 + 0.02 * rows(generator, 24)[:, 0], rows(generator, 24)
    found = blended(said, said, Inherited(students=inherited, sample=inherited))
    assert float(found.mean()) == pytest.approx(float(said.mean()))
    assert float(found.std()) == pytest.approx(float(said.std()))
    assert not torch.equal(found.argsort(), said.argsort())


def test_a_student_is_predicted_the_same_whatever_else_is_asked(one):
    members = SPACE.sample(4, generator=torch.Generator().manual_seed(3))
    looking = Informed.of(ByFlops(), one, IMAGES)
    whole = looking.predict(one, members)
    assert float(looking.predict(one, members[2:3]).mean[0]) == float(whole.mean[2])
    assert looking.predict(one, []).mean.shape == (0,)


def test_it_is_of_the_teacher_whose_images_were_shown(one):
    with pytest.raises(InvalidConfig, match="t9, whose images were shown, but are of t8"):
        Informed.of(ByFlops(), one, IMAGES).predict(teacher(8), [SPACE.smallest])


def test_a_teacher_without_images_is_told_what_to_give(one):
    with pytest.raises(InvalidConfig, match="give `images`"):
        second_look(ByFlops(), one, students=3)


def test_a_second_look_orders_the_best_and_leaves_the_rest_behind_them(one):
    budget = Budget.of(one, flops=0.6)
    config = SearchConfig(candidates=150, top=140, generation=50)
    plain = run(Peak(), one, budget, config=config)
    second = second_look(Peak(), one, IMAGES, students=12)
    looked = run(Peak(), one, budget, config=config, second=second)
    asked = {p.architecture for p in (*plain.top[:12], *plain.pareto)}
    first = looked.top[: len(asked)]
    said = second.scorer.predict(one, [p.architecture for p in first]).mean.tolist()
    assert {p.architecture for p in first} == asked and len(looked.top) == 140
    assert [p.accuracy for p in first] == said == sorted(said, reverse=True)
    assert [p.architecture for p in first] != [p.architecture for p in plain.top[: len(asked)]]
    rest = [p for p in plain.top if p.architecture not in asked]
    assert list(looked.top[len(first) :]) == rest[: 140 - len(first)]
    assert {p.architecture for p in looked.pareto} <= asked
    assert looked.scored == plain.scored


def test_a_look_at_nobody_is_refused():
    with pytest.raises(InvalidConfig, match="one student or more"):
        SecondLook(scorer=ByFlops(), students=0)


def test_the_sample_is_of_the_space_and_always_the_same():
    assert sample_of(SPACE) == sample_of(SPACE) and len(set(sample_of(SPACE))) > 10


def test_inheritances_are_kept_and_a_broken_file_is_named(tmp_path):
    store = Store(str(tmp_path))
    assert read_inherited(store, "t") == {}
    write_inherited(store, "t", {"4_8_32": (0.25, -0.5)})
    assert read_inherited(store, "t") == {"4_8_32": (0.25, -0.5)}
    for text in ('{"measured": ["agreement"], "students": {"a": [1.0]}}', "{", "[]"):
        store.write("inheritance/t.json", text.encode())
        with pytest.raises(CorruptArtifact, match=r"inheritance/t\.json"):
            read_inherited(store, "t")
