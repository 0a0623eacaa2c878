"""A store for the service: the shipped predictor from wherever the line is run, and a teacher."""

from dataclasses import replace
from pathlib import Path

import pytest

from dass.registry import zoo
from dass.registry.registry import Registry
from dass.store.store import Store
from jobs.prepare import prepare
from jobs.presets import micro
from tests.support.serving import any_teacher
from tests.support.serving import prepare as stock


@pytest.fixture
def config(tmp_path, monkeypatch):
    """Preset `micro` in an empty folder; the store has the teacher, so that none is trained."""
    monkeypatch.chdir(tmp_path)
    config = replace(micro.prepare(), store="store")
    Registry(Store("store")).put_teacher(any_teacher(config.teacher), {"recipe": "own"})
    return config


def test_the_shipped_predictor_is_found_from_every_folder(config, monkeypatch):
    trained = []
    monkeypatch.setattr("jobs.prepare.train_predictor", trained.append)
    prepare(config)
    kept, shipped = Registry(Store("store")).predictor("predictor"), zoo.predictor()
    assert not trained and kept[1] == shipped[1] and Path("store/predictors").is_dir()


def test_where_none_is_shipped_one_is_made(config, monkeypatch):
    asked = []
    monkeypatch.setattr("jobs.prepare.build", asked.append)
    monkeypatch.setattr("jobs.prepare.train_predictor", asked.append)
    assert prepare(replace(config, zoo="nowhere")) == [config.teacher]
    assert [made.store for made in asked] == ["store", "store"]


def test_what_is_in_the_store_stays(config):
    stock("zoo")
    assert prepare(replace(config, zoo="zoo")) == ["digits", "ood"]
    files = [path for path in Path("store").rglob("*") if path.is_file()]
    for path in files:
        path.write_bytes(b"a user's own")
    prepare(replace(config, zoo="zoo"))
    assert {path.read_bytes() for path in files} == {b"a user's own"}
