"""All manifests, in the order in which they must be made: policies before pods."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from cluster.deploy.kubernetes import namespace, resources
from cluster.deploy.kubernetes.settings import PARTS, KubernetesConfig
from cluster.deploy.source import JOBS, Tree, load


def manifests(
    source: Mapping[str, Any], config: KubernetesConfig, redis: str | None = None
) -> list[Tree]:
    """Return the objects of the parts that are asked for.

    Args:
        source: the cluster file, with the name and the store that are meant.
        config: of the manifests.
        redis: HOST:PORT of a database that keeps the state of the heads of cluster and service.
    """
    found: list[Tree] = []
    if "namespace" in config.parts:
        found.append(namespace.namespace(config))
        found += namespace.accounts(source, config)
        found += namespace.secrets(source, config)
        found += namespace.policies(source, config)
    if "cluster" in config.parts:
        found.append(resources.cluster(source, config, redis))
    if "jobs" in config.parts:
        found += [resources.job(source, config, verb, waits=True) for verb in load(JOBS)]
    if "service" in config.parts:
        found += namespace.beside_service(source, config)
        found.append(resources.service(source, config, redis))
    single = [part for part in config.parts if part not in PARTS]
    return found + [resources.job(source, config, verb, waits=False) for verb in single]


def notes(source: Mapping[str, Any], config: KubernetesConfig) -> list[str]:
    """Return what whoever applies the manifests must know: secrets that they do not have."""
    name, found = source["cluster_name"], []
    made = {secret["metadata"]["name"] for secret in namespace.secrets(source, config)}
    if "namespace" in config.parts and resources.token_secret(name, config) is None:
        found.append(
            f"there is no {config.token}, so KubeRay makes a token for each cluster, in a Secret "
            "of its name; `ray get-auth-token --generate` makes one for all of them, printed here"
        )
    file = resources.service_file(source, config)
    secret = f"{name}-service"
    if "service" in config.parts and resources.asks_for_token(file) and secret not in made:
        found.append(
            f"the service waits for a Secret {secret} with what callers must carry under "
            f"`{resources.SERVICE_TOKEN_KEY}`; set {resources.SERVICE_TOKEN} to have it printed"
        )
    return found


def text(objects: list[Tree]) -> str:
    """Return objects as `kubectl apply -f -` reads them; strings of many lines stay readable."""
    return "---\n".join(yaml.dump(each, Dumper=_Dumper, sort_keys=False) for each in objects)


class _Dumper(yaml.SafeDumper):
    """Writes no aliases, and strings of many lines as blocks."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _string(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar(
        "tag:yaml.org,2002:str", value, style="|" if "\n" in value else None
    )


_Dumper.add_representer(str, _string)
