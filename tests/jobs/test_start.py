"""What a command imports before it answers: modules are counted, since seconds are the machine's.

A fresh interpreter runs each group of lines one after another and says, after each, which of the
libraries that take long to load it has by now.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from jobs import cli

ROOT = Path(__file__).parents[2]

SLOW = ("PIL", "pandas", "pyarrow", "ray", "scipy", "sklearn", "torch", "torchvision")
"""Libraries that take from a tenth of a second to three seconds to import."""

RUN = """
import contextlib, io, json, sys
from jobs import cli

found = []
for line in json.loads(sys.argv[1]):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        try:
            code = cli.main(line)
        except SystemExit as end:
            code = end.code or 0
        except BaseException as error:
            code, printed = repr(error), io.StringIO()
    loaded = {name.partition(".")[0] for name in sys.modules} & set(json.loads(sys.argv[2]))
    found.append([code, printed.getvalue(), sorted(loaded)])
print(json.dumps(found))
"""


def ran(*lines, slow=SLOW):
    """Run lines in one fresh interpreter; return exit code, output and slow libraries of each."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, json.dumps(lines), json.dumps(slow)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return list(zip(lines, json.loads(done.stdout), strict=True))


HELP = [["--help"], *([verb, "--help"] for verb in cli.VERBS)]
HELP += [["search", "small", "--help"], ["build", "evidence", "--help"]]
DERIVED = ["train", "small", "--space", "resnet34@96", "--members", "0"]
SHELLS = {shell: ["completion", shell] for shell in ("bash", "zsh")}


REFUSED = {
    "no verb": ["serach"],
    "no preset": ["search", "tiny"],
    "no setting": ["search", "small", "--store", "zoo", "--canidates", "3"],
    "of no type": ["build", "small", "--pool", "many"],
    "no space": ["train", "small", "--space", "tiny"],
    "no network": ["build", "small", "--space", "resnet-w4.8-d1.1-s3@32"],
    "no name of it": ["adopt", "small", "--space", "resnet18@064"],
    "no source": ["adopt", "small", "--task.source", "cifar1000"],
    "out of range": ["search", "small", "--max-flops-fraction", "3"],
    "contradictory": ["search", "small", "--max-flops", "5M", "--max-flops-fraction", "0.5"],
    "no shape": ["train", "small", "--shape.hidden", "0"],
    "no store to ask": ["status"],
    "no shell": ["completion", "cmd"],
    "no file to convert": ["convert"],
    "no safetensors": ["convert", "teacher.pth", "teacher.pt"],
}


@pytest.fixture(scope="module")
def light(tmp_path_factory):
    """What lines that load nothing slow come to, by the line: one interpreter runs them all."""
    status = ["status", str(tmp_path_factory.mktemp("store"))]
    lines = [*HELP, *REFUSED.values(), DERIVED, *SHELLS.values(), status]
    return {tuple(line): found for line, found in ran(*lines)}


def test_help_imports_no_library_that_is_slow_to_load(light):
    for line in HELP:
        code, output, loaded = light[tuple(line)]
        assert code == 0 and "usage: dass" in output, line
        assert not loaded, line


def test_what_is_refused_is_refused_before_a_slow_library_is_loaded(light):
    for line in REFUSED.values():
        code, output, loaded = light[tuple(line)]
        assert code == 2 and output.strip(), line
        assert not loaded, line


def test_the_name_of_a_derived_space_is_read_without_a_slow_library(light):
    code, output, loaded = light[tuple(DERIVED)]
    assert code == 2 and "members >= 1" in output
    assert not loaded


def test_a_search_needs_torch_alone_of_the_slow_libraries(tmp_path):
    from dass.registry.registry import Registry
    from dass.store.store import Store
    from tests.support.serving import any_teacher

    store = Registry(Store(str(tmp_path)))
    store.put_teacher(any_teacher("digits"), {"recipe": "own"})
    line = ["search", "micro", "--store", str(tmp_path), "--teacher", "digits"]
    [(_, (code, output, loaded))] = ran(line, slow=(*SLOW, "cv2", "onnx", "matplotlib"))
    assert code == 2 and "NoPredictor" in output
    assert set(loaded) <= {"torch", "PIL"}


def test_status_of_a_store_reads_no_tensors(light):
    [(code, output, loaded)] = [
        found for line, found in light.items() if line[0] == "status" and Path(line[-1]).is_dir()
    ]
    assert code == 0 and "no build has written" in output
    assert not loaded


# --- completion ----------------------------------------------------------------------------

TAB = """
source "$1"
shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
_tyro_dass
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def script(light, tmp_path_factory):
    """The completion script of bash, in a file."""
    code, output, loaded = light[tuple(SHELLS["bash"])]
    assert code == 0 and not loaded
    path = tmp_path_factory.mktemp("completion") / "dass.bash"
    path.write_text(output)
    return path


def completed(script, *words):
    done = subprocess.run(
        ["bash", "-c", TAB, "bash", str(script), *words],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return set(done.stdout.split())


def test_bash_completes_verbs_presets_settings_and_values(script):
    assert set(cli.VERBS) <= completed(script, "dass", "")
    assert set(cli.VERBS["search"].presets) <= completed(script, "dass", "search", "")
    search = ("dass", "search", "small")
    assert completed(script, *search, "--max-fl") >= {"--max-flops", "--max-flops-fraction"}
    assert completed(script, *search, "--search.algorithm", "") == {"evolution", "random"}
    assert completed(script, "dass", "stat") == {"status"}


def test_zsh_gets_a_script_of_its_own(light):
    code, output, _ = light[tuple(SHELLS["zsh"])]
    assert code == 0 and output.startswith("#compdef dass")
    assert "--max-flops-fraction" in output
