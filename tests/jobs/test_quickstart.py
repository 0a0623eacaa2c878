"""The first run: what ships is searched, distilled and compared; nobody has seen its images."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dass.data.rendered.catalogue import CATALOGUE
from dass.errors import InvalidConfig
from dass.registry import zoo
from dass.registry.registry import Registry
from dass.searching.evolution import SearchConfig
from dass.store.store import Store
from jobs.planning.contenders import KINDS, ContestConfig
from jobs.planning.outcome import difference
from jobs.presets import benchmark_tasks, fashion, micro
from jobs.quickstart import main

FORMS = (
    "gtsrb",
    "trashnet",
    "flowers5",
    "neusteel",
    "dtd10",
    "kannada",
    "omniglot",
    "fruitshapes",
)
WITHOUT_CLOTHES = {f"npz:data/{name}.npz" for name in ("cifar10", "spokendigits", *FORMS)}
WITHOUT_CLOTHES |= {f"rendered:{name}" for name in CATALOGUE if name != "emoji"}
"""Sources that show no clothes at all; of others a task must leave them out by name."""


def test_the_shipped_predictor_has_seen_no_clothes():
    _, card = zoo.predictor()
    teachers = [*card["train_teachers"], *card["validation_teachers"]]
    tasks = {name: task for name, (task, _) in zoo.registry().tasks().items()}
    assert len(teachers) > 20
    for teacher in teachers:
        task = tasks[teacher.split(".")[1]]
        seen = set(benchmark_tasks.CLOTHES) - set(task.exclude)
        seen &= set(task.only) or seen
        assert task.source in WITHOUT_CLOTHES or not seen, (
            f"teacher {teacher} of {task.source} may show clothes; leave benchmark_tasks.CLOTHES "
            "out of its task, or name its source in WITHOUT_CLOTHES if it has none"
        )


def test_the_first_run_asks_for_what_the_zoo_has():
    config = fashion.quickstart()
    predictor, _ = zoo.predictor()
    assert predictor.config.recipe == config.build.student.name
    assert config.shipped.teacher in zoo.teachers()
    assert zoo.registry().teachers_of("unseen")[config.shipped.teacher].startswith("fashion")


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The first run on a tenth of its images, with one training each."""
    store = tmp_path_factory.mktemp("store")
    config = fashion.quickstart()
    return replace(
        config,
        build=replace(config.build, store=str(store), engine="inline", workers=1),
        shipped=replace(config.shipped, task=replace(config.shipped.task, train_per_class=13)),
        contest=ContestConfig(
            fractions=(0.3,), seeds=1, search=SearchConfig(candidates=30, generation=30)
        ),
        report=str(store / "report.html"),
    )


def test_the_first_run_compares_exports_and_goes_on_where_it_stood(small, capsys):
    main(small)
    printed = capsys.readouterr().out
    for kind in KINDS:
        assert f"30% of FLOPs  {kind}".replace(" ", "") in printed.replace(" ", "")
    assert "searched less random: " in printed
    page = Path(small.report).read_text()
    assert page.count("data:image/png") == 2 and "a demonstration" in page
    registry = Registry(Store(small.build.store))
    records = registry.records()
    assert len(records) == 3 and {r.teacher for r in records} == {"fashion"}
    (student,) = {key.split("/")[1] for key in registry.store.list("students")}
    assert registry.store.exists(f"students/{student}/model.onnx")
    assert json.loads(registry.store.read("teachers/fashion/config.json"))["accuracy"] == 0.812
    main(small)
    assert Registry(Store(small.build.store)).records() == records, "nothing is done twice"


def test_a_first_run_either_learns_or_takes_what_is_shipped():
    learning, taking = micro.quickstart(), fashion.quickstart()
    for wrong in (
        {"train": None},
        {"shipped": taking.shipped},
        {"build": replace(learning.build, splits=())},
    ):
        with pytest.raises(InvalidConfig, match="either learn"):
            replace(learning, **wrong)


def test_a_difference_of_trainings_has_welchs_interval():
    """Variances 1 and 7: a standard error of sqrt(8/3), 2.56 degrees of freedom, t of 2.53."""
    text = difference(np.array([80.0, 81.0, 82.0]), np.array([78.0, 79.0, 83.0]))
    assert text == "+1.0 points (90% interval -3.1 to +5.1)"
    assert difference(np.array([80.0]), np.array([81.5])) == "-1.5 points"
