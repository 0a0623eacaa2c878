"""Every example runs to its end from any folder, and leaves nothing there."""

import runpy
import sys
from pathlib import Path

import pytest

from examples.own_scorer import TestThrifty

__all__ = ["TestThrifty"]  # the contract that the example shows: its tests run here

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))
MOST_LINES = 60


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs_from_any_folder_and_writes_nothing_there(
    path, tmp_path, monkeypatch, capsys
):
    here, scratch = tmp_path / "here", tmp_path / "scratch"
    here.mkdir()
    scratch.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("TMPDIR", str(scratch))
    monkeypatch.setattr("tempfile.tempdir", None)  # so that it is read again
    monkeypatch.setattr(sys, "argv", [str(path)])
    runpy.run_path(str(path), run_name="__main__")
    assert len(capsys.readouterr().out.splitlines()) >= 3
    assert not list(here.iterdir())


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_short_and_says_how_to_run_it(path):
    text = path.read_text()
    assert len(text.splitlines()) <= MOST_LINES
    assert f"    python examples/{path.name}\n" in text.split('"""')[1]
