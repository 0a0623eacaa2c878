"""From images of three origins to a search that looks at images, through the jobs."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dass.data.task import TaskConfig
from dass.evaluation.left_out import INFORMED, INHERITANCE
from dass.predictor.meta_config import MetaConfig
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


def teacher_of(made):
    (name,) = Registry(Store(made.store)).teachers_of("unseen")
    return name


def test_a_cross_validation_measures_what_students_inherit_and_keeps_it(built, tmp_path):
    made, train = built
    copy = tmp_path / "store"
    shutil.copytree(made.store, copy)
    asked = CrossValidateConfig(train=replace(train, store=str(copy)))
    found = cross_validate(asked)
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
        again = cross_validate(asked)
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
