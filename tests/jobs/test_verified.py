"""The verified choice of a closed loop: what records give is what live trainings would."""

from __future__ import annotations

import hashlib

import pytest

from dass.baselines.size import ByFlops
from dass.data.task_config import TaskConfig
from dass.errors import InvalidData
from dass.networks.resnet import ResNet
from dass.networks.teacher import Teacher
from dass.registry.registry import Registry
from dass.searching.evolution import run
from dass.searching.evolution_config import SearchConfig
from dass.searching.verification import verify
from dass.space.cost import Budget
from dass.space.spaces import by_name
from dass.store.store import Store
from dass.training.recipe import Recipe
from jobs.closed_loop import unseen_teachers
from jobs.planning.contenders import trainings
from jobs.planning.verified import TOP, Verification

RECIPE = Recipe(epochs=4)
SEARCH = SearchConfig(candidates=60)


@pytest.fixture(scope="module")
def teacher():
    space = by_name("micro")
    task = TaskConfig(source="digits")
    network = ResNet(space, space.largest, num_classes=10)
    return Teacher(name="one", network=network.eval(), accuracy=0.9, task=task)


def curve_of(architecture):
    """A made-up learning curve that has nothing to do with size."""
    first, second, *_ = hashlib.sha256(str(architecture).encode()).digest()
    return [first / 512 + second * epoch / 2048 for epoch in range(1, RECIPE.epochs + 1)]


@pytest.mark.parametrize("students", [1, 2, 8])
def test_playing_records_chooses_as_live_trainings_do(teacher, students):
    case = Verification(
        predictor=ByFlops(), teacher=teacher, fraction=0.5, recipe=RECIPE, students=students,
        search=SEARCH,
    )  # fmt: skip
    curves, passes = {}, 0
    choice, missing = case.played(curves)
    while choice is None:
        assert missing, "it says what it lacks"
        assert not curves.keys() & {plan.identity.key for plan in missing}, "nothing twice"
        curves |= {plan.identity.key: curve_of(plan.architecture) for plan in missing}
        passes += 1
        choice, missing = case.played(curves)
    assert passes <= 2 and len(curves) == students, "two halves of one round, and no more students"

    def ordered(support):
        budget = Budget.of(teacher, flops=0.5)
        config = SearchConfig(candidates=SEARCH.candidates, top=TOP)
        return run(ByFlops(), teacher, budget, config=config, support=support).top

    rounds = list(
        verify(
            ordered,
            teacher.network.space,
            students=students,
            longest=RECIPE.epochs,
            measure=lambda architecture, epochs: curve_of(architecture)[epochs - 1],
        )
    )
    assert choice.architecture == rounds[-1].checked[0].architecture
    (plan,) = trainings(teacher, choice.architecture, recipe=RECIPE, seeds=[0])
    assert plan.identity.key in curves


def test_groups_without_a_test_task_are_named(tmp_path):
    with pytest.raises(InvalidData, match="of icons, solids, but has none"):
        unseen_teachers(Registry(Store(str(tmp_path))), ("solids", "icons"))
