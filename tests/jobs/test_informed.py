"""From images of three origins to a search that looks at images, through the jobs."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from dass.data.task import TaskConfig
from dass.errors import InvalidConfig, InvalidData
from dass.evaluation.comparison_config import EvaluateConfig
from dass.evaluation.left_out import DEAF, INFORMED, INHERITANCE, MEMBERS, SURROGATE
from dass.evaluation.transfer import BOTH, SHIPPED, THERE
from dass.predictor.ensemble import Ensemble
from dass.predictor.meta_config import MetaConfig
from dass.predictor.network import Predictor
from dass.predictor.network_config import PredictorConfig
from dass.registry import zoo
from dass.registry.inherited import read_inherited
from dass.registry.registry import Registry
from dass.searching.evolution_config import SearchConfig
from dass.store.store import Store
from jobs.build import build
from jobs.closed_loop import close
from jobs.configs.closed_loop import ClosedLoopConfig
from jobs.configs.contest import ContestConfig
from jobs.configs.cross_validate import CrossValidateConfig
from jobs.configs.search import SearchJobConfig
from jobs.cross_validate import cross_validate
from jobs.cross_validate import main as keep_scores
from jobs.evaluate import main as evaluate
from jobs.planning.contenders import LOOKED, SEARCHED
from jobs.planning.plan import LabelPlan, SplitPlan
from jobs.presets import micro
from jobs.search import find, main
from jobs.train import train_predictor

ORIGINS = ("stripes", "spots", "ramps")
QUICK = SearchConfig(candidates=60, generation=30)


def drawn(name, seed):
    """Draw 3 classes of 8 px pictures that differ by how fine or steep they are."""
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(3), 60)
    places = np.arange(8) / 8
    pictures = []
    for label in labels:
        phase, fine = generator.random(), (1, 2, 3)[label]
        wave = np.sin(2 * np.pi * (fine * places + phase))
        plane = {
            "stripes": np.tile(wave, (8, 1)),
            "spots": np.outer(wave, wave),
            "ramps": np.outer(places ** (label + 0.3), np.ones(8)) * 2 - 1,
        }[name]
        plane = plane + generator.normal(0, 0.6, plane.shape)
        pictures.append(np.repeat(np.clip(127 + 80 * plane, 0, 255)[..., None], 3, axis=2))
    return np.array(pictures, dtype=np.uint8), labels


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    root = tmp_path_factory.mktemp("informed")
    splits = []
    for seed, name in enumerate(ORIGINS):
        images, labels = drawn(name, seed)
        np.savez(root / f"{name}.npz", images=images, labels=labels)
        for share in (20, 24):
            task = TaskConfig(
                source=f"npz:{root / name}.npz", train_per_class=share, validation_per_class=15
            )
            role = "unseen" if name == "ramps" and share == 20 else "train"
            splits.append(SplitPlan(role=role, task=task, labels=LabelPlan(seeds=1, per_task=2)))
    base = micro.build()
    made = replace(
        base,
        store=str(root / "store"),
        splits=tuple(splits),
        pool=8,
        teacher=replace(base.teacher, epochs=4),
        student=replace(base.student, epochs=1),
        workers=1,
    )
    build(made)
    train = replace(
        micro.train(),
        store=made.store,
        recipe=made.student.name,
        members=1,
        folds=3,
        hear=False,
        roles=("train", "unseen"),
        meta=MetaConfig(episodes=2, queries=6, validate_every=1),
    )
    train_predictor(train)
    return made, train


@pytest.fixture(scope="module")
def beside(built, tmp_path_factory):
    """The store after a cross-validation beside its own labels, and the scores."""
    made, train = built
    copy = tmp_path_factory.mktemp("beside") / "store"
    shutil.copytree(made.store, copy, ignore=shutil.ignore_patterns("folds"))
    keep_scores(CrossValidateConfig(train=replace(train, store=str(copy)), beside=made.store))
    return copy, pd.read_parquet(copy / "evidence" / "left-out.parquet")


def test_labels_of_a_space_beside_itself_teach_what_they_taught(beside):
    _, found = beside
    deaf, there = (
        found[found["scorer"] == name].sort_values(["teacher", "architecture"])["score"]
        for name in (DEAF, THERE.format(space="micro"))
    )
    assert np.allclose(deaf, there, atol=1e-9) and len(deaf) == 6 * 10
    assert {SHIPPED.format(space="micro"), BOTH} <= set(found["scorer"])


def test_without_hearing_no_network_is_trained(beside):
    store, found = beside
    assert not (store / "folds").exists()
    assert not {MEMBERS, SURROGATE} & set(found["scorer"])


def test_the_second_comparison_can_be_shown_alone(beside, built, capsys):
    store, _ = beside
    asked = EvaluateConfig(
        store=str(store), space="micro", student=built[0].student, pool=0, first=False
    )
    evaluate(asked)
    shown = capsys.readouterr().out
    assert "labels of both spaces" in shown and "First comparison" not in shown
    assert (store / "evaluations" / "evidence.md").read_text() in shown


def test_without_scores_there_is_no_second_comparison_to_show(built):
    made, _ = built
    asked = EvaluateConfig(store=made.store, space="micro", student=made.student, first=False)
    with pytest.raises(InvalidData, match="dass cross_validate"):
        evaluate(asked)


def test_a_predictor_that_hears_networks_is_not_applied_elsewhere(built, tmp_path):
    made, train = built
    copy = tmp_path / "store"
    shutil.copytree(made.store, copy)
    train_predictor(replace(train, store=str(copy), hear=True, folds=2))
    with pytest.raises(InvalidConfig, match="surrogate of size, shape and teacher"):
        cross_validate(CrossValidateConfig(train=train, beside=str(copy)))


def test_a_space_with_shipped_files_of_its_own_is_searched_by_their_predictor(
    built, tmp_path, monkeypatch
):
    made, _ = built
    monkeypatch.setattr(zoo, "ROOT", tmp_path)
    empty = Registry(Store(str(tmp_path / "empty")))
    shutil.copytree(Path(made.store) / "predictors", tmp_path / "micro" / "predictors")
    ensemble, _, shipped = zoo.predictor_for(empty, "predictor", space="micro")
    assert shipped and ensemble.config.space == "micro"
    # A store whose own predictor is for another space has none for this one.
    other = Registry(Store(str(tmp_path / "other")))
    config = PredictorConfig(space="small", recipe="kd4")
    stranger = Predictor(config, generator=torch.Generator().manual_seed(0))
    other.put_predictor("predictor", Ensemble((stranger,)), {})
    ensemble, _, shipped = zoo.predictor_for(other, "predictor", space="micro")
    assert shipped and ensemble.config.space == "micro"
    _, _, shipped = zoo.predictor_for(other, "predictor", space="small")
    assert not shipped


def teacher_of(made):
    (name,) = Registry(Store(made.store)).teachers_of("unseen")
    return name


def test_a_cross_validation_measures_what_students_inherit_and_keeps_it(built, beside, tmp_path):
    made, train = built
    store, found = beside
    copy = tmp_path / "store"
    shutil.copytree(store, copy)
    scorers = {INFORMED, INHERITANCE, f"FLOPs + {INHERITANCE}", f"{INFORMED}, 4 measured"}
    assert scorers <= set(found["scorer"])
    registry = Registry(Store(str(copy)))
    for name in registry.teachers():
        own = {r.architecture for r in registry.records() if r.teacher == name}
        kept = read_inherited(registry.store, name)
        assert own <= set(kept) and all(agreement <= 1 for agreement, _ in kept.values())
    for task in copy.glob("tasks/*.json"):  # images are gone: what is kept does
        task.write_text(task.read_text().replace("npz:", "npz:gone"))
    for name in ORIGINS:
        (Path(made.store).parent / f"{name}.npz").rename(tmp_path / f"{name}.npz")
    try:
        again = cross_validate(CrossValidateConfig(train=replace(train, store=str(copy))))
    finally:
        for name in ORIGINS:
            (tmp_path / f"{name}.npz").rename(Path(made.store).parent / f"{name}.npz")
    same = [frame[frame["scorer"] == INFORMED]["score"].to_numpy() for frame in (found, again)]
    assert np.allclose(*same, atol=1e-4)


def test_a_search_looks_at_the_best_and_keeps_another_ranking(built, capsys):
    made, _ = built
    asked = SearchJobConfig(store=made.store, teacher=teacher_of(made), search=QUICK)
    plain, _ = find(asked)
    looked, facts = find(replace(asked, look=10))
    assert facts["look"] == 10 and looked.scored == plain.scored
    assert [p.accuracy for p in looked.top] != [p.accuracy for p in plain.top]
    main(replace(asked, look=10))
    assert "-look10" in capsys.readouterr().out


def test_a_student_that_was_looked_at_competes(built):
    made, _ = built
    contest = ContestConfig(seeds=1, search=QUICK, fractions=(0.5,), beside=("random",))
    head, rows = close(ClosedLoopConfig(build=made, contest=contest, look=10))
    assert head[1:4] == [SEARCHED, LOOKED, "random"] and len(rows) == 2
