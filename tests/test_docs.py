"""What README and docs show is there: commands parse, code runs, files exist, the site builds."""

import html
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import onnx
import pytest
import tyro
from PIL import Image

import dass
from dass.networks.usage import usage
from dass.registry import zoo
from dass.registry.registry import Registry
from dass.store.store import Store
from dass.training.inference import predict_logits
from jobs import cli
from jobs.presets import fashion
from jobs.rehearsal import __main__ as rehearsal

ROOT = Path(__file__).parents[1]
DIARY = ROOT / "docs" / "log.md"  # tells what was run then
PAGES = [page for page in sorted((ROOT / "docs").rglob("*.md")) if page != DIARY]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "zoo" / "README.md", *PAGES]
EACH = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def code(text):
    """Return what a page shows as shell lines and as code within a line."""
    blocks = [body for language, body in FENCE.findall(text) if not language]
    inline = re.findall(r"`([^`\n]+)`", FENCE.sub("", text).replace("\\\n", " "))
    return [*"\n".join(blocks).replace("\\\n", " ").splitlines(), *inline]


@cache
def presets(verb):
    """Return the presets of a verb; one of many tasks takes a second to make."""
    return cli.presets(verb)


def commands(text):
    """Yield verb and arguments of every job that a page shows."""
    for line in code(text):
        for part in re.split(r"&&|\||   #|   \(", line):
            found = re.search(r"(?:^|[ (])(?:dass |python -m jobs\.)([a-z_]+)((?: .*)?)$", part)
            if found:
                yield found[1], shlex.split(found[2])


@EACH
def test_every_job_that_is_shown_can_be_run(path):
    for verb, arguments in commands(path.read_text()):
        if verb == "rehearsal":  # a program of its own: no preset, no store
            tyro.cli(rehearsal.Options, args=arguments, config=(tyro.conf.OmitArgPrefixes,))
            continue
        assert verb in cli.VERBS, f"no verb {verb!r}"
        if verb == "convert":
            assert len(arguments) in (2, 3)
        elif cli.VERBS[verb].config and "--help" not in arguments:
            tyro.cli(type(cli.config_of(verb)), args=arguments)
        elif not cli.VERBS[verb].presets:
            assert len(" ".join(arguments).partition(">")[0].split()) <= 1
        elif arguments and arguments != ["--help"]:
            tyro.extras.overridable_config_cli(presets(verb), args=arguments)


def test_the_readme_shows_every_verb():
    assert {verb for verb, _ in commands((ROOT / "README.md").read_text())} == set(cli.VERBS)


@EACH
def test_every_target_and_module_that_is_shown_exists(path):
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for line in code(path.read_text()):
        for words in re.findall(r"(?:^|&& )make ((?:[a-z-]+ ?)+)", line):
            assert set(words.split()) <= set(targets), f"no target {words!r}"
        for name in re.findall(r"-m ((?:cluster|dass|serve|benchmarks|tests)[\w.]*)", line):
            place = ROOT / name.replace(".", "/")
            assert place.with_suffix(".py").exists() or (place / "__main__.py").exists(), name


@pytest.mark.parametrize("path", [ROOT / "README.md", *PAGES], ids=lambda path: path.stem)
def test_every_file_of_ours_that_is_shown_exists(path):
    text = path.read_text()
    ours = r"(?:cluster|dass|docs|examples|jobs|serve|tests|zoo)/[\w./-]+\.\w+"
    shown = [name for name in code(text) if re.fullmatch(ours, name)]
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^):]+)\)", text)]
    assert not [name for name in shown if not (ROOT / name).exists()]
    assert not [link for link in links if link and not (path.parent / link).exists()]


def test_the_readme_is_short_and_its_code_runs(tmp_path, monkeypatch, capsys):
    """On a tenth of the images, in the store that `make quickstart` leaves."""
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= 150
    (shown,) = (body for language, body in FENCE.findall(text) if language == "python")
    monkeypatch.chdir(tmp_path)
    few = {"train_per_class": 13, "validation_per_class": 10, "test_per_class": 10}
    task = replace(fashion.TASK, **few)
    teacher = replace(zoo.teacher(fashion.TEACHER), name="fashion", task=task)
    Registry(Store("runs/quickstart")).put_teacher(teacher, {})
    monkeypatch.setattr(dass, "search", partial(dass.search, candidates=100))
    exec(compile(shown, "README.md", "exec"), {})
    assert re.fullmatch(r"\d+\.\d% predicted, \d+\.\d% on test images\n", capsys.readouterr().out)


def test_the_code_that_runs_an_exported_student_says_what_the_project_says(
    teacher, digits, tmp_path, monkeypatch, capsys
):
    """In a folder with a student and a picture, and with nothing of ours."""
    text = (ROOT / "docs" / "exports.md").read_text()
    (shown,) = (body for language, body in FENCE.findall(text) if language == "python")
    assert not re.search(r"(?:import|from) (?:dass|jobs|torch)", shown)
    facts = usage(teacher.network, class_names=digits.class_names)
    (tmp_path / "model.onnx").write_bytes(dass.to_onnx(teacher.network, facts))
    monkeypatch.chdir(tmp_path)
    ours = predict_logits(teacher.network, digits.test.images).argmax(1)
    for label in range(3):
        place = int((ours == label).nonzero()[0])
        pixels = digits.test.images[place].permute(1, 2, 0).numpy()
        Image.fromarray(pixels).save("picture.png")
        exec(compile(shown, "exports.md", "exec"), {})
        assert capsys.readouterr().out == f"{digits.class_names[label]}\n"


def test_the_page_of_exports_names_every_field_and_operator(teacher):
    text = (ROOT / "docs" / "exports.md").read_text()
    missing = [
        name for name in usage(teacher.network, class_names="789") if name not in code(text)
    ]
    model = onnx.load_from_string(dass.to_onnx(teacher.network))
    missing += [node.op_type for node in model.graph.node if node.op_type not in code(text)]
    assert missing == []


def test_the_site_builds_without_a_warning_and_fetches_nothing(tmp_path):
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    fetched = re.compile(r'<(?:script|link|img|iframe)[^>]+(?:src|href)="(?:https?:)?//[^"]+"')
    assert not [page for page in tmp_path.rglob("*.html") if fetched.search(page.read_text())]
    shown = html.unescape(
        re.sub(r"<[^>]+>", "", (tmp_path / "examples" / "index.html").read_text())
    )
    for path in sorted((ROOT / "examples").glob("*.py")):
        assert path.read_text().strip().splitlines()[-1] in shown, f"{path.name} is not shown"
