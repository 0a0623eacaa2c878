"""Print the file that `ray up` takes: for cloud machines, or for machines that are there already.

    python -m cluster.deploy.render --provider aws --store s3://bucket/prefix > mine.yaml
    python -m cluster.deploy.render --provider local --head 10.0.0.1 --workers 10.0.0.2 > mine.yaml

`ray-cluster.yaml` is the one source; this changes what differs. Does not know Ray: what it prints
is checked against Ray's schema by the tests.
"""

from __future__ import annotations

import ipaddress
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tyro
import yaml

SOURCE = Path(__file__).parents[2] / "ray-cluster.yaml"
ENVIRONMENT = "$HOME/venv"
"""Where the source's commands install and find the packages."""

WORKER = "local.cluster.node"
"""Type of machines that are there already. Where it stands in a file, Ray adds no defaults."""
WHOLE = {
    "cluster_synced_files": [],
    "docker": {},
    "file_mounts_sync_continuously": False,
    "initialization_commands": [],
    "rsync_filter": [],
}
"""Ray's defaults."""
RECORD_HEAD = (
    f"PYTHONPATH=$HOME/dass {ENVIRONMENT}/bin/python -m cluster.deploy.head "
    "~/ray_bootstrap_config.yaml"
)
PATIENCE = (
    "RAY_AUTOSCALER_RECONCILE_TERMINATING_STATUS_TIMEOUT_S=20 "
    "RAY_AUTOSCALER_RECONCILE_REQUEST_STATUS_TIMEOUT_S=60"
)
"""To end and to get such a machine is a line in a file, for which Ray would wait ten minutes:
one that comes back has the address, which is the name, of the one that was lost."""

Cluster = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class RenderConfig:
    """What differs from `ray-cluster.yaml`."""

    provider: Literal["aws", "local"] = "aws"
    """Where the machines come from: bought when needed, or given by their addresses."""
    name: str = "dass"
    """Of the cluster; two of one name are one."""
    store: str | None = None
    """URL that records, predictors and teachers are published under."""
    head: str | None = None
    """Address of the head (`local`), as every worker reaches it."""
    workers: tuple[str, ...] = ()
    """Addresses of the workers (`local`)."""
    user: str = "ubuntu"
    """Who logs in to them over SSH (`local`)."""
    key: str = "~/.ssh/id_ed25519"
    """Private key for that (`local`); the head gets a copy, to start workers with."""
    credentials: str | None = None
    """Folder with the store's `config` and `credentials` (`local`), copied to ~/.aws of every
    node; the `config` may name an `endpoint_url`. Cloud nodes have roles instead."""
    environment: str | None = None
    """Virtual environment that every node has already (`local`): nothing is installed then."""
    options: str = ""
    """Further options of `ray start` on every worker (`local`), such as "--num-cpus=4"."""

    def __post_init__(self) -> None:
        if self.provider == "aws":
            if self.head or self.workers or self.credentials or self.environment or self.options:
                raise ValueError(
                    "addresses, credentials, environment and options describe machines that are "
                    "there already, but got them for cloud machines; add `--provider local`"
                )
            return
        if not self.head or not self.workers:
            raise ValueError(
                "a local cluster needs `--head ADDRESS` and at least one of `--workers`, but got "
                f"head={self.head!r}, workers={list(self.workers)}"
            )
        addresses = [ipaddress.ip_address(address) for address in (self.head, *self.workers)]
        if len(set(addresses)) < len(addresses):
            raise ValueError(
                "every machine is either the head or one worker, but an address stands twice in "
                f"{[str(address) for address in addresses]}; leave one out"
            )


def load(path: Path = SOURCE) -> Cluster:
    """Return a cluster file as plain values."""
    cluster = yaml.safe_load(path.read_text())
    assert isinstance(cluster, dict)
    return cluster


def localise(source: Cluster, config: RenderConfig) -> Cluster:
    """Return the source for machines that are there already: same jobs, token, ports and start."""
    cluster = dict(source) | WHOLE
    cluster["provider"] = {
        "type": "local",
        "head_ip": config.head,
        "worker_ips": list(config.workers),
    }
    cluster["auth"] = {"ssh_user": config.user, "ssh_private_key": config.key}
    cluster["max_workers"] = len(config.workers)
    if config.credentials:
        cluster["file_mounts"] = source["file_mounts"] | {"~/.aws": config.credentials}
    # Two types, since Ray counts a head of the workers' type as one of them.
    cluster["available_node_types"] = {
        "head": _machines(0),
        WORKER: _machines(len(config.workers)),
    }
    *first, start = source["head_start_ray_commands"]
    cluster["head_start_ray_commands"] = [*first, RECORD_HEAD, f"export {PATIENCE}; {start}"]
    if config.options:
        *first, start = source["worker_start_ray_commands"]
        cluster["worker_start_ray_commands"] = [*first, f"{start} {config.options}"]
    # Nothing is bought, so the head needs no cloud library: it is set up as the workers are.
    setup = [] if config.environment else source["setup_commands"]
    for key in ("setup_commands", "head_setup_commands", "worker_setup_commands"):
        cluster[key] = list(setup)
    if config.environment:
        for key in ("head_start_ray_commands", "worker_start_ray_commands"):
            cluster[key] = [
                command.replace(ENVIRONMENT, config.environment) for command in cluster[key]
            ]
    return cluster


def _machines(number: int) -> Cluster:
    return {"node_config": {}, "resources": {}, "min_workers": number, "max_workers": number}


def render(config: RenderConfig) -> str:
    """Return the text of the file for `ray up`; that for a cloud keeps the source's comments."""
    source = load()
    store = config.store or source["metadata"]["store"]
    if config.provider == "aws":
        text = SOURCE.read_text().replace(source["metadata"]["store"], store)
        return text.replace("\ncluster_name: dass\n", f"\ncluster_name: {config.name}\n")
    cluster = localise(source, config)
    cluster["cluster_name"] = config.name
    cluster["metadata"] = source["metadata"] | {"store": store}
    head = "# Printed by `python -m cluster.deploy.render`; the reasons are in ray-cluster.yaml.\n"
    return head + str(yaml.safe_dump(cluster, sort_keys=False, width=100))


def main(arguments: list[str] | None = None) -> None:
    """Print the file; what does not fit together is one line, exit 2."""
    try:
        config = tyro.cli(RenderConfig, args=arguments, prog="python -m cluster.deploy.render")
        print(render(config), end="")
    except ValueError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        raise SystemExit(2) from error


if __name__ == "__main__":
    main()
