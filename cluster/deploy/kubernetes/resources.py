"""KubeRay's own kinds: the cluster, a job each, the service.

Knows of jobs and of the service what their files say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from cluster.deploy.kubernetes.pods import (
    CLOSED,
    is_head,
    labels,
    start_options,
    submitter,
    template,
)
from cluster.deploy.kubernetes.settings import KubernetesConfig
from cluster.deploy.source import JOBS, SERVICE, Tree, is_spot, load, ray_version

API = "ray.io/v1"
DELETION_DELAY_S = 180
"""How long a replaced service stays for what it still answers: no request may take as long."""
ENDPOINTS = 2
"""Pods that answer at least: one may go, by an upgrade of its machine or by its loss."""
SERVICE_TOKEN = "DASS_TOKEN"
SERVICE_TOKEN_KEY = "token"


def metadata(name: str, config: KubernetesConfig, found_by: Mapping[str, str]) -> Tree:
    """Return how an object is called, and by what `kubectl -l` finds it."""
    return {"name": name, "namespace": config.namespace, "labels": dict(found_by)}


def token_secret(name: str, config: KubernetesConfig) -> str | None:
    """Return the Secret that has the cluster's token; none where KubeRay makes it."""
    if config.token_secret:
        return config.token_secret
    return f"{name}-token" if Path(config.token).expanduser().is_file() else None


def spec(
    source: Mapping[str, Any],
    config: KubernetesConfig,
    *,
    component: str,
    kinds: Iterable[str],
    redis: str | None = None,
) -> Tree:
    """Return a Ray cluster: its head, and a group of workers for each node type.

    Args:
        source: the cluster file.
        config: of the manifests.
        component: what the cluster is for.
        kinds: names of the node types of its workers.
        redis: HOST:PORT of a database that keeps the head's state.
    """
    head = source["head_node_type"]
    secret = token_secret(source["cluster_name"], config)
    cluster: Tree = {
        "rayVersion": ray_version(),
        "enableInTreeAutoscaling": True,
        "autoscalerOptions": _autoscaler(source),
        "authOptions": {"mode": "token"} | ({"secretName": secret} if secret else {}),
        "headGroupSpec": {
            "rayStartParams": start_options(source, head),
            "template": template(source, head, config, component=component),
        },
        "workerGroupSpecs": [
            _bounds(kind, source["available_node_types"][kind])
            | {
                "rayStartParams": start_options(source, kind),
                "template": template(source, kind, config, component=component),
            }
            for kind in kinds
        ],
    }
    if config.tls:
        cluster["tlsOptions"] = {"enabled": True}
    if redis:
        cluster["gcsFaultToleranceOptions"] = _kept_in(redis, config)
    return cluster


def _autoscaler(source: Mapping[str, Any]) -> Tree:
    room = {"cpu": "500m", "memory": "1Gi"}
    return {
        "version": "v2",
        "idleTimeoutSeconds": int(60 * source["idle_timeout_minutes"]),
        # KubeRay knows no speed in between: as many at once as there are, or any number.
        "upscalingMode": "Default" if source["upscaling_speed"] > 1 else "Conservative",
        "imagePullPolicy": "IfNotPresent",
        "securityContext": CLOSED,
        "resources": {"requests": room, "limits": dict(room)},
    }


def _bounds(name: str, kind: Mapping[str, Any]) -> Tree:
    return {
        "groupName": name,
        "replicas": kind["min_workers"],
        "minReplicas": kind["min_workers"],
        "maxReplicas": kind["max_workers"],
    }


def _kept_in(redis: str, config: KubernetesConfig) -> Tree:
    options: Tree = {"redisAddress": redis}
    if config.redis_secret:
        key = {"name": config.redis_secret, "key": "password"}
        options["redisPassword"] = {"valueFrom": {"secretKeyRef": key}}
    return options


def workers(source: Mapping[str, Any], *, spot: bool = True) -> list[str]:
    """Return the node types of workers; without those that may be taken away at any time."""
    types = source["available_node_types"]
    return [k for k in types if not is_head(source, k) and (spot or not is_spot(types[k]))]


def cluster(source: Mapping[str, Any], config: KubernetesConfig, redis: str | None) -> Tree:
    """Return the cluster that stands: for `ray job submit`, as after `ray up`."""
    name, component = source["cluster_name"], "cluster"
    return {
        "apiVersion": API,
        "kind": "RayCluster",
        "metadata": metadata(name, config, labels(name, component)),
        "spec": spec(source, config, component=component, kinds=workers(source), redis=redis),
    }


def job(source: Mapping[str, Any], config: KubernetesConfig, verb: str, *, waits: bool) -> Tree:
    """Return a job with a cluster of its own, which ends with it.

    Args:
        source: the cluster file.
        config: of the manifests.
        verb: name of the job.
        waits: whether it is made suspended; else each making of it is another run.
    """
    about = load(JOBS)[verb]
    name, component = source["cluster_name"], f"job-{verb.replace('_', '-')}"
    arguments = config.arguments or about["arguments"]
    if about["store"] not in arguments.split():
        arguments += f" {about['store']} {source['metadata']['store']}"
    own = metadata(f"{name}-{component}", config, labels(name, component))
    if not waits:
        own["generateName"] = f"{own.pop('name')}-"
    device = "entrypointNumGpus" if "--device cuda" in arguments else "entrypointNumCpus"
    return {
        "apiVersion": API,
        "kind": "RayJob",
        "metadata": own,
        "spec": {
            "suspend": waits,
            "entrypoint": f"python -m jobs.{verb} {arguments}",
            **({device: about["cores"]} if about["cores"] else {}),
            "submissionMode": "K8sJobMode",
            "submitterPodTemplate": submitter(source, config),
            # The same line again does what the store lacks: once, should the head be lost.
            "backoffLimit": 1,
            "shutdownAfterJobFinishes": True,
            "ttlSecondsAfterFinished": int(60 * source["idle_timeout_minutes"]),
            "rayClusterSpec": spec(source, config, component=component, kinds=workers(source)),
        },
    }


def service_file(source: Mapping[str, Any], config: KubernetesConfig) -> Tree:
    """Return the service's file as it is deployed here: reached by pods, on every node."""
    path = Path(config.service).expanduser() if config.service else SERVICE
    file = load(path)
    file["http_options"]["host"] = "0.0.0.0"
    # A pod is sent requests once its own proxy answers.
    file["proxy_location"] = "EveryNode"
    if not config.service:
        file["applications"][0]["args"]["store"] = source["metadata"]["store"]
    return file


def asks_for_token(file: Mapping[str, Any]) -> bool:
    """Return whether a service learns its token from its pods' environment."""
    arguments = file["applications"][0]["args"]
    return not arguments.get("token_digest") and not arguments.get("insecure")


def service(source: Mapping[str, Any], config: KubernetesConfig, redis: str | None) -> Tree:
    """Return the service: a new version starts beside the old, and takes over when it answers."""
    name, component = source["cluster_name"], "service"
    file = service_file(source, config)
    found = spec(
        source, config, component=component, kinds=workers(source, spot=False), redis=redis
    )
    for group in found["workerGroupSpecs"]:
        group["minReplicas"] = group["replicas"] = max(ENDPOINTS, group["minReplicas"])
    for group in (found["headGroupSpec"], *found["workerGroupSpecs"]):
        (container,) = group["template"]["spec"]["containers"]
        ports = {"serve": file["http_options"]["port"], "grpc": file["grpc_options"]["port"]}
        container["ports"] += [{"name": n, "containerPort": port} for n, port in ports.items()]
        if asks_for_token(file):
            key = {"name": f"{name}-service", "key": SERVICE_TOKEN_KEY}
            container["env"].append({"name": SERVICE_TOKEN, "valueFrom": {"secretKeyRef": key}})
        if group is not found["headGroupSpec"]:
            container["readinessProbe"] = _ready(file)
    return {
        "apiVersion": API,
        "kind": "RayService",
        # Not the cluster's name: KubeRay calls the head of either NAME-head-svc.
        "metadata": metadata(f"{name}-service", config, labels(name, component)),
        "spec": {
            "upgradeStrategy": {"type": "NewCluster"},
            "rayClusterDeletionDelaySeconds": DELETION_DELAY_S,
            "excludeHeadPodFromServeSvc": True,
            "serveConfigV2": yaml.safe_dump(file, sort_keys=False, width=100),
            "rayClusterConfig": found,
        },
    }


def _ready(file: Mapping[str, Any]) -> Tree:
    """Return the check that a pod answers for the service: what it serves can be read."""
    return {
        "httpGet": {"path": "/ready", "port": file["http_options"]["port"]},
        "initialDelaySeconds": 10,
        "periodSeconds": 5,
        "timeoutSeconds": 5,
        "failureThreshold": 3,
    }
