"""The wheel: what is installed without a checkout has all that the first lines ask for."""

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

LINES = """
import sys

sys.path[:0] = [sys.argv[1]]  # what the wheel has, before everything that it depends on
sys.path += sys.argv[3:]

import dass

predictor, card = dass.zoo.predictor()
(name,) = dass.zoo.teachers()
teacher = dass.zoo.teacher(name)
answer = dass.search(predictor, teacher, dass.Budget.of(teacher, flops=0.5), candidates=20)
assert card and answer.top and answer.pareto

from dataclasses import replace

from jobs import cli, prepare, quickstart

_, first_run = cli.presets("quickstart")["fashion"]
first_run = replace(first_run, build=replace(first_run.build, store=sys.argv[2]))
assert quickstart.stock(first_run) == "fashion"
assert quickstart.labelled(first_run, "fashion")
_, service = cli.presets("prepare")["micro"]
named = replace(dass.load_teacher(sys.argv[2], "fashion"), name=service.teacher)
store = dass.open_store(sys.argv[2] + "-of-the-service")
store.put_teacher(named, {"recipe": "shipped"})  # else one is trained
assert prepare.prepare(replace(service, store=store.store.root)) == sorted([name, named.name])
assert dass.load_predictor(store).members

homes = {m.__file__ for n, m in sys.modules.items() if n.split(".")[0] in ("dass", "jobs")}
assert homes and all(home.startswith(sys.argv[1]) for home in homes), homes
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of this tree, made offline."""
    into = tmp_path_factory.mktemp("wheel")
    made = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(into)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert made.returncode == 0, made.stderr
    (path,) = into.glob("*.whl")
    return path


def test_it_holds_types_licences_and_the_shipped_files_and_stays_small(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    shipped = "dass/registry/shipped"
    assert {
        *("dass/py.typed", "cluster/py.typed"),
        *("dass/data/fashion.npz", "dass/data/fashion.LICENSE"),
        *(f"{shipped}/predictors/predictor/config.json", f"{shipped}/README.md"),
        *("serve/page/index.html", "serve/dass.proto", "serve/config.yaml"),
    } <= names
    licences = {name.split("/licenses/")[1] for name in names if "/licenses/" in name}
    assert licences == {"LICENSE", "NOTICE", "dass/data/fashion.LICENSE"}
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {
        *("cluster", "dass", "jobs", "serve")
    }
    assert wheel.stat().st_size < 12e6


def test_without_a_checkout_a_teacher_is_searched_and_the_first_run_begins(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    # Isolated and without `site`, no .pth file is read: what is installed editable stays unseen.
    start = [sys.executable, "-I", "-S", "-c", LINES]
    packages = dict.fromkeys(sysconfig.get_path(kind) for kind in ("purelib", "platlib"))
    done = subprocess.run(
        [*start, str(tmp_path / "site"), str(tmp_path / "store"), *packages],
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
