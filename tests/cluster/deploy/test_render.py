"""The cluster file: both variants against Ray's own schema, and what they promise."""

import importlib.util
import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from cluster.deploy.head import main as record
from cluster.deploy.head import state
from cluster.deploy.render import SOURCE, WORKER, RenderConfig, load, main, render

LOCAL = RenderConfig(
    provider="local",
    head="10.0.0.1",
    workers=("10.0.0.2", "10.0.0.3"),
    user="me",
    key="~/key",
    store="s3://b/p",
)


def schema():
    """Return Ray's schema of cluster files, found without importing Ray."""
    spec = importlib.util.find_spec("ray")
    assert spec is not None and spec.submodule_search_locations
    (folder,) = spec.submodule_search_locations
    return json.loads(Path(folder, "autoscaler", "ray-schema.json").read_text())


@pytest.mark.parametrize("config", [RenderConfig(), LOCAL], ids=["aws", "local"])
def test_what_is_rendered_fits_rays_schema(config):
    jsonschema.validate(yaml.safe_load(render(config)), schema())


def test_the_schema_refuses_a_misspelt_field():
    cluster = load() | {"max_worker": 3}
    with pytest.raises(jsonschema.ValidationError, match="max_worker"):
        jsonschema.validate(cluster, schema())


@pytest.mark.ray
@pytest.mark.parametrize("config", [RenderConfig(), LOCAL], ids=["aws", "local"])
def test_ray_itself_accepts_what_is_rendered(config):
    from ray.autoscaler._private.util import prepare_config, validate_config

    prepared = prepare_config(yaml.safe_load(render(config)))
    validate_config(prepared)
    names = set(prepared["available_node_types"])
    expected = {"aws": {"head", "gpu", "cpu"}, "local": {"head", WORKER}}
    assert names == expected[config.provider]


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


@pytest.mark.parametrize("config", [RenderConfig(), LOCAL], ids=["aws", "local"])
def test_every_node_gets_the_token_and_the_dashboard_stays_on_loopback(config):
    cluster = yaml.safe_load(render(config))
    assert cluster["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"
    starts = [cluster[f"{kind}_start_ray_commands"][-1] for kind in ("head", "worker")]
    assert all("RAY_AUTH_MODE=token" in start for start in starts)
    assert "--dashboard-host=127.0.0.1" in starts[0]
    assert "access_key" not in render(config).lower()


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


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--provider", "local"], "needs `--head"),
        (["--head", "10.0.0.1"], "--provider local"),
        (["--provider", "local", "--head", "10.0.0.1", "--workers", "10.0.0.1"], "twice"),
        (["--provider", "local", "--head", "a b", "--workers", "10.0.0.1"], "a b"),
    ],
)
def test_what_does_not_fit_together_is_one_line(arguments, reason, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert reason in capsys.readouterr().err
