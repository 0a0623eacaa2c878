"""The pods of a Ray cluster: one template a node type of the source.

Every one passes the restricted standard of pod security. Does not know what the cluster is for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cluster.deploy.kubernetes.settings import KubernetesConfig
from cluster.deploy.source import DASHBOARD_PORT, Tree, disk_gib, is_spot, start, version

USER = 1000
"""Who everything runs as; the Dockerfile makes that user."""
SPILL, DATA = "/spill", "/data"
CLOSED = {
    "runAsNonRoot": True,
    "runAsUser": USER,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
SPOT = {
    "cloud.google.com/gke-spot": "true",
    "kubernetes.azure.com/scalesetpriority": "spot",
    "eks.amazonaws.com/capacityType": "SPOT",
    "karpenter.sh/capacity-type": "spot",
}
"""How each kind of cluster labels machines that may be taken away, and taints them if it does."""
GPU = "nvidia.com/gpu"


def labels(name: str, component: str) -> dict[str, str]:
    """Return by what pods of a component are found: the network policies do."""
    return {"app.kubernetes.io/part-of": name, "app.kubernetes.io/component": component}


def is_head(source: Mapping[str, Any], kind: str) -> bool:
    """Return whether a node type is the head's."""
    return bool(kind == source["head_node_type"])


def account(source: Mapping[str, Any], kind: str) -> str:
    """Return the service account of a node type: named as its role in the source."""
    name = source["available_node_types"][kind]["node_config"]["IamInstanceProfile"]["Name"]
    return f"{source['cluster_name']}-{name.rpartition('-')[2]}"


def image(source: Mapping[str, Any], kind: str, config: KubernetesConfig) -> str:
    """Return the image of a node type: CUDA where there is a GPU."""
    on_gpu = source["available_node_types"][kind]["resources"]["GPU"]
    return f"{config.image or f'dass:{version()}'}-{'cuda' if on_gpu else 'cpu'}"


def start_options(source: Mapping[str, Any], kind: str) -> dict[str, str]:
    """Return what `ray start` is told in a pod; KubeRay adds the head's address and the cores."""
    head = is_head(source, kind)
    options = start(source, "head" if head else "worker")[1]
    # Operator and submitters reach the dashboard from other pods; the network policies let no one
    # else in. The autoscaler is KubeRay's.
    own = {"dashboard-host": "0.0.0.0"} if head else {}
    dropped = {"head", "address", "autoscaling-config"}
    kept = {name: value for name, value in options.items() if name not in dropped}
    return kept | own | {"object-spilling-directory": SPILL}


def template(
    source: Mapping[str, Any], kind: str, config: KubernetesConfig, *, component: str
) -> Tree:
    """Return the template of a node type's pods.

    Args:
        source: the cluster file.
        kind: name of the node type.
        config: of the manifests.
        component: what the cluster is for, which labels its pods.
    """
    head = is_head(source, kind)
    spec: Tree = {
        "serviceAccountName": account(source, kind),
        # The autoscaler, in the head's pod, speaks to Kubernetes; no worker does.
        "automountServiceAccountToken": head,
        "securityContext": {"fsGroup": USER},
        "containers": [_container(source, kind, config)],
        "volumes": [
            {
                "name": "spill",
                "emptyDir": {
                    "sizeLimit": f"{disk_gib(source['available_node_types'][kind])}Gi",
                },
            }
        ],
    } | _placement(source["available_node_types"][kind])
    if config.data:
        claim = {"claimName": config.data, "readOnly": True}
        spec["volumes"].append({"name": "data", "persistentVolumeClaim": claim})
    found: Tree = {"metadata": {"labels": labels(source["cluster_name"], component)}, "spec": spec}
    if head:  # a job or a service ends with it
        kept = {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"}
        found["metadata"]["annotations"] = kept
    return found


def _container(source: Mapping[str, Any], kind: str, config: KubernetesConfig) -> Tree:
    head = is_head(source, kind)
    variables, options = start(source, "head" if head else "worker")
    pod = source["metadata"]["machines"][kind]["pod"]
    room: Tree = {"cpu": str(pod["cpu"]), "memory": f"{pod['gib']}Gi"}
    if gpus := source["available_node_types"][kind]["resources"]["GPU"]:
        room[GPU] = str(gpus)
    ports = {"metrics": int(options["metrics-export-port"])}
    if head:
        ports |= {"gcs-server": int(options["port"]), "dashboard": DASHBOARD_PORT}
    mounts: list[Tree] = [{"name": "spill", "mountPath": SPILL}]
    if config.data:
        mounts.append({"name": "data", "mountPath": DATA, "readOnly": True})
    return {
        "name": "ray-head" if head else "ray-worker",
        "image": image(source, kind, config),
        "env": [{"name": name, "value": value} for name, value in variables.items()],
        # Limits, of which KubeRay tells Ray, are what was asked for: nothing is taken away.
        "resources": {"requests": room, "limits": dict(room)},
        "ports": [{"name": name, "containerPort": port} for name, port in ports.items()],
        "volumeMounts": mounts,
        "securityContext": CLOSED,
    }


def _placement(kind: Mapping[str, Any]) -> Tree:
    """Return where pods may and would rather run: no taint is borne for nothing."""
    borne: list[Tree] = []
    placement: Tree = {}
    if kind["resources"]["GPU"]:
        borne.append({"key": GPU, "operator": "Exists", "effect": "NoSchedule"})
    if is_spot(kind):
        borne += [
            {"key": key, "operator": "Equal", "value": value, "effect": "NoSchedule"}
            for key, value in SPOT.items()
        ]
        wishes = [
            {
                "weight": 100,
                "preference": {
                    "matchExpressions": [{"key": key, "operator": "In", "values": [value]}]
                },
            }
            for key, value in SPOT.items()
        ]
        placement["affinity"] = {
            "nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": wishes}
        }
    if borne:
        placement["tolerations"] = borne
    return placement


def submitter(source: Mapping[str, Any], config: KubernetesConfig) -> Tree:
    """Return the template of the pod that submits a job and prints what it says."""
    room = {"cpu": "500m", "memory": "1Gi"}
    container = {
        "name": "ray-job-submitter",
        "image": image(source, source["head_node_type"], config),
        "resources": {"requests": room, "limits": dict(room)},
        "securityContext": CLOSED,
    }
    return {
        "metadata": {"labels": labels(source["cluster_name"], "submitter")},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "containers": [container],
        },
    }
