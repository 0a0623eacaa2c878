"""The source of every printed file: `ray-cluster.yaml`, and what else says a fact once.

Reads, and changes nothing. Does not know Ray.
"""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from cluster.deploy.submit import ADDRESS

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "ray-cluster.yaml"
SERVICE = ROOT / "serve" / "config.yaml"
JOBS = Path(__file__).parent / "jobs.yaml"
"""Written by `python -m jobs.verbs`, whose table is the source of it."""
TOKEN = "~/.ray/auth_token"
"""Where Ray keeps the cluster's token on every machine."""
DASHBOARD_PORT = int(ADDRESS.rpartition(":")[2])
OF_THE_MACHINE = {"PATH", "PYTHONPATH", "RAY_AUTH_MODE"}
"""Variables of the start commands that an image or KubeRay sets itself."""

Tree = dict[str, Any]


def load(path: Path = SOURCE) -> Tree:
    """Return a file of YAML as plain values."""
    tree = yaml.safe_load(path.read_text())
    assert isinstance(tree, dict)
    return tree


def start(source: Mapping[str, Any], kind: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return the variables and the options that a node's Ray is started with.

    Args:
        source: the cluster file.
        kind: `head` or `worker`.
    """
    words = shlex.split(source[f"{kind}_start_ray_commands"][-1].replace(";", " ; "))
    exported = words[words.index("export") + 1 : words.index(";", words.index("export"))]
    variables = dict(word.split("=", 1) for word in exported)
    options = words[words.index("ray", words.index("export")) + 2 :]
    pairs = (option.removeprefix("--").partition("=") for option in options)
    return (
        {name: value for name, value in variables.items() if name not in OF_THE_MACHINE},
        {name: value for name, _, value in pairs},
    )


def is_spot(kind: Mapping[str, Any]) -> bool:
    """Return whether a node type may be taken away at any time."""
    return "InstanceMarketOptions" in kind["node_config"]


def disk_gib(kind: Mapping[str, Any]) -> int:
    """Return how large a node's disk is, for logs and spilled objects."""
    size = kind["node_config"]["BlockDeviceMappings"][0]["Ebs"]["VolumeSize"]
    assert isinstance(size, int)
    return size


def ray_version() -> str:
    """Return the version of Ray that is pinned."""
    found = re.search(r"^ray==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert found
    return found[1]


def version() -> str:
    """Return the version of the project."""
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])
