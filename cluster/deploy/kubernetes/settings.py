"""What can be said of a cluster on Kubernetes. Knows nothing of manifests."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from cluster.deploy.source import JOBS, TOKEN, load

PARTS = ("namespace", "cluster", "jobs", "service")


@dataclass(frozen=True, kw_only=True, slots=True)
class KubernetesConfig:
    """What the manifests say (`kubernetes`) beside what `ray-cluster.yaml` does."""

    image: str | None = None
    """Image that pods run, without its variant: `-cpu` and `-cuda` are added. Where absent,
    dass:VERSION. `cluster/deploy/Dockerfile` says how it is built."""
    namespace: str = "dass"
    """Everything is in it; it is made, and holds pods to the restricted standard."""
    parts: tuple[str, ...] = PARTS
    """What is printed: `namespace` (with accounts, secrets and network policies), `cluster`,
    `jobs`, which wait to be started, `service`; or the name of a job, printed to start at once by
    `kubectl create -f -`."""
    arguments: str | None = None
    """What a job's command is given, preset first; its store is added."""
    token: str = TOKEN
    """File with the cluster's token, printed as a Secret. Where there is none at that place,
    KubeRay makes one for each cluster."""
    token_secret: str | None = None
    """Secret that is there already, with the token under `auth_token`: none is printed."""
    service: str | None = None
    """File of the service, as `python -m serve.render` prints it; else that of the repository."""
    data: str | None = None
    """Claim of a volume that every pod mounts at /data, to be read only: images and weights."""
    identity: tuple[str, ...] = ()
    """Annotations KEY=VALUE of the service accounts, by which the cloud knows who may use the
    store, such as `eks.amazonaws.com/role-arn=arn:...`."""
    operator_namespace: str = "kuberay"
    """Where KubeRay's operator runs: it must reach the dashboard."""
    monitoring_namespace: str = "monitoring"
    """Where Prometheus runs: it must reach the metrics."""
    redis_secret: str | None = None
    """Secret with the password of `--redis`, under `password`."""
    tls: bool = True
    """Encrypt and authenticate what nodes say to each other: needs cert-manager, and KubeRay 1.7
    with its gate RayClusterMTLS."""

    def __post_init__(self) -> None:
        known = (*PARTS, *load(JOBS))
        if unknown := sorted(set(self.parts) - set(known)):
            raise ValueError(
                f"parts must be of {', '.join(known)}, but got {', '.join(unknown)}; "
                "leave them out for all"
            )
        single = [part for part in self.parts if part not in PARTS]
        if self.arguments is not None and len(single) != 1:
            raise ValueError(
                "arguments are those of one job, but got no job or several; add `--parts search`"
            )
        if wrong := [pair for pair in self.identity if not re.fullmatch(r"[^=\s]+=\S+", pair)]:
            raise ValueError(f"an identity must be KEY=VALUE, but got {wrong[0]!r}")
        if self.token != TOKEN and not Path(self.token).expanduser().is_file():
            raise ValueError(f"token must be a file, but got {self.token!r}")
        if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", self.namespace):
            raise ValueError(
                "a namespace must be small letters, digits and hyphens, 63 at most, but got "
                f"{self.namespace!r}"
            )
