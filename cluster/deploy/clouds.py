"""The cluster file for GCP and Azure: the source with other machines and another provider.

What differs stands in the source, under `metadata`. Does not know Ray, nor any cloud's library.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cluster.deploy.source import Tree, disk_gib, is_spot

PIP = (
    "python3 -m pip --version || (sudo apt-get update --quiet "
    "&& sudo apt-get install --quiet --yes python3-pip)"
)
"""The first of the source's commands needs pip, which not every image has."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CloudConfig:
    """Where a cloud's machines are (`gcp`, `azure`)."""

    project: str | None = None
    """Project of GCP, or subscription of Azure, that pays."""
    region: str | None = None
    """Region of GCP, or location of Azure."""
    zone: str | None = None
    """Zone of GCP; zones of Azure with commas between them, or `auto`."""
    group: str | None = None
    """Resource group of Azure."""


PLACES = {
    "gcp": {"project": "project_id", "region": "region", "zone": "availability_zone"},
    "azure": {
        "project": "subscription_id",
        "region": "location",
        "zone": "availability_zone",
        "group": "resource_group",
    },
}
"""What each cloud calls the settings."""


def in_cloud(source: Mapping[str, Any], cloud: str, config: CloudConfig) -> Tree:
    """Return the source for another cloud: same types, token, ports, packages and start."""
    there = source["metadata"][cloud]
    names = PLACES[cloud]
    given = {name: getattr(config, name) for name in ("project", "region", "zone", "group")}
    if unknown := [f"--{name}" for name, value in given.items() if value and name not in names]:
        raise ValueError(f"{cloud} has no {', '.join(unknown)}, but got one; leave it out")
    if given["region"] and not given["zone"] and cloud == "gcp":
        raise ValueError("a region of gcp needs one of its zones, but got none; add `--zone`")
    provider = there["provider"] | {names[n]: value for n, value in given.items() if value}
    place = _gcp if cloud == "gcp" else _azure
    types = {
        name: kind | {"node_config": place(name, source, provider)}
        for name, kind in source["available_node_types"].items()
    }
    uv = source["head_setup_commands"][0].partition(" 'boto3")[0]
    return dict(source) | {
        "provider": provider | {"cache_stopped_nodes": source["provider"]["cache_stopped_nodes"]},
        "metadata": {"store": source["metadata"]["store"]},
        "available_node_types": types,
        "setup_commands": [PIP, *source["setup_commands"], f"{uv} {there['setup']}"],
        "head_setup_commands": [f"{uv} {there['head_setup']}"],
    }


def _gcp(name: str, source: Mapping[str, Any], provider: Mapping[str, Any]) -> Tree:
    kind = source["available_node_types"][name]
    machine = source["metadata"]["machines"][name]["gcp"]
    boot = {  # these machines take no disk of Ray's default type
        "diskSizeGb": disk_gib(kind),
        "diskType": f"zones/{provider['availability_zone']}/diskTypes/pd-balanced",
        "sourceImage": source["metadata"]["gcp"]["image"],
    }
    config: Tree = {
        "machineType": machine,
        "disks": [
            {"boot": True, "autoDelete": True, "type": "PERSISTENT", "initializeParams": boot}
        ],
    }
    if kind["resources"]["GPU"] or is_spot(kind):
        spot = {"provisioningModel": "SPOT", "instanceTerminationAction": "DELETE"}
        config["scheduling"] = {
            "onHostMaintenance": "TERMINATE",
            "automaticRestart": False,
            **(spot if is_spot(kind) else {}),
        }
    if name != source["head_node_type"]:  # Ray makes the head's account itself
        account = kind["node_config"]["IamInstanceProfile"]["Name"]
        email = f"{account}@{provider['project_id']}.iam.gserviceaccount.com"
        scope = "https://www.googleapis.com/auth/cloud-platform"
        config["serviceAccounts"] = [{"email": email, "scopes": [scope]}]
    return config


def _azure(name: str, source: Mapping[str, Any], _: Mapping[str, Any]) -> Tree:
    kind = source["available_node_types"][name]
    parameters = {
        "vmSize": source["metadata"]["machines"][name]["azure"],
        **source["metadata"]["azure"]["image"],
        "osDiskSize": disk_gib(kind),
    }
    if is_spot(kind):  # at the price of the day, which is never above that on demand
        parameters |= {"priority": "Spot", "billingProfile": {"maxPrice": -1}}
    return {"azure_arm_parameters": parameters}
