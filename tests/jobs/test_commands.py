"""What a command line forgives, what it says, and how it ends."""

import errno
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from dass.errors import CorruptArtifact, InvalidConfig, NoPredictor, UnknownName
from dass.networks.resnet import ResNet
from dass.networks.teacher import Teacher
from dass.registry import zoo
from dass.registry.registry import Registry
from dass.space.spaces import by_name
from dass.store.store import Store
from jobs import cli, console
from jobs.build import following
from jobs.planning.quantity import count
from jobs.presets import benchmark, micro, small
from jobs.search import SearchJobConfig, budget_for, find, never_binds
from tests.support.serving import any_teacher


def small_teacher(name="mine"):
    space = by_name("small")
    network = ResNet(space, space.largest, num_classes=4)
    return Teacher(name=name, network=network.eval(), accuracy=0.7)


@pytest.fixture
def registry(tmp_path):
    """A store with two teachers, of spaces small and micro, and nothing else."""
    made = Registry(Store(str(tmp_path / "my store")))
    made.put_teacher(small_teacher(), {"recipe": "own"})
    made.put_teacher(any_teacher("digits"), {"recipe": "own"})
    return made


@pytest.mark.parametrize(
    ("text", "number"),
    [("20000000", 2e7), ("20e6", 2e7), ("20M", 2e7), ("1.5G", 1.5e9), ("300k", 3e5),
     ("1_000", 1e3), ("2,000,000", 2e6), ("0.5m", 5e5), ("7", 7)],
)  # fmt: skip
def test_numbers_are_read_as_people_write_them(text, number):
    assert count(text) == number


@pytest.mark.parametrize("text", ["", "many", "-3", "1.5", "20 MB", "1e", "M"])
def test_what_is_no_number_is_told_what_one_looks_like(text):
    with pytest.raises(ValueError, match=r"20e6, 20M or 1\.5G"):
        count(text)


def test_a_limit_takes_the_place_of_the_default_one(capsys):
    teacher = small_teacher()
    half = budget_for(SearchJobConfig(store="s"), teacher)
    assert half.max_flops == teacher.flops // 2 and half.max_parameters is None
    flops = budget_for(SearchJobConfig(store="s", max_flops=20_000_000), teacher)
    assert (flops.max_flops, flops.max_parameters) == (20_000_000, None)
    light = budget_for(SearchJobConfig(store="s", max_parameters=10**5), teacher)
    assert (light.max_flops, light.max_parameters) == (None, 10**5)
    with pytest.raises(InvalidConfig, match="must not both be given"):
        SearchJobConfig(store="s", max_flops=1, max_flops_fraction=0.5)


def test_a_limit_that_even_the_largest_student_keeps_is_named():
    teacher = small_teacher()
    config = SearchJobConfig(store="s", max_flops=20_000_000)
    (line,) = never_binds(budget_for(config, teacher), teacher)
    assert (
        line.startswith("`max_flops` of 20,000,000 never binds") and f"{teacher.flops:,}" in line
    )
    assert never_binds(budget_for(SearchJobConfig(store="s"), teacher), teacher) == []


def test_the_shipped_predictor_serves_a_store_that_has_none(registry, capsys):
    asked = ("--store", registry.store.root, "--teacher", "mine", "--max-flops", "6M")
    assert cli.main(["search", "small", *asked, "--search.candidates", "30"]) == 0
    printed = capsys.readouterr().out
    assert "the shipped one is used" in printed
    recipe = zoo.predictor()[0].config.recipe
    assert f"--recipe-name {recipe}" in printed and "'" in printed.splitlines()[-1], "quoted"


def test_where_the_shipped_predictor_does_not_fit_the_error_says_what_to_do(registry):
    with pytest.raises(NoPredictor, match=r"dass build micro.*dass train micro"):
        find(SearchJobConfig(store=registry.store.root, teacher="digits"))
    with pytest.raises(UnknownName, match="'another'"):
        find(SearchJobConfig(store=registry.store.root, teacher="mine", predictor="another"))


def test_a_store_gives_its_recipes_back_and_the_zoo_those_of_what_is_shipped(registry):
    registry.put_recipe(micro.student())
    assert zoo.recipe_for(registry, micro.student().name) == micro.student()
    assert zoo.recipe_for(registry, benchmark.student().name) == benchmark.student()
    with pytest.raises(UnknownName, match=micro.student().name):
        zoo.recipe_for(registry, "kd1-nothing")
    registry.store.write("recipes/kd1-broken.json", b'{"epochs": "many"}')
    with pytest.raises(CorruptArtifact, match="kd1-broken"):
        registry.recipe("kd1-broken")


def test_the_labels_and_teachers_of_the_zoo_are_of_recipes_that_it_has():
    shipped = zoo.registry()
    recipes = {r.recipe for r in shipped.records()}
    recipes |= {shipped.teacher_facts(name)["recipe"] for name in shipped.teachers()}
    assert {shipped.recipe(name).name for name in recipes} == recipes


def test_after_a_build_without_labels_the_next_line_is_no_training(registry):
    config = replace(small.build(), store=registry.store.root, space="micro")
    assert following(config, []).startswith("dass search micro --store ")


def test_a_line_is_quoted_as_a_shell_reads_it():
    line = console.line("search", "small", store="a b", teacher="c'd", max_flops=3)
    assert line == """dass search small --store 'a b' --teacher 'c'"'"'d' --max-flops 3"""


# how it ends


def raising(error):
    def work():
        raise error

    return work


def test_a_stop_and_a_full_disk_end_in_one_line(capsys):
    assert cli.answered(raising(KeyboardInterrupt())) == 130
    assert "the same line goes on" in capsys.readouterr().err
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "runs/x")
    assert cli.answered(raising(full)) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "room to write runs/x" in line and "run the same line again" in line
    with pytest.raises(OSError, match="other"):
        cli.answered(raising(OSError(errno.EIO, "other")))


def test_a_pipe_that_is_closed_ends_without_a_traceback():
    code = (
        "from jobs import cli\n"
        "def work():\n"
        "    for _ in range(100_000): print('a line of output')\n"
        "raise SystemExit(cli.answered(work))"
    )
    done = subprocess.run(
        ["bash", "-c", '"$0" -c "$1" | head -1; exit ${PIPESTATUS[0]}', sys.executable, code],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (141, "a line of output\n", "")
