"""KubeRay's own schemas, and what Kubernetes makes of policies and pods, as it documents it."""

import gzip
import os
from functools import cache
from pathlib import Path

import jsonschema
import pytest
import yaml

BESIDE = Path(__file__).parents[3] / "shared" / "kuberay"
FOLDER = Path(os.environ.get("DASS_KUBERAY", BESIDE))


def strict(schema):
    """Return a resource's schema as JSON Schema that refuses fields which there are not."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {
        key: {name: strict(each) for name, each in value.items()}
        if key == "properties"
        else strict(value)
        for key, value in schema.items()
        if not key.startswith("x-kubernetes-") and key != "default"
    }
    keeps = schema.get("x-kubernetes-preserve-unknown-fields")
    if "properties" in schema and "additionalProperties" not in schema and not keeps:
        found["additionalProperties"] = False
    return found


def validate(resource):
    """Raise unless KubeRay's schema of its kind takes a resource."""
    error = jsonschema.exceptions.best_match(_validator(resource["kind"]).iter_errors(resource))
    if error:
        raise error


@cache
def _validator(kind):
    """Return what checks a kind as KubeRay stores it; skip the test if there is no schema."""
    path = FOLDER / f"ray.io_{kind.lower()}s.yaml.gz"
    if not path.exists():
        pytest.skip(
            f"NOT VALIDATED: {path} is missing; get KubeRay's custom resource definitions, "
            "gzipped, and set DASS_KUBERAY to their folder"
        )
    with gzip.open(path) as file:
        definition = yaml.load(file, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))["spec"]
    (stored,) = (version for version in definition["versions"] if version["storage"])
    assert definition["names"]["kind"] == kind
    return jsonschema.Draft202012Validator(strict(stored["schema"]["openAPIV3Schema"]))


def matches(selector, labels):
    """Return whether a selector, which asks by `matchLabels` alone, selects what has labels."""
    assert set(selector) <= {"matchLabels"}
    return selector.get("matchLabels", {}).items() <= labels.items()


def lets_in(policies, caller, target, port):
    """Return whether a caller reaches a port of a pod: both are pairs of namespace and labels.

    A pod that no policy selects is open; one that is selected takes what any rule allows.
    """
    selecting = [
        policy["spec"]
        for policy in policies
        if policy["metadata"]["namespace"] == target[0]
        and "Ingress" in policy["spec"]["policyTypes"]
        and matches(policy["spec"]["podSelector"], target[1])
    ]
    own = target[0]
    rules = [rule for spec in selecting for rule in spec.get("ingress", [])]
    return not selecting or any(_allows(rule, caller, port, own) for rule in rules)


def _allows(rule, caller, port, own):
    ports = {each["port"] for each in rule.get("ports", []) if each["protocol"] == "TCP"}
    peers = rule.get("from", [])
    return (not rule.get("ports") or port in ports) and (
        not peers or any(_is(peer, caller, own) for peer in peers)
    )


def _is(peer, caller, own):
    namespace, labels = caller
    assert peer and set(peer) <= {"podSelector", "namespaceSelector"}
    if "namespaceSelector" in peer:
        named = {"kubernetes.io/metadata.name": namespace}
        if not matches(peer["namespaceSelector"], named):
            return False
    elif namespace != own:
        return False
    return matches(peer.get("podSelector", {}), labels)


VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral"} | {
    "persistentVolumeClaim",
    "projected",
    "secret",
}
"""Kinds that the restricted standard admits."""


def refusals(pod):
    """Return why the restricted standard of pod security refuses a pod's specification."""
    found = [name for name in ("hostNetwork", "hostPID", "hostIPC") if pod.get(name)]
    for volume in pod.get("volumes", []):
        found += [kind for kind in volume if kind not in {"name"} | VOLUMES]
    for container in [*pod["containers"], *pod.get("initContainers", [])]:
        context = pod.get("securityContext", {}) | container.get("securityContext", {})
        required = {
            "runAsNonRoot": context.get("runAsNonRoot") is True,
            "runAsUser": context.get("runAsUser") != 0,
            "escalation": context.get("allowPrivilegeEscalation") is False,
            "capabilities": context.get("capabilities") == {"drop": ["ALL"]},
            "seccomp": context.get("seccompProfile", {}).get("type") == "RuntimeDefault",
            "privileged": not context.get("privileged"),
            "ports": not any("hostPort" in port for port in container.get("ports", [])),
        }
        found += [f"{container['name']}: {rule}" for rule, held in required.items() if not held]
    return found
