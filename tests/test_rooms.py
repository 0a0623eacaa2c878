"""The rooms of the house: who may import whom, read from the sources; and life without Ray.

Imports inside functions and under `TYPE_CHECKING` count like all others. The block under
`if __name__ == "__main__":` is apart: it runs only where its module is the program.
"""

import ast
import os
import subprocess
import sys
from pathlib import Path

import dass

ROOT = Path(__file__).parents[1]
OURS = ("cluster", "dass", "jobs", "serve")
MAY_IMPORT = {
    "dass": {"dass"},
    "cluster": {"cluster"},
    "jobs": {"jobs", "dass", "cluster"},
    "serve": {"serve", "dass", "cluster"},
}
GENERATED = ("_pb2", "_pb2_grpc")

VERBS = (
    *(
        "build",
        "convert",
        "adopt",
        "train",
        "tune",
        "latency",
        "search",
        "verify",
        "distill",
        "compress",
        "evaluate",
        "cross_validate",
    ),
    *("closed_loop", "publish", "compact", "status", "prepare", "quickstart"),
)
ORDER = [
    *(
        "dass.errors",
        "dass.decoding",
        "dass.space",
        "dass.store",
        "dass.data",
        "dass.networks",
        "dass.training",
    ),
    *("dass.predictor", "dass.searching", "dass.baselines", "dass.registry", "dass.evaluation"),
    *("dass.pipeline", "dass.testing", "dass"),
    *("cluster.tracing", "cluster.session", "cluster.progress", "cluster.metrics"),
    *("cluster.fleet", "cluster.rehearsal", "cluster.deploy", "cluster"),
    *("jobs.console", "jobs.planning.quantity", "jobs.configs", "jobs.planning"),
    *(f"jobs.{verb}" for verb in VERBS),
    *(
        "jobs.options",
        "jobs.verbs",
        "jobs.presets",
        "jobs.rehearsal",
        "jobs.cli",
        "jobs.completion",
        "jobs",
    ),
    "serve",
]
"""Each line imports only lines above it, or its own room; a name stands for all below it."""
VERB_LINE = ORDER.index(f"jobs.{VERBS[0]}")

PATHS = [path for room in OURS for path in sorted((ROOT / room).glob("**/*.py"))]


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in PATHS}
TREES = {name: ast.parse(path.read_text()) for name, path in MODULES.items()}


# --- reading imports -----------------------------------------------------------------------


def is_main_block(node):
    """Return whether a statement is `if __name__ == "__main__":`."""
    return isinstance(node, ast.If) and "__name__" in ast.unparse(node.test)


def nodes(tree, *, into_functions=True, main_block=False):
    """Walk a syntax tree, entering function bodies and main blocks or leaving them out."""
    yield tree
    for child in ast.iter_child_nodes(tree):
        function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
        if (into_functions or not function) and (main_block or not is_main_block(child)):
            yield from nodes(child, into_functions=into_functions, main_block=main_block)


def imported(node, modules=MODULES):
    """Return the modules that one statement imports; a relative import is its dots."""
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    if isinstance(node, ast.ImportFrom):
        module = "." * node.level + (node.module or "")
        names = {f"{module}.{alias.name}" for alias in node.names}
        return {name if name in modules else module for name in names}
    if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        called = node.func.attr if isinstance(node.func, ast.Attribute) else node.func
        called = called.id if isinstance(called, ast.Name) else called
        if called in {"import_module", "__import__", "run_module"}:
            return {str(node.args[0].value)}
    return set()


def imports(tree, **walk):
    """Return the names of all modules that a tree imports."""
    return {name for node in nodes(tree, **walk) for name in imported(node)}


def tops(names):
    """Return first parts; of a relative import its dots."""
    return {"." if name.startswith(".") else name.split(".")[0] for name in names}


def line_of(name):
    """Return the line of ORDER on which a module stands: the longest name that holds it."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        room = ".".join(parts[:end])
        # A package's own line is that of its front door; its modules must be named.
        if room in ORDER and (room == name or room not in OURS or room == "serve"):
            return ORDER.index(room)
    raise AssertionError(f"{name} must stand in ORDER; give it the line that it belongs on")


GRAPH = {
    name: {found for found in imports(tree) if found in MODULES} for name, tree in TREES.items()
}


def circle(graph):
    """Return modules that import each other in a ring, or nothing if there are none."""
    done, path = set(), []

    def visit(name):
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return []
        path.append(name)
        for other in sorted(graph[name]):
            if found := visit(other):
                return found
        path.pop()
        done.add(name)
        return []

    return next((found for name in graph if (found := visit(name))), [])


def test_the_reader_finds_every_kind_of_import():
    source = """
import a.b
from c.d import e
from . import f
try:
    import g
except ImportError:
    pass
if TYPE_CHECKING:
    import l
def function():
    import h
    importlib.import_module("i.j")
    __import__("k")
if __name__ == "__main__":
    import m
"""
    tree = ast.parse(source)
    assert imports(tree) == {"a.b", "c.d", ".", "g", "h", "i.j", "k", "l"}
    assert imports(tree, into_functions=False) == {"a.b", "c.d", ".", "g", "l"}
    assert imports(tree, main_block=True) - imports(tree) == {"m"}
    node = ast.parse("from a import b, c").body[0]
    assert imported(node, {"a", "a.b"}) == {"a", "a.b"}


def test_the_reader_finds_circles_of_any_length():
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert circle({"a": {"a"}}) == ["a", "a"]
    assert not circle({"a": {"b", "c"}, "b": {"c"}, "c": set()})


# --- who imports whom ----------------------------------------------------------------------


def test_a_package_imports_only_the_packages_it_may():
    for name, tree in TREES.items():
        found = tops(imports(tree, main_block=True))
        assert found & set(OURS) <= MAY_IMPORT[name.split(".")[0]], name
        assert not found & {".", "tests", "benchmarks", "examples"}, name


def test_a_module_imports_only_lines_above_its_own():
    for name, imported_ones in GRAPH.items():
        line = line_of(name)
        below = {other for other in imported_ones if line_of(other) > line}
        if VERB_LINE <= line < VERB_LINE + len(VERBS):
            # Verbs use each other; no circle is asked of them below.
            below = {other for other in below if line_of(other) >= VERB_LINE + len(VERBS)}
        assert not below, f"each line of ORDER imports only lines above it, but {name} more"


def test_no_module_imports_itself_by_a_detour():
    assert not circle(GRAPH)


def test_a_main_block_imports_the_command_line_alone():
    for name, tree in TREES.items():
        apart = imports(tree, main_block=True) - imports(tree)
        # The service finds its deployments under the name that replicas import them by.
        own = {name} if name == "serve.app" else {"jobs.cli"}
        assert apart & set(MODULES) <= own, name


def test_packages_import_nothing_so_that_their_modules_may_be_imported_in_any_order():
    packages = [name for name, path in MODULES.items() if path.stem == "__init__"]
    assert [name for name in packages if GRAPH[name]] == ["cluster.fleet", "dass"]


def test_ray_is_imported_only_where_it_is_driven():
    for name, tree in TREES.items():
        if not name.startswith("cluster.") and name not in {"jobs.tune", "serve.app"}:
            assert "ray" not in tops(imports(tree, main_block=True)), name


def test_torchvision_is_imported_only_when_it_is_needed():
    for name, tree in TREES.items():
        assert "torchvision" not in tops(imports(tree, into_functions=False)), name


# --- names and sizes -----------------------------------------------------------------------


def test_no_module_is_a_drawer_for_everything():
    drawers = {"utils", "common", "constants", "config", "base", "helpers", "misc"}
    assert not [name for name in MODULES if name.split(".")[-1] in drawers]


def test_no_module_bears_the_name_of_a_public_function():
    functions = {n for n in dass.__all__ if callable(getattr(dass, n)) and n.islower()}
    assert {"search", "distill"} <= functions
    shadows = [n for n in MODULES if n.startswith("dass.") and n.split(".")[-1] in functions]
    assert not shadows


MOST_LINES, MOST_LINES_OF_A_FUNCTION, MOST_POSITIONAL = 300, 40, 3


def test_a_module_can_be_read_in_one_sitting():
    lengths = {name: len(path.read_text().splitlines()) for name, path in MODULES.items()}
    own = {name: length for name, length in lengths.items() if not name.endswith(GENERATED)}
    assert own and not {name for name, length in own.items() if length > MOST_LINES}


def functions(name):
    """Yield qualified name and node of every function of a module, methods and inner ones too."""

    def walk(node, prefix):
        for child in ast.iter_child_nodes(node):
            named = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            inner = f"{prefix}.{child.name}" if named else prefix
            if named and not isinstance(child, ast.ClassDef):
                yield inner, child
            yield from walk(child, inner)

    if not name.endswith(GENERATED):
        yield from walk(TREES[name], name)


def lines(function):
    """Count the lines of a function without its docstring: promises may be as long as need be."""
    count = function.end_lineno - function.lineno + 1
    if ast.get_docstring(function):
        count -= function.body[0].end_lineno - function.body[0].lineno + 1
    return count


def positional(function):
    """Count the arguments that a call may give by position; the instance is none."""
    names = [a.arg for a in (*function.args.posonlyargs, *function.args.args)]
    return len(names) - (names[:1] in (["self"], ["cls"]))


def test_a_function_is_short_and_takes_few_arguments_by_position():
    found = {function: node for name in MODULES for function, node in functions(name)}
    long = {f for f, node in found.items() if lines(node) > MOST_LINES_OF_A_FUNCTION}
    many = {f for f, node in found.items() if positional(node) > MOST_POSITIONAL}
    assert not long and not many


# --- without Ray ---------------------------------------------------------------------------

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
    base, store=sys.argv[1], splits=base.splits[:1], pool=2, per_task=0, seeds=1, workers=1,
    teacher=replace(base.teacher, epochs=2), student=replace(base.student, epochs=1),
))
assert "ray" not in sys.modules and "torchvision" not in sys.modules
"""


def test_without_ray_all_of_dass_imports_and_a_build_runs_to_its_end(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(BLOCKER)
    modules = [name for name in MODULES if name.startswith("dass.")]
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
