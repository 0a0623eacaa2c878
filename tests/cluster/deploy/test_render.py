"""The cluster file: every variant against Ray's own schema, and what they promise."""

import importlib.util
import json
import re
import shlex
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
import yaml

from cluster.deploy.clouds import CloudConfig
from cluster.deploy.head import main as record
from cluster.deploy.head import state
from cluster.deploy.render import AWAY, WORKER, RenderConfig, main, render
from cluster.deploy.source import SOURCE, load

LOCAL = RenderConfig(
    provider="local",
    head="10.0.0.1",
    workers=("10.0.0.2", "10.0.0.3"),
    user="me",
    key="~/key",
    store="s3://b/p",
)
GCP = RenderConfig(provider="gcp", store="gs://b/p", cloud=CloudConfig(project="mine"))
AZURE = RenderConfig(provider="azure", cloud=CloudConfig(group="mine", region="westeurope"))
ALL = [RenderConfig(), GCP, AZURE, LOCAL]
EACH = pytest.mark.parametrize("config", ALL, ids=lambda config: config.provider)


def schema():
    """Return Ray's schema of cluster files, found without importing Ray."""
    spec = importlib.util.find_spec("ray")
    assert spec is not None and spec.submodule_search_locations
    (folder,) = spec.submodule_search_locations
    return json.loads(Path(folder, "autoscaler", "ray-schema.json").read_text())


@EACH
def test_what_is_rendered_fits_rays_schema(config):
    jsonschema.validate(yaml.safe_load(render(config)), schema())


def test_the_schema_refuses_a_misspelt_field():
    cluster = load() | {"max_worker": 3}
    with pytest.raises(jsonschema.ValidationError, match="max_worker"):
        jsonschema.validate(cluster, schema())


@pytest.mark.ray
@EACH
def test_ray_itself_accepts_what_is_rendered(config):
    from ray.autoscaler._private.util import prepare_config, validate_config

    prepared = prepare_config(yaml.safe_load(render(config)))
    validate_config(prepared)
    names = set(prepared["available_node_types"])
    bought = {"head", "gpu", "cpu"}
    assert names == ({"head", WORKER} if config.provider == "local" else bought)


def test_the_file_in_the_repository_is_what_is_rendered_for_a_cloud():
    assert render(RenderConfig()) == SOURCE.read_text()
    other = yaml.safe_load(render(RenderConfig(store="s3://mine", name="two")))
    assert other["metadata"]["store"] == "s3://mine" and other["cluster_name"] == "two"


def test_cloud_workers_are_bounded_and_labelling_starts_from_none():
    types = load()["available_node_types"]
    assert types["head"]["resources"] == {"CPU": 0, "GPU": 0}
    assert types["gpu"]["min_workers"] == 0
    assert types["gpu"]["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
    assert "InstanceMarketOptions" not in types["cpu"]["node_config"]
    assert sum(t.get("max_workers", 0) for t in types.values()) == load()["max_workers"]
    assert all("IamInstanceProfile" in t["node_config"] for t in types.values())


@EACH
def test_every_node_gets_the_token_and_the_dashboard_stays_on_loopback(config):
    cluster = yaml.safe_load(render(config))
    assert cluster["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"
    starts = [cluster[f"{kind}_start_ray_commands"][-1] for kind in ("head", "worker")]
    assert all("RAY_AUTH_MODE=token" in start for start in starts)
    assert "--dashboard-host=127.0.0.1" in starts[0]
    assert "access_key" not in render(config).lower()


@pytest.mark.parametrize("config", [GCP, AZURE], ids=["gcp", "azure"])
def test_another_cloud_has_the_types_the_bounds_and_the_start_of_the_source(config):
    source, cluster = load(), yaml.safe_load(render(config))
    for name, kind in source["available_node_types"].items():
        there = cluster["available_node_types"][name]
        assert {k: v for k, v in there.items() if k != "node_config"} == {
            k: v for k, v in kind.items() if k != "node_config"
        }
    changed = {"provider", "available_node_types", "setup_commands", "head_setup_commands"}
    for key in source.keys() - changed - {"metadata"}:
        assert cluster[key] == source[key]
    assert set(source["setup_commands"]) < set(cluster["setup_commands"])
    assert "boto3" not in render(config) and "my-project" not in render(config)


def test_on_gcp_labelling_is_spot_and_every_worker_may_use_the_store():
    cluster = yaml.safe_load(render(GCP))
    assert cluster["provider"]["project_id"] == "mine"
    zone = cluster["provider"]["availability_zone"]
    types = cluster["available_node_types"]
    for name, kind in types.items():
        config = kind["node_config"]
        (disk,) = config["disks"]
        assert disk["initializeParams"]["diskSizeGb"] == 120
        assert disk["initializeParams"]["diskType"].startswith(f"zones/{zone}/")
        # Ray gives the head its own account, and no worker any.
        accounts = [account["email"] for account in config.get("serviceAccounts", [])]
        expected = [] if name == "head" else ["dass-worker@mine.iam.gserviceaccount.com"]
        assert accounts == expected
    assert types["gpu"]["node_config"]["scheduling"]["provisioningModel"] == "SPOT"
    assert "scheduling" not in types["cpu"]["node_config"]


def test_on_azure_every_parameter_is_one_of_rays_template():
    cluster = yaml.safe_load(render(AZURE))
    assert cluster["provider"]["resource_group"] == "mine"
    assert cluster["provider"]["location"] == "westeurope"
    folder = Path(importlib.util.find_spec("ray").submodule_search_locations[0])
    place = folder / "autoscaler" / "_private" / "_azure" / "azure-vm-template.json"
    known = json.loads(place.read_text())["parameters"]
    for name, kind in cluster["available_node_types"].items():
        parameters = kind["node_config"]["azure_arm_parameters"]
        for key, value in parameters.items():
            kinds = {"string": str, "int": int, "object": dict}
            assert isinstance(value, kinds[known[key]["type"]]), key
        assert (parameters.get("priority") == "Spot") == (name == "gpu")


@EACH
def test_a_redis_is_told_to_the_head_and_to_no_worker(config):
    cluster = yaml.safe_load(render(replace(config, redis="10.0.0.9:6379", name="lab")))
    *_, start = cluster["head_start_ray_commands"]
    kept = "RAY_REDIS_ADDRESS=10.0.0.9:6379 RAY_external_storage_namespace=lab ray start --head "
    assert kept in start
    assert "REDIS" not in str(cluster["worker_start_ray_commands"])
    assert "REDIS" not in render(config)
    for key in ("head_start_ray_commands", "worker_start_ray_commands"):
        assert AWAY in cluster[key][-1].split(), "nodes wait for a head that comes back"
    alone = yaml.safe_load(render(replace(config, name="lab")))
    assert AWAY not in str(alone), "without Redis no head finds them again"


def test_every_machine_that_is_there_is_wanted_and_the_head_is_none_of_them():
    cluster = yaml.safe_load(render(LOCAL))
    kinds = cluster["available_node_types"]
    assert {name: kind["min_workers"] for name, kind in kinds.items()} == {"head": 0, WORKER: 2}
    assert cluster["head_node_type"] == "head" and cluster["max_workers"] == 2
    assert "-m cluster.deploy.head" in cluster["head_start_ray_commands"][-2]


def test_the_head_of_such_machines_is_alive_before_it_starts_and_its_workers_are_not():
    told = state(yaml.safe_load(render(LOCAL)))
    assert {address: machine["state"] for address, machine in told.items()} == {
        "10.0.0.1": "running",
        "10.0.0.2": "terminated",
        "10.0.0.3": "terminated",
    }
    assert told["10.0.0.1"]["tags"]["ray-user-node-type"] == "head"


@pytest.mark.ray
@pytest.mark.filterwarnings("ignore")  # Ray leaves files open
def test_rays_provider_reads_what_was_written_of_the_head(tmp_path, monkeypatch):
    from ray.autoscaler._private.local import config as paths
    from ray.autoscaler._private.local import node_provider

    for module in (paths, node_provider):
        monkeypatch.setattr(module, "get_state_path", lambda name: str(tmp_path / name))
    monkeypatch.setattr(node_provider, "get_lock_path", lambda name: str(tmp_path / "lock"))
    file = tmp_path / "cluster.yaml"
    file.write_text(render(LOCAL))
    record(str(file))
    provider = yaml.safe_load(file.read_text())["provider"]
    known = node_provider.LocalNodeProvider(provider, "dass")
    assert known.non_terminated_nodes({}) == ["10.0.0.1"]
    assert known.node_tags("10.0.0.1")["ray-node-type"] == "head"


def test_an_environment_that_is_there_is_used_and_nothing_is_installed():
    config = RenderConfig(
        provider="local", head="10.0.0.1", workers=("10.0.0.2",), environment="/opt/venv",
        credentials="~/s3", options="--num-cpus=1",
    )  # fmt: skip
    cluster = yaml.safe_load(render(config))
    assert not cluster["setup_commands"] and not cluster["head_setup_commands"]
    assert "$HOME/venv" not in render(config)
    assert cluster["file_mounts"]["~/.aws"] == "~/s3"
    assert cluster["worker_start_ray_commands"][-1].endswith("--num-cpus=1")
    assert "--num-cpus=0" in cluster["head_start_ray_commands"][-1]


def test_the_runbooks_lines_print_what_they_say(capsys):
    text = (SOURCE.parent / "docs" / "operations.md").read_text().replace("\\\n", " ")
    shown = re.findall(r"^python -m cluster\.deploy\.render ([^|>\n]+)", text, re.MULTILINE)
    assert len(shown) == 5
    for line in shown:
        main(shlex.split(line))
        kinds = {each.get("kind") for each in yaml.safe_load_all(capsys.readouterr().out)}
        assert ("kubernetes" in line) == bool(kinds & {"RayCluster", "RayJob"})


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--provider", "local"], "needs `--head"),
        (["--head", "10.0.0.1"], "--provider local"),
        (["--provider", "local", "--head", "10.0.0.1", "--workers", "10.0.0.1"], "twice"),
        (["--provider", "local", "--head", "a b", "--workers", "10.0.0.1"], "a b"),
        (["--provider", "gcp", "--group", "g"], "gcp has no --group"),
        (["--provider", "gcp", "--region", "europe-west4"], "add `--zone`"),
        (["--project", "p"], "add `--provider gcp`"),
        (["--provider", "gcp", "--head", "10.0.0.1"], "add `--provider local`"),
    ],
)
def test_what_does_not_fit_together_is_one_line(arguments, reason, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert reason in " ".join(capsys.readouterr().err.split())
