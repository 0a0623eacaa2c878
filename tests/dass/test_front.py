"""The front door: importing it costs nothing, and every name in it leads to its home."""

import subprocess
import sys
from inspect import isfunction

import pytest
import torch

import dass
from dass.errors import InfeasibleBudget, InvalidConfig, UnknownName
from dass.networks.teacher import Teacher
from dass.registry.registry import Registry

LIGHT = """
import sys
import dass, cluster.fleet
import cluster.fleet.dispatcher, cluster.fleet.local
heavy = {"torch", "numpy", "pandas", "ray", "torchvision"} & set(sys.modules)
assert not heavy, heavy
assert set(dass.__all__) <= set(dir(dass))
assert not heavy & set(sys.modules)
dass.Budget
assert "torch" not in sys.modules
"""


def test_importing_it_and_the_fleet_imports_no_torch():
    done = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", dass.__all__)
def test_each_name_is_what_its_home_calls_so(name):
    found = getattr(dass, name)
    assert found.__name__.rpartition(".")[2] == name
    assert getattr(dass, name) is found


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'serach'"):
        dass.serach  # noqa: B018
    with pytest.raises(ImportError):
        from dass import serach  # noqa: F401


def test_all_is_sorted_and_has_a_docstring_each():
    assert dass.__all__ == sorted(dass.__all__)
    undocumented = [n for n in dass.__all__ if not getattr(dass, n).__doc__]
    assert not undocumented
    assert isfunction(dass.search) and isfunction(dass.distill)


class BySize:
    """A scorer that prefers the larger."""

    def predict(self, teacher, architectures, *, support=()):
        space, classes = teacher.network.space, teacher.network.num_classes
        return dass.Scores(torch.tensor(space.flops(architectures, num_classes=classes)).float())


def test_search_returns_the_best_within_the_budget(teacher):
    budget = dass.Budget(max_flops=200_000)
    answer = dass.search(BySize(), teacher, budget, candidates=60, top=3, seed=1)
    assert isinstance(answer, dass.Generation)
    assert 3 == len(answer.top) <= answer.scored <= 60
    assert all(p.flops <= 200_000 for p in answer.top)
    assert answer == dass.search(BySize(), teacher, budget, candidates=60, top=3, seed=1)


def test_search_says_which_settings_there_are(teacher):
    with pytest.raises(
        InvalidConfig, match=r"among algorithm, candidates, .* but got 'candidate'"
    ):
        dass.search(BySize(), teacher, dass.Budget(), candidate=60)
    with pytest.raises(InfeasibleBudget):
        dass.search(BySize(), teacher, dass.Budget(max_flops=1))


def test_a_store_gives_back_the_teacher_that_was_put(teacher, tmp_path):
    store = dass.open_store(str(tmp_path))
    assert isinstance(store, Registry)
    store.put_teacher(teacher, {})
    for source in (store, str(tmp_path)):
        found = dass.load_teacher(source, teacher.name)
        assert isinstance(found, Teacher) and found.task == teacher.task
    with pytest.raises(UnknownName, match="of which there are none yet"):
        dass.load_predictor(store)
