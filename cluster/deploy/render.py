"""Print the file that makes a cluster: for `ray up`, or for `kubectl apply` if there is KubeRay.

    python -m cluster.deploy.render --provider aws --store s3://bucket/prefix > mine.yaml
    python -m cluster.deploy.render --provider gcp --project mine --store gs://b/p > mine.yaml
    python -m cluster.deploy.render --provider local --head 10.0.0.1 --workers 10.0.0.2 > mine.yaml
    python -m cluster.deploy.render --provider kubernetes --image R/dass:1 | kubectl apply -f -

`ray-cluster.yaml` is the one source; this changes what differs. Does not know Ray: what it prints
is checked against the schemas of Ray and KubeRay by the tests.
"""

from __future__ import annotations

import ipaddress
import re
import sys
from dataclasses import dataclass, field
from typing import Literal

import tyro
import yaml

from cluster.deploy.clouds import CloudConfig, in_cloud
from cluster.deploy.kubernetes.manifests import manifests, notes, text
from cluster.deploy.kubernetes.settings import KubernetesConfig
from cluster.deploy.source import SOURCE, Tree, load

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

HEAD = "# Printed by `python -m cluster.deploy.render`; the reasons are in ray-cluster.yaml.\n"
START = "ray start --head"
QUIET = "RAY_USAGE_STATS_ENABLED=0"
AWAY = "RAY_gcs_rpc_server_reconnect_timeout_s=600"
"""With Redis: nodes and drivers wait so long for a head; a minute, Ray's default, is soon over."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RenderConfig:
    """What differs from `ray-cluster.yaml`."""

    provider: Literal["aws", "gcp", "azure", "local", "kubernetes"] = "aws"
    """Where the machines come from: bought when needed, given by their addresses, or those of
    Kubernetes, which has KubeRay."""
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
    redis: str | None = None
    """HOST:PORT of a Redis that keeps the head's state: with it a new head finds workers and
    service as they were."""
    cloud: CloudConfig = field(default_factory=CloudConfig)
    kubernetes: KubernetesConfig = field(default_factory=KubernetesConfig)

    def __post_init__(self) -> None:
        if self.redis and not re.fullmatch(r"[\w.-]+:\d+", self.redis):
            raise ValueError(f"redis must be HOST:PORT, but got {self.redis!r}")
        self._check_provider()
        if self.provider == "local":
            self._check_machines()

    def _check_provider(self) -> None:
        local = self.head or self.workers or self.credentials or self.environment or self.options
        if self.provider != "local" and local:
            raise ValueError(
                "addresses, credentials, environment and options describe machines that are there "
                f"already, but got them for {self.provider}; add `--provider local`"
            )
        if self.provider not in ("gcp", "azure") and self.cloud != CloudConfig():
            raise ValueError(
                "project, region, zone and group are those of gcp or azure, but got them for "
                f"{self.provider}; add `--provider gcp`, or edit ray-cluster.yaml for aws"
            )
        named = re.fullmatch(r"[a-z]([-a-z0-9]{0,20}[a-z0-9])?", self.name)
        if self.provider == "kubernetes" and not named:  # KubeRay takes jobs' names up to 47
            raise ValueError(
                "a name must be small letters, digits and hyphens, 22 at most and a letter first, "
                f"but got {self.name!r}"
            )
        if self.provider != "kubernetes" and self.kubernetes != KubernetesConfig():
            raise ValueError(
                f"options of Kubernetes were given for {self.provider}; "
                "add `--provider kubernetes`"
            )

    def _check_machines(self) -> None:
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


def localise(source: Tree, config: RenderConfig) -> Tree:
    """Return the source for machines that are there already: same jobs, token, ports and start."""
    cluster = dict(source) | WHOLE
    cluster["provider"] = {
        "type": "local",
        "head_ip": config.head,
        "worker_ips": list(config.workers),
    }
    cluster["metadata"] = {"store": source["metadata"]["store"]}
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


def _machines(number: int) -> Tree:
    return {"node_config": {}, "resources": {}, "min_workers": number, "max_workers": number}


def source_text(config: RenderConfig) -> str:
    """Return the source's text with the name, the store and the database that are meant."""
    store = load()["metadata"]["store"]
    own = SOURCE.read_text().replace(store, config.store or store)
    own = own.replace("\ncluster_name: dass\n", f"\ncluster_name: {config.name}\n")
    if config.redis and config.provider != "kubernetes":
        kept = f"RAY_REDIS_ADDRESS={config.redis} RAY_external_storage_namespace={config.name}"
        own = own.replace(START, f"{kept} {START}").replace(QUIET, f"{QUIET} {AWAY}")
    return own


def render(config: RenderConfig) -> str:
    """Return the text of the file; that for AWS keeps the source's comments."""
    own = source_text(config)
    if config.provider == "aws":
        return own
    source = yaml.safe_load(own)
    if config.provider == "kubernetes":
        return HEAD + text(manifests(source, config.kubernetes, config.redis))
    if config.provider == "local":
        cluster = localise(source, config)
    else:
        cluster = in_cloud(source, config.provider, config.cloud)
    return HEAD + str(yaml.safe_dump(cluster, sort_keys=False, width=100))


def main(arguments: list[str] | None = None) -> None:
    """Print the file; what does not fit together is one line, exit 2."""
    try:
        config = tyro.cli(
            RenderConfig,
            args=arguments,
            prog="python -m cluster.deploy.render",
            config=(tyro.conf.OmitArgPrefixes,),
        )
        if config.provider == "kubernetes":
            for note in notes(yaml.safe_load(source_text(config)), config.kubernetes):
                print(f"note: {note}", file=sys.stderr)
        print(render(config), end="")
    except (ValueError, OSError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        raise SystemExit(2) from error


if __name__ == "__main__":
    main()
