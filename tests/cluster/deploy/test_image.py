"""The Dockerfile: what it copies is there and is enough, and its versions are the project's."""

import re
import shlex
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import pathspec
import pytest
import yaml

from cluster.deploy.kubernetes.pods import USER
from cluster.deploy.source import load
from cluster.deploy.submit import RUNTIME_ENVIRONMENT

ROOT = Path(__file__).parents[3]
HERE = ROOT / "cluster" / "deploy"


def instructions():
    """Return the Dockerfile as pairs of instruction and the rest of it, comments left out."""
    text = "\n".join(
        line
        for line in (HERE / "Dockerfile").read_text().splitlines()
        if not line.lstrip().startswith("#")
    ).replace("\\\n", " ")
    return [tuple(line.split(None, 1)) for line in text.splitlines() if line.strip()]


def rest(instruction):
    return [after for name, after in instructions() if name == instruction]


def defaults():
    """Return the build arguments that have a default."""
    return dict(argument.split("=", 1) for argument in rest("ARG") if "=" in argument)


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """A folder with what the image has of the project: a clean checkout, less what is ignored."""
    into = tmp_path_factory.mktemp("image")
    archive = into / "archive.tar"
    done = subprocess.run(["git", "archive", "HEAD", "-o", archive], cwd=ROOT, capture_output=True)
    if done.returncode:
        pytest.skip("there is no git checkout to archive")
    # Docker reads a pattern from the root on; git one without a slash at every depth.
    patterns = (HERE / "Dockerfile.dockerignore").read_text().splitlines()
    rooted = [re.sub(r"^(!?)(?![!#*]\*)", r"\1/", line) for line in patterns if line[:1] != "#"]
    ignored = pathspec.GitIgnoreSpec.from_lines(rooted)
    copied = [shlex.split(line) for line in rest("COPY")]
    with tarfile.open(archive) as files:
        names = [m for m in files.getmembers() if m.isfile() and not ignored.match_file(m.name)]
        for *sources, target in copied:
            for source in sources:
                found = [m for m in names if m.name == source or m.name.startswith(f"{source}/")]
                assert found, f"COPY {source}: no such file in a clean checkout"
                assert target in (source, "./"), "the image is laid out as the checkout is"
                files.extractall(into / "app", found, filter="data")
    return into / "app"


def test_what_is_copied_is_enough_for_jobs_and_service(image):
    code = (
        "import sys, dass, jobs.cli, serve.app, cluster.fleet;"
        "predictor, card = dass.zoo.predictor(); assert predictor.members;"
        "from pathlib import Path;"
        "homes = [Path(m.__file__) for m in (dass, jobs.cli, serve.app, cluster.fleet)];"
        "assert all(home.is_relative_to(sys.argv[1]) for home in homes), homes;"
        "jobs.cli.main(['search', '--help'])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, str(image)],
        cwd=image,
        env={"PYTHONPATH": str(image), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "search" in done.stdout


def test_the_image_has_what_travels_with_a_submitted_job_and_no_more(image):
    excludes = yaml.safe_load((ROOT / RUNTIME_ENVIRONMENT).read_text())["excludes"]
    stays = pathspec.GitIgnoreSpec.from_lines(excludes)
    rooms = ("cluster", "dass", "jobs", "serve", "zoo")
    tracked = subprocess.run(
        ["git", "ls-tree", "-r", "--name-only", "HEAD", *rooms],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    travels = {name for name in tracked if not stays.match_file(name)}
    inside = {str(path.relative_to(image)) for path in image.rglob("*") if path.is_file()}
    assert inside - {"pyproject.toml", "requirements.lock"} == travels


def test_python_is_that_of_the_project_and_of_every_other_node():
    major, minor, _ = defaults()["PYTHON_VERSION"].split(".")
    (base,) = rest("FROM")
    assert base == "python:${PYTHON_VERSION}-slim-bookworm"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["requires-python"].startswith(f">={major}.{minor}")
    assert any(f"--python {major}.{minor} " in line for line in load()["setup_commands"])


def test_packages_are_those_of_the_lock_and_the_tool_is_pinned():
    (install,) = (line for line in rest("RUN") if "uv pip install" in line)
    assert "--constraint requirements.lock" in install
    assert "--requirement pyproject.toml --extra ray" in install
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*extras["dependencies"], *extras["optional-dependencies"]["ray"]]
    pinned = re.findall(r"^([\w.-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    names = {re.match(r"[\w.-]+", requirement)[0].lower() for requirement in wanted}
    assert names <= {name.lower() for name in pinned}
    assert 'pip install --no-cache-dir "uv==$UV_VERSION"' in install
    assert re.fullmatch(r"\d+\.\d+\.\d+", defaults()["UV_VERSION"])


@pytest.mark.parametrize(
    ("variables", "code", "told"),
    [
        ({"VARIANT": "cuda"}, 0, "uv pip install --system --no-cache --compile-bytecode --index-"),
        ({"VARIANT": "cpu", "TORCH_INDEX": "URL"}, 0, "--index URL --index-strategy"),
        ({"VARIANT": "cpu"}, None, "needs --build-arg TORCH_INDEX"),
        ({"VARIANT": "tpu"}, 2, "must be cpu or cuda, but got tpu"),
    ],
)
def test_the_variant_chooses_the_index_and_another_one_is_refused(variables, code, told, tmp_path):
    """The very line of the Dockerfile, with programs that print what they are asked."""
    (install,) = (line for line in rest("RUN") if "uv pip install" in line)
    for program in ("pip", "uv", "python"):
        (tmp_path / program).write_text(f'#!/bin/sh\necho {program} "$@"\n')
        (tmp_path / program).chmod(0o755)
    path = {"PATH": f"{tmp_path}:/usr/bin:/bin", "UV_VERSION": "1.0.0"}
    done = subprocess.run(
        ["/bin/sh", "-c", install], env=path | variables, capture_output=True, text=True
    )
    assert done.returncode == code if code is not None else done.returncode
    assert told in done.stdout + done.stderr


def test_the_image_runs_as_the_user_of_the_pods_and_names_no_index():
    (user,) = rest("USER")
    assert user == f"{USER}:{USER}" and USER
    assert any(f"useradd --uid {USER} " in line for line in rest("RUN"))
    assert instructions()[-2:][0][0] == "USER", "nothing is done as root after it"
    assert "://" not in (HERE / "Dockerfile").read_text()
