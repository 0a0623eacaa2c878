"""What HTTP answers beyond `dass.proto`: choices to compare a search with, and datasets."""

import json
from dataclasses import replace

import pytest

from dass.baselines.choices import largest_in_budget, random_in_budget
from dass.data.task_config import TaskConfig
from dass.searching.evolution_config import SearchConfig
from dass.space.cost import Budget
from serve.limits import Limits
from serve.ranker import Ranker
from tests.serve.test_ranker import asgi
from tests.support.serving import LIMITS, TOKEN, any_teacher, prepare

ASKED = {"teacher": "digits", "max_flops_share": 0.4, "candidates": 80, "seed": 3}


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    return prepare(tmp_path_factory.mktemp("prepared"))


@pytest.fixture(scope="module")
def ranker(registry):
    return Ranker.open(registry, limits=Limits(**LIMITS))


def test_choices_are_the_baselines_of_the_library_scored_like_any_student(ranker, registry):
    answer = asgi(ranker, "POST", "/v1/choices", ASKED)
    assert answer.status_code == 200
    found, teacher = answer.json(), registry.teacher("digits")
    budget = Budget(max_flops=int(0.4 * ranker.facts("digits").flops))
    config = SearchConfig(candidates=80, seed=3)
    expected = {
        "largest": str(largest_in_budget(teacher, budget, config=config)),
        "random": str(random_in_budget(teacher, budget, seed=3)),
        "teacher": str(ranker.space.largest),
    }
    assert {name: p["architecture"] for name, p in found.items()} == expected
    body = {"teacher": "digits", "architectures": list(expected.values())}
    scored = asgi(ranker, "POST", "/v1/score", body).json()["predictions"]
    for p, q in zip(found.values(), scored, strict=True):
        assert p == q | {
            "accuracy": pytest.approx(q["accuracy"], abs=1e-6),
            "uncertainty": pytest.approx(q["uncertainty"], abs=1e-6),
        }
    assert found["random"]["flops"] <= found["largest"]["flops"] <= budget.max_flops


def test_measured_students_move_the_choices_as_they_move_a_search(ranker):
    support = [{"architecture": str(ranker.space.smallest), "validation_accuracy": 0.1}]
    plain = asgi(ranker, "POST", "/v1/choices", ASKED).json()
    adapted = asgi(ranker, "POST", "/v1/choices", ASKED | {"support": support}).json()
    for name in plain:
        assert plain[name]["architecture"] == adapted[name]["architecture"]
        assert plain[name]["accuracy"] != adapted[name]["accuracy"]


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"teacher": "nobody"}, 404, "UnknownName"),
        ({"max_flops_share": 1e-9}, 422, "InfeasibleBudget"),
        ({"candidates": 10**9}, 413, "TooLarge"),
        ({"stream": True}, 422, "InvalidRequest"),
    ],
)
def test_choices_are_refused_as_a_search_is(ranker, change, status, code):
    answer = asgi(ranker, "POST", "/v1/choices", ASKED | change)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_choices_need_the_token(ranker):
    assert asgi(ranker, "POST", "/v1/choices", ASKED, token=TOKEN).status_code == 401


@pytest.mark.parametrize(
    ("source", "dataset"),
    [("npz:/srv/private/flowers5.npz", "flowers5"), ("digits", "digits"), ("CIFAR10", "cifar10")],
)
def test_a_teachers_dataset_is_named_without_its_place(ranker, registry, source, dataset):
    teacher = replace(any_teacher("of-a-task", seed=8), task=TaskConfig(source=source))
    registry.put_teacher(teacher, {"recipe": "own"})
    try:
        answer = asgi(ranker, "GET", "/v1/teachers")
        assert "private" not in answer.text
        found = {t["name"]: t["dataset"] for t in answer.json()["teachers"]}
        assert found == {"digits": None, "of-a-task": dataset, "ood": None}
        assert asgi(ranker, "GET", "/v1/teachers/of-a-task").json()["dataset"] == dataset
    finally:
        registry.drop_teacher("of-a-task")


def test_a_manifest_of_an_unknown_source_has_no_dataset_and_hides_no_teacher(ranker, registry):
    registry.put_teacher(any_teacher("odd", seed=8), {"recipe": "own"})
    try:
        key = "teachers/odd/config.json"
        manifest = json.loads(registry.store.read(key))
        for task in ({"source": "of another version"}, {"source": 3}, {}, "none"):
            registry.store.write(key, json.dumps(manifest | {"task": task}).encode())
            assert asgi(ranker, "GET", "/v1/teachers/odd").json()["dataset"] is None
    finally:
        registry.drop_teacher("odd")
