"""What stands before any pod does: namespace, accounts, secrets, and who may speak to whom.

The policies are of Kubernetes' own kind, which every version of KubeRay leaves alone. They say
who may come in; where pods may go is not limited, since store and name service are elsewhere.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cluster.deploy.kubernetes.pods import account, labels
from cluster.deploy.kubernetes.resources import (
    SERVICE_TOKEN,
    SERVICE_TOKEN_KEY,
    asks_for_token,
    metadata,
    service_file,
    token_secret,
)
from cluster.deploy.kubernetes.settings import KubernetesConfig
from cluster.deploy.source import DASHBOARD_PORT, Tree, start

PART_OF = "app.kubernetes.io/part-of"
COMPONENT = "app.kubernetes.io/component"
NAMESPACE = "kubernetes.io/metadata.name"
NODE_TYPE = "ray.io/node-type"


def namespace(config: KubernetesConfig) -> Tree:
    """Return the namespace, which takes no pod that could do more than ours need."""
    standard = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": config.namespace, "labels": standard},
    }


def accounts(source: Mapping[str, Any], config: KubernetesConfig) -> list[Tree]:
    """Return the accounts by which pods may use the store: no key is in any of them."""
    names = dict.fromkeys(account(source, kind) for kind in source["available_node_types"])
    found = []
    for name in names:
        own = metadata(name, config, {PART_OF: source["cluster_name"]})
        if config.identity:
            own["annotations"] = dict(pair.split("=", 1) for pair in config.identity)
        found.append(
            {
                "apiVersion": "v1",
                "kind": "ServiceAccount",
                "metadata": own,
                "automountServiceAccountToken": False,
            }
        )
    return found


def secrets(source: Mapping[str, Any], config: KubernetesConfig) -> list[Tree]:
    """Return the tokens that are known here: the cluster's, and the one of its service."""
    name, found = source["cluster_name"], {}
    if token_secret(name, config) and not config.token_secret:
        token = Path(config.token).expanduser().read_text().strip()
        found[f"{name}-token"] = {"auth_token": token}
    own = os.environ.get(SERVICE_TOKEN)
    if own and asks_for_token(service_file(source, config)):
        found[f"{name}-service"] = {SERVICE_TOKEN_KEY: own}
    return [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": metadata(secret, config, {PART_OF: name}),
            "type": "Opaque",
            "stringData": data,
        }
        for secret, data in found.items()
    ]


def policies(source: Mapping[str, Any], config: KubernetesConfig) -> list[Tree]:
    """Return who may speak to heads and to workers; whatever is not named is refused.

    Heads: pods of our clusters, those that submit our jobs, KubeRay's operator and Prometheus.
    Workers: pods of our clusters and Prometheus; for the service's, everyone, at its own ports.
    """
    name = source["cluster_name"]
    file = service_file(source, config)
    answers = [file["http_options"]["port"], file["grpc_options"]["port"]]
    ours = {"matchLabels": {PART_OF: name, "ray.io/is-ray-node": "yes"}}
    nodes = {"from": [{"podSelector": ours}]}
    metrics = _rule(
        [_elsewhere(config.monitoring_namespace)],
        [int(start(source, "worker")[1]["metrics-export-port"])],
    )
    submitters = _rule(
        [{"podSelector": {"matchLabels": labels(name, "submitter")}}], [DASHBOARD_PORT]
    )
    operator = {"podSelector": {"matchLabels": {COMPONENT: "kuberay-operator"}}}
    asks = _rule([_elsewhere(config.operator_namespace) | operator], [DASHBOARD_PORT, answers[0]])
    head, worker = {PART_OF: name, NODE_TYPE: "head"}, {PART_OF: name, NODE_TYPE: "worker"}
    answering = worker | {COMPONENT: "service"}
    return [
        _policy(f"{name}-heads", config, pods=head, rules=[nodes, submitters, asks, metrics]),
        _policy(f"{name}-workers", config, pods=worker, rules=[nodes, metrics]),
        _policy(f"{name}-service", config, pods=answering, rules=[_rule([], answers)]),
    ]


def _elsewhere(place: str) -> Tree:
    return {"namespaceSelector": {"matchLabels": {NAMESPACE: place}}}


def _rule(peers: list[Tree], ports: list[int]) -> Tree:
    """Return a rule that lets peers in at ports; everyone, if none is named."""
    rule: Tree = {"from": peers} if peers else {}
    return rule | {"ports": [{"protocol": "TCP", "port": port} for port in ports]}


def _policy(
    name: str, config: KubernetesConfig, *, pods: Mapping[str, str], rules: list[Tree]
) -> Tree:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(name, config, {PART_OF: pods[PART_OF]}),
        "spec": {
            "podSelector": {"matchLabels": dict(pods)},
            "policyTypes": ["Ingress"],
            "ingress": rules,
        },
    }


def beside_service(source: Mapping[str, Any], config: KubernetesConfig) -> list[Tree]:
    """Return what the service needs that KubeRay does not make: its port of gRPC, and a bound.

    KubeRay's own Service, NAME-service-serve-svc, has HTTP alone.
    """
    name, file = source["cluster_name"], service_file(source, config)
    pods = {**labels(name, "service"), NODE_TYPE: "worker"}
    port = file["grpc_options"]["port"]
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata(f"{name}-grpc", config, labels(name, "service")),
            "spec": {
                "selector": pods,
                "ports": [{"name": "grpc", "port": port, "targetPort": port, "protocol": "TCP"}],
            },
        },
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": metadata(f"{name}-service", config, labels(name, "service")),
            "spec": {"minAvailable": 1, "selector": {"matchLabels": pods}},
        },
    ]
