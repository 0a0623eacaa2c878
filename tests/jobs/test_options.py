"""What the help of every verb lists, what it refuses, and how every path of a command ends."""

import dataclasses
import os
import subprocess
import sys

import pytest
import tyro

from jobs import cli, console
from jobs.configs.build import elsewhere
from jobs.options import matches, options, plain_flags
from jobs.presets import micro

EVERY = [(verb, preset) for verb in cli.VERBS for preset in cli.VERBS[verb].presets]
EACH = pytest.mark.parametrize(("verb", "preset"), EVERY)


def parsed(verb, preset, *arguments):
    configs = {preset: cli.presets(verb)[preset]}
    return tyro.extras.overridable_config_cli(configs, args=[preset, *arguments])


# the help


@EACH
def test_the_help_lists_all_that_can_be_set_but_what_means_nothing(verb, preset, capsys):
    assert cli.main([verb, preset, "--help"]) == 0
    printed = capsys.readouterr().out
    config = cli.presets(verb)[preset][1]
    names = {name.replace("_", "-") for name in console._leaves(config)}
    listed = {option.name for option in options(config)}
    # a config that is absent, of a weaker teacher say, cannot be set by its parts
    absent = {
        name
        for name in names - listed
        if name.endswith(("weak-teacher", "train", "shipped", "splits"))
    }
    assert names - absent == listed
    for option in options(config):
        many = any(part.isdigit() and part != "0" for part in option.name.split("."))
        nothing = matches(option.name, cli.unread(verb, preset))
        shown = f"  --{option.name} " in printed or f"  --{option.name}," in printed
        assert shown != (many or nothing), option.name
        assert option.does, f"{option.name} must say what it is for"


@EACH
def test_what_everyone_needs_stands_first_and_the_rest_under_advanced(verb, preset, capsys):
    cli.main([verb, preset, "--help"])
    first, *rest = capsys.readouterr().out.partition("\nadvanced")
    config = cli.presets(verb)[preset][1]
    known = {option.name for option in options(config)}
    needed = [name for name in cli.VERBS[verb].first if name in known]
    places = [first.index(f"--{name} ") for name in needed]
    assert needed and places == sorted(places)
    assert first.count("\n  --") == len(needed)
    assert "".join(rest).count("\n  --") or verb == "status" or len(known) == len(needed)
    assert any(name.rpartition(".")[2] in ("store", "report", "into") for name in needed)


def test_patterns_of_first_and_unread_options_match_some():
    for verb, about in cli.VERBS.items():
        configs = [config for _, config in cli.presets(verb).values()]
        configs += [cli.config_of(verb)] if about.config else []
        known = {option.name for config in configs for option in options(config)}
        assert set(about.first) <= known, verb
        for pattern in (*about.unread, *(p for each in about.unread_by.values() for p in each)):
            assert any(matches(name, (pattern,)) for name in known), (verb, pattern)


@pytest.mark.parametrize("verb", [verb for verb in cli.VERBS if cli.VERBS[verb].presets])
def test_every_option_is_one_that_the_parser_takes(verb):
    preset = next(iter(cli.VERBS[verb].presets))
    config = cli.presets(verb)[preset][1]
    arguments = []
    for option in options(config):
        if option.kind is bool:
            place, dot, last = option.name.rpartition(".")
            arguments.append(f"--{option.name if option.default else f'{place}{dot}no-{last}'}")
        elif isinstance(option.default, tuple):
            arguments += [f"--{option.name}", *map(str, option.default)]
        else:
            arguments += [f"--{option.name}", str(option.default)]
    assert parsed(verb, preset, *arguments) == config


def test_a_verb_without_a_preset_lists_its_presets(capsys):
    assert cli.main(["build", "--help"]) == 0
    printed = capsys.readouterr().out
    assert all(f"  {preset}" in printed for preset in cli.VERBS["build"].presets)
    assert "On a cluster" in printed
    assert cli.main(["build", "smal", "--help"]) == 2


@pytest.mark.parametrize(
    ("line", "option"),
    [
        ("build micro --teacher.temperature 3", "--teacher.temperature"),
        ("build small --splits.0.task.reader=1", "--splits.0.task.reader"),
        ("tune micro --train.members 5", "--train.members"),
        ("quickstart fashion --build.pool 3", "--build.pool"),
        ("closed_loop evidence --build.source digits", "--build.source"),
        ("prepare micro --small_build.store x", "--small_build.store"),
    ],
)
def test_an_option_that_means_nothing_is_refused(line, option, capsys):
    assert cli.main(line.split()) == 2
    assert f"{option} means nothing to `dass" in capsys.readouterr().err


def test_flags_may_be_given_as_true_and_false():
    known = list(options(micro.search()))
    said = ["micro", "--measured", "True", "--teacher", "true", "--measured=false"]
    assert plain_flags(said, known) == [
        *("micro", "--measured", "--teacher", "true", "--no-measured")
    ]
    assert plain_flags(["--search.seed", "1", "--measured", "FALSE"], known)[2:] == [
        "--no-measured"
    ]


def test_named_parts_reach_every_task_of_a_build():
    config = parsed("build", "micro", *["--val", "folder:a/held", "--test", "npz:b/last.npz"])
    tasks = [task for split in config.splits for task in split.configs("npz:x.npz", val=config.val,
             test=config.test)]  # fmt: skip
    assert {(t.validation, t.test) for t in tasks} == {("folder:a/held", "npz:b/last.npz")}
    task = dataclasses.replace(tasks[0], validation="npz:own.npz")
    assert elsewhere(task).validation == "npz:own.npz"


# how it ends


def piped(*command, errors=False, **variables):
    """Run a command whose output nobody reads; return its code and what it said elsewhere."""
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            [sys.executable, *command],
            stdout=write,
            stderr=write if errors else subprocess.PIPE,
            text=True,
            env=os.environ | variables,
        )
    finally:
        os.close(write)
    return done.returncode, done.stderr or ""


@pytest.mark.parametrize(
    "words",
    [
        "--help",
        "build fidelity --help",
        "status nowhere",
        "compact micro --store nowhere --grace-s 0",
    ],
)
def test_a_closed_pipe_ends_every_path_quietly(words):
    assert piped("-m", "jobs.cli", *words.split()) == (141, "")


@pytest.mark.parametrize("words", ["nothing", "build small --nonsense"])
def test_a_closed_pipe_of_errors_ends_quietly_too(words):
    assert piped("-m", "jobs.cli", *words.split(), errors=True)[0] == 141


def test_a_pipe_that_is_not_the_output_is_no_quiet_end():
    def work():
        raise BrokenPipeError("of a socket")

    with pytest.raises(BrokenPipeError, match="of a socket"):
        cli.answered(work)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="of Linux")
def test_a_full_disk_under_the_output_is_one_line():
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "jobs.cli", "build", "small", "--help"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    (line,) = done.stderr.strip().splitlines()
    assert done.returncode == 2 and "room to write the result" in line


def test_a_closed_output_is_no_traceback():
    command = f"{sys.executable} -m jobs.cli --help >&-"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_python_m_is_the_command():
    done = subprocess.run([sys.executable, "-m", "jobs.cli"], capture_output=True, text=True)
    assert done.returncode == 2 and "verbs (and their presets)" in done.stdout
