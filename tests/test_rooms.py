"""The rooms of the house: who may import whom, read from the sources; and life without Ray."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = {"cluster", "dass", "jobs", "serve"}
MAY_IMPORT = {
    "dass": {"dass"},
    "cluster": {"cluster"},
    "jobs": {"jobs", "dass", "cluster"},
    "serve": {"serve", "dass", "cluster"},
}
MODULES = [path for room in sorted(OURS) for path in sorted((ROOT / room).glob("**/*.py"))]
NAMES = [str(path.relative_to(ROOT)) for path in MODULES]
MOST_LINES = 400


def nodes(tree, *, into_functions):
    """Walk a syntax tree, entering function bodies or leaving them out."""
    yield tree
    for child in ast.iter_child_nodes(tree):
        if into_functions or not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from nodes(child, into_functions=into_functions)


def imports(source, *, into_functions=True):
    """Return the top names of all imports; a relative one is its dots."""
    found = set()
    for node in nodes(ast.parse(source), into_functions=into_functions):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add("." * node.level or str(node.module).split(".")[0])
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else node.func
            called = called.id if isinstance(called, ast.Name) else called
            if called in {"import_module", "__import__", "run_module"}:
                found.add(str(node.args[0].value).split(".")[0])
    return found


def test_the_reader_finds_every_kind_of_import():
    source = """
import a.b
from c.d import e
from . import f
try:
    import g
except ImportError:
    pass
def function():
    import h
    importlib.import_module("i.j")
    __import__("k")
"""
    assert imports(source) == {"a", "c", ".", "g", "h", "i", "k"}
    assert imports(source, into_functions=False) == {"a", "c", ".", "g"}


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_a_room_imports_only_the_rooms_it_may(path):
    room = path.relative_to(ROOT).parts[0]
    found = imports(path.read_text())
    assert found & OURS <= MAY_IMPORT[room]
    assert not found & {".", "..", "tests", "benchmarks"}


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_ray_is_imported_only_where_it_is_driven(path):
    name = str(path.relative_to(ROOT))
    if not name.startswith("cluster/") and name not in {"jobs/tune.py", "serve/app.py"}:
        assert "ray" not in imports(path.read_text())


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_torchvision_is_imported_only_when_it_is_needed(path):
    assert "torchvision" not in imports(path.read_text(), into_functions=False)


def test_no_module_is_a_drawer_for_everything():
    drawers = {"utils", "common", "constants", "config", "base"}
    assert not [name for path, name in zip(MODULES, NAMES, strict=True) if path.stem in drawers]


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_a_module_can_be_read_in_one_sitting(path):
    if not path.stem.endswith(("_pb2", "_pb2_grpc")):
        assert len(path.read_text().splitlines()) <= MOST_LINES


BLOCKER = """
import sys


class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "ray":
            raise ImportError("Ray is not installed here")


sys.meta_path.insert(0, Blocker())
"""

WITHOUT_RAY = """
import importlib, sys
from dataclasses import replace

try:
    import ray
except ImportError as error:
    assert "not installed here" in str(error)
else:
    raise AssertionError("Ray must be blocked")
for name in sys.argv[2:]:
    importlib.import_module(name)
from jobs.presets import micro
from jobs.build import build

base = micro.build()
build(replace(
    base, store=sys.argv[1], splits=base.splits[:1], pool=2, own=0, seeds=1, workers=1,
    teacher=replace(base.teacher, epochs=2), student=replace(base.student, epochs=1),
))
assert "ray" not in sys.modules and "torchvision" not in sys.modules
"""


def test_without_ray_all_of_dass_imports_and_a_build_runs_to_its_end(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(BLOCKER)
    modules = [
        name.removesuffix(".py").replace("/", ".")
        for name in NAMES
        if name.startswith("dass/") and not name.endswith("__init__.py")
    ]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_RAY, str(tmp_path / "store"), *modules],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "students: 2 planned, 0 in the store" in done.stdout
    assert len(list((tmp_path / "store" / "records").glob("*.parquet"))) == 2
