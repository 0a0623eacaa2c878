"""On the head of machines of one's own, before Ray starts there: write down who the head is.

    python -m cluster.deploy.head ~/ray_bootstrap_config.yaml

For such machines Ray keeps a file of those in use. `ray up` writes the head into the file of the
machine it is typed on; in the head's own file nobody does (Ray 2.60, its second autoscaler), which
then takes the head for dead and starts one worker and no more. Workers are written down as not in
use, so that each is set up and started anew.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml


def state(cluster: Mapping[str, Any]) -> dict[str, Any]:
    """Return what Ray's file must say of a cluster whose head is about to start."""
    provider = cluster["provider"]
    head = {
        "ray-node-type": "head",
        "ray-user-node-type": cluster["head_node_type"],
        "ray-node-name": f"ray-{cluster['cluster_name']}-head",
        "ray-node-status": "up-to-date",
    }
    worker = {"tags": {"ray-node-type": "worker"}, "state": "terminated"}
    return {
        provider["head_ip"]: {"tags": head, "state": "running"},
        **{address: worker for address in provider["worker_ips"]},
    }


def main(path: str) -> None:
    """Write the file for the cluster that is described at a path."""
    from ray.autoscaler._private.local.config import get_state_path

    cluster = yaml.safe_load(Path(path).expanduser().read_text())
    target = Path(get_state_path(cluster["cluster_name"]))
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(state(cluster)))


if __name__ == "__main__":
    main(*sys.argv[1:])
