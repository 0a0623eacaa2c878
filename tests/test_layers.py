"""The rooms of the house: who may import whom, read from the sources."""

import ast
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


def imports(path, *, top_level_only=False):
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_level_only else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_room_imports_only_the_rooms_it_may(path):
    room = path.relative_to(ROOT).parts[0]
    assert set(imports(path)) & OURS <= MAY_IMPORT[room]


def test_ray_is_imported_only_where_it_is_driven():
    found = {str(p.relative_to(ROOT)) for p in MODULES if "ray" in imports(p)}
    assert all(
        name.startswith("cluster/") or name in {"jobs/tune.py", "serve/app.py"} for name in found
    )


def test_torchvision_is_never_imported_at_module_level():
    assert not [p for p in MODULES if "torchvision" in imports(p, top_level_only=True)]


def test_no_module_is_a_drawer_for_everything():
    drawers = {"utils", "common", "constants", "config", "base"}
    assert not [p for p in MODULES if p.stem in drawers]
