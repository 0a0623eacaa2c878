"""What travels with a submitted job: everything that a job reads, and little else."""

from pathlib import Path

import pathspec
import pytest
import yaml

from cluster.deploy.submit import RUNTIME_ENVIRONMENT, line

ROOT = Path(__file__).parents[3]


def travels(path):
    """Return whether Ray takes a file along: it reads the excludes as git reads its own."""
    excludes = yaml.safe_load((ROOT / RUNTIME_ENVIRONMENT).read_text())["excludes"]
    return not pathspec.GitIgnoreSpec.from_lines(excludes).match_file(path)


@pytest.mark.parametrize("room", ["cluster", "dass", "jobs", "serve"])
def test_every_file_of_the_packages_travels(room):
    files = [p for p in (ROOT / room).rglob("*") if p.is_file() and "__pycache__" not in p.parts]
    assert files and [p for p in files if not travels(str(p.relative_to(ROOT)))] == []


@pytest.mark.parametrize(
    "path", ["dass/data/fashion.npz", "zoo/predictors/predictor/weights.safetensors"]
)
def test_what_jobs_find_beside_the_code_travels(path):
    assert travels(path)


@pytest.mark.parametrize(
    "path",
    [".git/config", ".venv/bin/python", "data/images.npz", "images.npz", "runs/a", "tests/a.py"],
)
def test_what_no_job_reads_stays(path):
    assert not travels(path)


def test_the_line_that_submits_names_the_cores_of_a_command_that_computes():
    assert line("python -m jobs.train").endswith(f"{RUNTIME_ENVIRONMENT} -- python -m jobs.train")
    assert "--entrypoint-num-cpus 1 -- " in line("python -m jobs.train", cores=1)
