"""The manifests against KubeRay's schemas, and what they promise: closed, guarded, resumable."""

import copy
import shlex
from collections import Counter
from dataclasses import replace

import jsonschema
import pytest
import tyro
import yaml

from cluster.deploy.kubernetes.manifests import manifests
from cluster.deploy.kubernetes.settings import KubernetesConfig
from cluster.deploy.render import RenderConfig, main, render, source_text
from cluster.deploy.source import JOBS, load
from cluster.deploy.submit import ADDRESS
from jobs import cli
from serve.limits import Limits
from serve.settings import Settings
from tests.support.kuberay import lets_in, refusals, validate

KINDS = ("RayCluster", "RayJob", "RayService")
EVERYTHING = {
    "image": "registry/dass:1",
    "namespace": "here",
    "data": "images",
    "identity": ("eks.amazonaws.com/role-arn=arn:aws:iam::1:role/dass",),
    "redis_secret": "redis",
}
DASHBOARD = int(ADDRESS.rpartition(":")[2])


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home without a token, and no token of the service."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("DASS_TOKEN", raising=False)
    return tmp_path


@pytest.fixture
def tokens(home, monkeypatch):
    """Both tokens, where users have them."""
    (home / ".ray").mkdir()
    (home / ".ray" / "auth_token").write_text("of-the-cluster\n")
    monkeypatch.setenv("DASS_TOKEN", "of-the-service")


def objects(redis=None, **settings):
    """Return what is printed, as objects."""
    config = RenderConfig(
        provider="kubernetes",
        name="lab",
        store="s3://b/p",
        redis=redis,
        kubernetes=KubernetesConfig(**settings),
    )
    found = manifests(yaml.safe_load(source_text(config)), config.kubernetes, redis)
    return copy.deepcopy(found)


def of(found, kind):
    return [each for each in found if each["kind"] == kind]


def ray_clusters(found):
    """Yield the specification of every Ray cluster, by the name of what it is for."""
    for each in found:
        if each["kind"] in KINDS:
            inner = {"RayJob": "rayClusterSpec", "RayService": "rayClusterConfig"}
            spec = each["spec"]
            name = each["metadata"].get("name", each["metadata"].get("generateName"))
            yield name, spec[inner[each["kind"]]] if each["kind"] in inner else spec


def groups(spec):
    """Return the groups of a Ray cluster, its head first."""
    return [spec["headGroupSpec"], *spec["workerGroupSpecs"]]


def templates(found):
    """Return the template of every pod that is described."""
    ours = [group["template"] for _, spec in ray_clusters(found) for group in groups(spec)]
    return ours + [job["spec"]["submitterPodTemplate"] for job in of(found, "RayJob")]


# --- schemas -------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [{}, EVERYTHING, {"tls": False}], ids=["plain", "all", "old"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_printed_fits_kuberays_schema(kind, settings, tokens):
    found = of(objects("redis:6379", **settings), kind)
    assert len(found) == (len(load(JOBS)) if kind == "RayJob" else 1)
    for each in found:
        validate(each)


def test_a_job_that_starts_at_once_fits_the_schema(home):
    (each,) = objects(parts=("search",), arguments="small --teacher mine")
    validate(each)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("spec", "autoscaling"), True),
        (("spec", "headGroupSpec", "template", "spec", "tolerances"), []),
        (("spec", "workerGroupSpecs", 0, "maxReplica"), 3),
        (("spec", "workerGroupSpecs", 0, "maxReplicas"), "3"),
        (("spec", "authOptions", "mode"), "password"),
        (("spec", "headGroupSpec", "rayStartParams", "num-cpus"), 0),
    ],
)
def test_the_schema_refuses_what_kuberay_does_not_know(path, value, home):
    (broken,) = objects(parts=("cluster",))
    *way, last = path
    place = broken
    for step in way:
        place = place[step]
    place[last] = value
    with pytest.raises(jsonschema.ValidationError):
        validate(broken)


@pytest.mark.ray
def test_rays_autoscaler_reads_the_types_of_the_source(home):
    from ray.autoscaler._private.kuberay.autoscaling_config import (
        _derive_autoscaling_config_from_ray_cr as derive,
    )

    (cluster,) = objects(parts=("cluster",))
    for group in groups(cluster["spec"]):
        group["rayStartParams"].setdefault("address", "head:6379")
    read, source = derive(cluster), load()
    assert read["idle_timeout_minutes"] == source["idle_timeout_minutes"]
    assert read["max_workers"] == source["max_workers"]
    for name, kind in source["available_node_types"].items():
        pod = source["metadata"]["machines"][name]["pod"]
        found = read["available_node_types"]["headgroup" if name == "head" else name]
        assert found["max_workers"] == kind.get("max_workers", 0)
        assert found["min_workers"] == kind.get("min_workers", 0)
        computes = kind["resources"]["CPU"] > 0
        assert found["resources"]["CPU"] == (pod["cpu"] if computes else 0)
        assert found["resources"].get("GPU", 0) == kind["resources"]["GPU"]


@pytest.mark.ray
@pytest.mark.filterwarnings("ignore")  # Ray's own: as an error it leaves `ray.serve` half loaded
def test_ray_starts_with_the_options_that_pods_are_given(home):
    from ray.scripts.scripts import start

    known = {option for parameter in start.params for option in parameter.opts}
    for _, spec in ray_clusters(objects("redis:6379")):
        for group in groups(spec):
            assert {f"--{name}" for name in group["rayStartParams"]} <= known


@pytest.mark.ray
@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_ray_serve_accepts_the_services_file(home):
    from ray.serve.schema import ServeDeploySchema

    (service,) = of(objects(), "RayService")
    ServeDeploySchema.model_validate(yaml.safe_load(service["spec"]["serveConfigV2"]))


# --- all of it -----------------------------------------------------------------------------


def test_names_are_such_as_kuberay_takes_and_none_stands_twice(tokens):
    found = objects(**EVERYTHING)
    names = Counter((each["kind"], each["metadata"]["name"]) for each in found)
    assert max(names.values()) == 1
    # KubeRay makes a Service NAME-head-svc of each of its kinds, whichever it is.
    heads = Counter(each["metadata"]["name"] for each in found if each["kind"] in KINDS)
    assert max(heads.values()) == 1
    longest = RenderConfig(
        provider="kubernetes",
        name="n" * 22,
        kubernetes=KubernetesConfig(parts=("jobs", "service", "cross_validate")),
    )
    for each in yaml.safe_load_all(render(longest)):
        drawn = 5 * "x" if "generateName" in each["metadata"] else ""  # by Kubernetes
        name = each["metadata"].get("name") or each["metadata"]["generateName"] + drawn
        assert len(name) <= 47, "KubeRay's bound for jobs and services"


def test_everything_is_in_its_namespace_and_what_is_referred_to_is_there(tokens):
    found = objects(namespace="here")
    (namespace,) = of(found, "Namespace")
    assert namespace["metadata"]["name"] == "here"
    others = [each for each in found if each["kind"] != "Namespace"]
    assert {each["metadata"]["namespace"] for each in others} == {"here"}
    accounts = {each["metadata"]["name"] for each in of(found, "ServiceAccount")}
    secrets = {each["metadata"]["name"]: each["stringData"] for each in of(found, "Secret")}
    for _, spec in ray_clusters(found):
        assert "auth_token" in secrets[spec["authOptions"]["secretName"]]
        for group in groups(spec):
            pod = group["template"]["spec"]
            assert pod["serviceAccountName"] in accounts
            mounted = {m["name"] for c in pod["containers"] for m in c["volumeMounts"]}
            assert mounted == {volume["name"] for volume in pod["volumes"]}
            for variable in pod["containers"][0]["env"]:
                if key := variable.get("valueFrom", {}).get("secretKeyRef"):
                    assert key["key"] in secrets[key["name"]]


def test_policies_are_made_before_any_pod(tokens):
    kinds = [each["kind"] for each in objects()]
    last = max(i for i, kind in enumerate(kinds) if kind == "NetworkPolicy")
    assert last < min(i for i, kind in enumerate(kinds) if kind in KINDS)


def test_the_restricted_standard_takes_every_pod(home):
    found = objects(**EVERYTHING)
    (namespace,) = of(found, "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert [refusals(template["spec"]) for template in templates(found)] == [[]] * len(
        templates(found)
    )
    for _, spec in ray_clusters(found):
        beside = {"name": "autoscaler", **spec["autoscalerOptions"]}
        assert refusals({"containers": [beside]}) == []
    open_pod = {"containers": [{"name": "c"}], "volumes": [{"name": "v", "hostPath": {}}]}
    assert {"hostPath", "c: runAsNonRoot", "c: capabilities"} <= set(refusals(open_pod))


# --- tokens --------------------------------------------------------------------------------


def test_tokens_stand_in_secrets_and_nowhere_else(tokens):
    found = objects()
    data = {each["metadata"]["name"]: each["stringData"] for each in of(found, "Secret")}
    assert data == {
        "lab-token": {"auth_token": "of-the-cluster"},
        "lab-service": {"token": "of-the-service"},
    }
    rest = yaml.safe_dump_all(each for each in found if each["kind"] != "Secret")
    assert "of-the-cluster" not in rest and "of-the-service" not in rest
    assert all(spec["authOptions"]["mode"] == "token" for _, spec in ray_clusters(found))


def test_without_a_token_kuberay_makes_one_and_the_service_does_not_start_open(home, capsys):
    found = objects()
    assert not of(found, "Secret")
    assert {str(spec["authOptions"]) for _, spec in ray_clusters(found)} == {"{'mode': 'token'}"}
    (service,) = of(found, "RayService")
    for group in groups(service["spec"]["rayClusterConfig"]):
        variables = {v["name"]: v for v in group["template"]["spec"]["containers"][0]["env"]}
        assert "optional" not in variables["DASS_TOKEN"]["valueFrom"]["secretKeyRef"]
    main(["--provider", "kubernetes"])
    told = capsys.readouterr().err
    assert "ray get-auth-token --generate" in told and "a Secret dass-service" in told


def test_a_secret_that_is_there_is_used_and_none_is_printed(tokens):
    found = objects(token_secret="mine")
    assert "lab-token" not in {each["metadata"]["name"] for each in of(found, "Secret")}
    assert all(spec["authOptions"]["secretName"] == "mine" for _, spec in ray_clusters(found))


# --- who may speak to whom -----------------------------------------------------------------


def pods(found):
    """Return the labels of pods as they are once KubeRay has added its own, by kind of cluster."""
    kinds = {}
    for name, spec in ray_clusters(found):
        for group in groups(spec):
            role = "head" if group is spec["headGroupSpec"] else "worker"
            labels = dict(group["template"]["metadata"]["labels"])
            stamped = {"ray.io/node-type": role, "ray.io/is-ray-node": "yes"}
            kinds[name, role] = labels | stamped | {"ray.io/cluster": name}
    return kinds


@pytest.fixture
def network(home):
    """Who reaches whom: labels by cluster and role, and a question to the policies."""
    found = objects(namespace="here")
    policies, there = of(found, "NetworkPolicy"), pods(found)

    def reaches(caller, target, port, *, namespace="here"):
        return lets_in(policies, (namespace, caller), ("here", there[target]), port)

    (submitter,) = {
        tuple(job["spec"]["submitterPodTemplate"]["metadata"]["labels"].items())
        for job in of(found, "RayJob")
    }
    return reaches, there, dict(submitter)


def test_the_dashboard_is_closed_but_to_submitters_and_the_operator(network):
    reaches, there, submitter = network
    operator = {"app.kubernetes.io/component": "kuberay-operator"}
    heads = [target for target in there if target[1] == "head"]
    assert len(heads) == 2 + len(load(JOBS))
    for head in heads:
        assert reaches(submitter, head, DASHBOARD)
        assert reaches(operator, head, DASHBOARD, namespace="kuberay")
        assert not reaches({}, head, DASHBOARD)
        assert not reaches({"app": "other"}, head, DASHBOARD, namespace="other")
        # Labels are the word of whoever makes a pod: from elsewhere they open nothing.
        assert not reaches(submitter, head, DASHBOARD, namespace="other")
        assert not reaches(operator, head, DASHBOARD)
        assert not reaches(there[head], head, DASHBOARD, namespace="other")
        assert not reaches(submitter, head, 6379)
        assert not reaches({}, head, DASHBOARD, namespace="monitoring")


def test_nodes_of_a_cluster_reach_each_other_at_every_port(network):
    reaches, there, _ = network
    for name in {name for name, _ in there}:
        for port in (6379, 10002, 8076, 52365):
            assert reaches(there[name, "worker"], (name, "head"), port)
            assert reaches(there[name, "head"], (name, "worker"), port)
            assert reaches(there[name, "worker"], (name, "worker"), port)


def test_only_the_services_ports_are_open_to_everyone(network):
    reaches, there, _ = network
    service = next(name for name, _ in there if there[name, "head"][COMPONENT] == "service")
    for target in there:
        for port in (8000, 9000, DASHBOARD, 6379, 8085, 10002):
            is_open = reaches({}, target, port, namespace="anywhere")
            assert is_open == (target == (service, "worker") and port in (8000, 9000))
        assert reaches({}, target, 8085, namespace="monitoring")


COMPONENT = "app.kubernetes.io/component"


# --- types ---------------------------------------------------------------------------------


def test_only_what_may_be_taken_away_runs_on_spot_machines(home):
    (cluster,) = objects(parts=("cluster",))
    source = load()["available_node_types"]
    for group in cluster["spec"]["workerGroupSpecs"]:
        pod = group["template"]["spec"]
        borne = {toleration["key"] for toleration in pod.get("tolerations", [])}
        spot = "InstanceMarketOptions" in source[group["groupName"]]["node_config"]
        assert ("cloud.google.com/gke-spot" in borne) == spot == ("affinity" in pod)
        assert ("nvidia.com/gpu" in borne) == (source[group["groupName"]]["resources"]["GPU"] > 0)
    (service,) = objects(parts=("service",))[-1:]
    (group,) = service["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    assert "tolerations" not in group["template"]["spec"]


def test_a_pod_leaves_its_machine_a_core_and_runs_the_image_of_its_kind(home):
    source = load()
    (cluster,) = objects(parts=("cluster",), image="registry/dass:1")
    for group in cluster["spec"]["workerGroupSpecs"]:
        resources = source["available_node_types"][group["groupName"]]["resources"]
        (container,) = group["template"]["spec"]["containers"]
        limits = container["resources"]["limits"]
        assert limits == container["resources"]["requests"]
        assert int(limits["cpu"]) == resources["CPU"] - 1
        assert int(limits.get("nvidia.com/gpu", 0)) == resources["GPU"]
        variant = "cuda" if resources["GPU"] else "cpu"
        assert container["image"] == f"registry/dass:1-{variant}"


def test_nodes_get_the_variables_and_ports_of_the_source(home):
    command = load()["head_start_ray_commands"][-1]
    for _, spec in ray_clusters(objects()):
        assert spec["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
        for group in groups(spec):
            (container,) = group["template"]["spec"]["containers"]
            told = {v["name"]: v["value"] for v in container["env"] if "value" in v}
            assert len(told) >= 4
            assert all(f"{name}={value}" in command for name, value in told.items())
            ports = {port["name"]: port["containerPort"] for port in container["ports"]}
            assert f"--metrics-export-port={ports['metrics']}" in command
            assert str(ports["metrics"]) == group["rayStartParams"]["metrics-export-port"]


def test_the_heads_state_is_kept_in_redis_for_what_must_outlive_it(home):
    found = objects("redis:6379", redis_secret="pw")
    for name, spec in ray_clusters(found):
        kept = spec.get("gcsFaultToleranceOptions")
        if "-job-" in name:
            assert kept is None
        else:
            assert kept["redisAddress"] == "redis:6379"
            assert kept["redisPassword"]["valueFrom"]["secretKeyRef"]["name"] == "pw"


def test_images_of_a_claim_are_read_only_everywhere(home):
    for _, spec in ray_clusters(objects(data="images")):
        for group in groups(spec):
            pod = group["template"]["spec"]
            (volume,) = (v for v in pod["volumes"] if "persistentVolumeClaim" in v)
            assert volume["persistentVolumeClaim"] == {"claimName": "images", "readOnly": True}
            (mount,) = (
                m for m in pod["containers"][0]["volumeMounts"] if m["name"] == volume["name"]
            )
            assert mount["mountPath"] == "/data" and mount["readOnly"]


def test_the_store_is_used_by_the_accounts_identity_and_no_key_is_printed(home):
    found = objects(identity=EVERYTHING["identity"])
    for account in of(found, "ServiceAccount"):
        annotations = account["metadata"]["annotations"]
        assert annotations["eks.amazonaws.com/role-arn"] == "arn:aws:iam::1:role/dass"
    assert "AWS_" not in yaml.safe_dump_all(found)


# --- jobs ----------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", load(JOBS))
def test_a_job_is_a_line_that_its_verb_takes_and_waits_to_be_started(verb, home):
    name = f"lab-job-{verb.replace('_', '-')}"
    (job,) = (j for j in objects(parts=("jobs",)) if j["metadata"]["name"] == name)
    spec = job["spec"]
    assert spec["suspend"] and spec["shutdownAfterJobFinishes"]
    words = shlex.split(spec["entrypoint"])
    assert words[:3] == ["python", "-m", f"jobs.{verb}"]
    config = tyro.extras.overridable_config_cli(cli.presets(verb), args=words[3:])
    holder = {"--store": "", "--train.store": "train", "--build.store": "build"}
    inner = holder[load(JOBS)[verb]["store"]]
    assert (getattr(config, inner) if inner else config).store == "s3://b/p"


def test_a_job_of_ones_own_starts_at_once_each_time_anew(home):
    (job,) = objects(parts=("search",), arguments="paper --teacher mine --max-flops 20M")
    assert not job["spec"]["suspend"]
    assert job["metadata"]["generateName"] == "lab-job-search-" and "name" not in job["metadata"]
    assert job["spec"]["entrypoint"] == (
        "python -m jobs.search paper --teacher mine --max-flops 20M --store s3://b/p"
    )
    (elsewhere,) = objects(parts=("compact",), arguments="small --store s3://other/p")
    assert elsewhere["spec"]["entrypoint"].count("s3://") == 1


def test_a_job_that_computes_itself_gets_a_worker_and_on_cuda_its_gpu(home):
    for arguments, cores, gpus in [("small", 1, None), ("small --device cuda", None, 1)]:
        (job,) = objects(parts=("train",), arguments=arguments)
        assert job["spec"].get("entrypointNumCpus") == cores
        assert job["spec"].get("entrypointNumGpus") == gpus
    (job,) = objects(parts=("build",))
    assert "entrypointNumCpus" not in job["spec"] and "entrypointNumGpus" not in job["spec"]


def test_the_table_of_jobs_is_that_of_the_verbs():
    from jobs.verbs import submitted

    assert load(JOBS) == submitted(), "run `python -m jobs.verbs > cluster/deploy/jobs.yaml`"


# --- the service ---------------------------------------------------------------------------


def test_the_service_is_that_of_its_file_and_reached_through_ready_pods(home, tmp_path):
    (service,) = of(objects(), "RayService")
    spec = service["spec"]
    file = yaml.safe_load(spec["serveConfigV2"])
    assert Settings(**file["applications"][0]["args"]) == Settings(store="s3://b/p")
    assert file["http_options"]["host"] == "0.0.0.0" and file["proxy_location"] == "EveryNode"
    assert spec["upgradeStrategy"]["type"] == "NewCluster"
    assert spec["rayClusterDeletionDelaySeconds"] > Limits().seconds
    (group,) = spec["rayClusterConfig"]["workerGroupSpecs"]
    assert group["minReplicas"] == group["replicas"] == 2
    (container,) = group["template"]["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert container["readinessProbe"]["httpGet"] == {"path": "/ready", "port": ports["serve"]}
    (grpc,) = of(objects(), "Service")
    (port,) = grpc["spec"]["ports"]
    assert port["targetPort"] == ports["grpc"] == file["grpc_options"]["port"]
    worker = pods(objects())["lab-service", "worker"]
    (budget,) = of(objects(), "PodDisruptionBudget")
    for selector in (grpc["spec"]["selector"], budget["spec"]["selector"]["matchLabels"]):
        assert selector.items() <= worker.items()
    assert budget["spec"]["minAvailable"] < group["minReplicas"]


def test_a_file_of_ones_own_is_the_service(home, tmp_path):
    from serve.render import render as service_file
    from serve.settings import digest

    mine = Settings(store="s3://mine", max_replicas=8, token_digest=digest("secret"))
    (tmp_path / "service.yaml").write_text(service_file(mine))
    (service,) = of(objects(service=str(tmp_path / "service.yaml")), "RayService")
    file = yaml.safe_load(service["spec"]["serveConfigV2"])
    assert Settings(**file["applications"][0]["args"]) == mine
    assert "DASS_TOKEN" not in yaml.safe_dump(service), "the file has the digest of its token"


# --- refusals ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--namespace", "other"], "add `--provider kubernetes`"),
        (["--provider", "kubernetes", "--parts", "everything"], "parts must be of namespace"),
        (["--provider", "kubernetes", "--arguments", "small"], "add `--parts search`"),
        (["--provider", "kubernetes", "--identity", "role"], "must be KEY=VALUE"),
        (["--provider", "kubernetes", "--namespace", "My_Own"], "small letters"),
        (["--provider", "kubernetes", "--name", "Dass"], "small letters"),
        (["--provider", "kubernetes", "--redis", "redis"], "HOST:PORT"),
        (["--provider", "kubernetes", "--token", "/nowhere"], "token must be a file"),
        (["--provider", "kubernetes", "--service", "/nowhere.yaml"], "/nowhere.yaml"),
        (["--provider", "kubernetes", "--project", "p"], "gcp or azure"),
    ],
)
def test_what_does_not_fit_together_is_one_line(arguments, reason, home, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    told = capsys.readouterr()
    assert reason in " ".join(told.err.split()) and not told.out


def test_what_is_printed_is_read_back_as_it_was(home, capsys):
    main(["--provider", "kubernetes", "--name", "lab", "--store", "s3://b/p"])
    printed = capsys.readouterr().out
    assert list(yaml.safe_load_all(printed)) == objects()
    assert "  serveConfigV2: |\n" in printed and "&id" not in printed


def test_parts_are_printed_alone(home):
    whole = objects()
    apart = [objects(parts=(part,)) for part in KubernetesConfig().parts]
    assert [each for part in apart for each in part] == whole
    assert replace(KubernetesConfig(), parts=()).parts == ()
