"""A cluster on three machines: `ray up`, jobs from outside, a machine that dies, `ray down`.

One story in order; run by `make test-cluster`, which prints the timeline.
"""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

from cluster.dashboards import FOLDER, PANELS
from cluster.render import RenderConfig, render
from tests.hosts import HOME, INSIDE, ROOT, Host, program, sh

pytestmark = [
    pytest.mark.hosts,
    pytest.mark.skipif(INSIDE not in os.environ, reason="run `make test-cluster`"),
]

HEAD, ONE, TWO = Host("head", 11), Host("one", 12), Host("two", 13)
HOSTS = (HEAD, ONE, TWO)
FILE = "/tmp/cluster.yaml"
STORE = "s3://dass/v1"
ENDPOINT = f"http://{HEAD.address}:5555"
DASHBOARD = "http://127.0.0.1:8265"
SMALL = "--num-cpus=1 --object-store-memory=100000000"
BUILD = f"python -m jobs.build micro --store {STORE}"
BEGAN = time.monotonic()
TIMELINE = []


def note(text):
    """Write what has happened into the timeline."""
    TIMELINE.append(f"{time.monotonic() - BEGAN:7.1f} s  {text}")
    print(TIMELINE[-1], flush=True)


def run(command, *, status=0, timeout=900):
    """Run a command of the environment on the ground; return what it printed."""
    path = f"{ROOT}/.venv/bin:{os.environ['PATH']}"
    done = subprocess.run(
        command, shell=True, text=True, timeout=timeout, cwd=ROOT, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env=os.environ | {"PATH": path, "RAY_AUTH_MODE": "token"},
    )  # fmt: skip
    assert done.returncode == status, f"{command} exited {done.returncode}:\n{done.stdout[-6000:]}"
    return done.stdout


def alive():
    """Return the addresses of the nodes that the head counts on."""
    code = (
        "import ray, json, logging; ray.init(address='10.77.0.11:6379', log_to_driver=False, "
        "logging_level=logging.ERROR); "
        "print('NODES', json.dumps([n['NodeManagerAddress'] for n in ray.nodes() if n['Alive']]))"
    )
    line = HEAD.output(
        f'cd /tmp; export HOME={HOME} RAY_AUTH_MODE=token; {sys.executable} -W ignore -c "{code}"'
    )
    return set(json.loads(line.split("NODES ")[1]))


def wait_for(addresses, *, seconds=480):
    """Wait until exactly these nodes are alive."""
    deadline = time.monotonic() + seconds
    while (now := alive()) != addresses:
        assert time.monotonic() < deadline, f"{addresses} must be alive, but {now} are"
        time.sleep(3)


def store():
    """Return the store, as a client on the ground sees it."""
    from cluster.storage import Store

    return Store(STORE)


@pytest.fixture(scope="module", autouse=True)
def machines():
    """Three machines that are on, a store on the first, and the rendered file."""
    sh(f"mkdir -p {HOME}/.ssh {HOME}/.aws")
    sh(f"ssh-keygen -q -t ed25519 -N '' -f {HOME}/.ssh/id_ed25519")
    key = Path(HOME, ".ssh", "id_ed25519.pub").read_text().strip()
    section = f"[default]\nregion = us-east-1\nendpoint_url = {ENDPOINT}\n"
    Path(HOME, ".aws", "config").write_text(section)
    keys = "[default]\naws_access_key_id = test\naws_secret_access_key = test\n"
    Path(HOME, ".aws", "credentials").write_text(keys)
    for host in HOSTS:
        host.start(key)
    note(f"{len(HOSTS)} machines are on: {', '.join(host.address for host in HOSTS)}")
    HEAD.leave_running(
        f"exec {ROOT}/.venv/bin/moto_server -H {HEAD.address} -p 5555 > /tmp/s3 2>&1"
    )
    config = RenderConfig(
        provider="local", head=HEAD.address, workers=(ONE.address, TWO.address), user="root",
        credentials="~/.aws", environment=f"{ROOT}/.venv", options=SMALL, store=STORE,
    )  # fmt: skip
    Path(FILE).write_text(render(config))
    deadline = time.monotonic() + 60
    while True:
        try:
            import boto3

            boto3.client("s3").create_bucket(Bucket="dass")
            break
        except Exception:
            assert time.monotonic() < deadline
            time.sleep(1)
    note(f"the store answers at {ENDPOINT}")
    yield key
    print("\n" + "\n".join(TIMELINE))
    for host in HOSTS:
        host.kill()


@pytest.fixture(scope="module")
def tunnel():
    """What an operator has open: `ray dashboard`."""
    process = subprocess.Popen(
        [f"{ROOT}/.venv/bin/ray", "dashboard", FILE],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while b"8265" not in subprocess.check_output("ss -ltn", shell=True):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.5)
    yield DASHBOARD
    process.terminate()
    process.wait()


def test_each_machine_sees_itself_alone():
    assert HEAD.output("cat /proc/*/comm").split().count("moto_server") == 1
    assert "moto_server" not in ONE.output("cat /proc/*/comm")
    assert len(ONE.output("ps -e -o pid=").split()) < 8
    assert "ground" not in ONE.output("hostname; ls /tmp")
    with pytest.raises(subprocess.CalledProcessError):
        ONE.output(f"touch {ROOT}/a 2> /dev/null")


def test_ray_up_brings_every_machine_into_the_cluster():
    run("ray get-auth-token --generate")
    print(run(f"ray up --yes --no-config-cache {FILE}")[-1500:])
    note("`ray up` returned")
    wait_for({host.address for host in HOSTS})
    note("all nodes are alive")


def test_prometheus_accepts_the_rules_and_finds_every_node():
    print(run(f"{program('promtool')} check config {FOLDER}/prometheus.yaml"))
    HEAD.leave_running(
        f"exec {program('prometheus')} --config.file={FOLDER}/prometheus.yaml "
        f"--storage.tsdb.path=/tmp/prometheus --web.listen-address={HEAD.address}:9090 "
        "> /tmp/prometheus.log 2>&1"
    )
    deadline = time.monotonic() + 120
    while len(ask("query", query='up{job="ray"} == 1')) < len(HOSTS):
        assert time.monotonic() < deadline, ask("query", query="up")
        time.sleep(3)
    note("Prometheus, with the shipped settings, scrapes every node")


def ask(path, **fields):
    """Return what Prometheus answers to a query, nothing while it is not there."""
    url = f"http://{HEAD.address}:9090/api/v1/{path}?{urllib.parse.urlencode(fields)}"
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return json.load(answer)["data"]["result"]
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{fields} must be a query: {error.read()}") from error
    except OSError:
        return []


def silent(panels, *, since):
    """Return the titles of the panels that have shown nothing since a time."""
    span = {"start": since, "end": time.time(), "step": 15}
    return [
        panel.title for panel in panels if not any(
            value[1] != "NaN"
            for curve in ask("query_range", query=panel.query, **span)
            for value in curve["values"]
        )
    ]  # fmt: skip


def test_without_the_token_nobody_is_answered(tunnel):
    env = "RAY_AUTH_MODE=token RAY_AUTH_TOKEN=" + "0" * 32
    answer = run(f"{env} ray job list --address {tunnel}", status=1)
    assert "401" in answer or "403" in answer or "nauthori" in answer or "nvalid" in answer


def submit(tunnel, command, *, options="", status=0):
    return run(
        f"ray job submit --address {tunnel} --working-dir . "
        f"--runtime-env cluster/runtime-env.yaml {options} -- {command}",
        status=status,
    )


def test_a_submitted_jobs_exit_status_is_the_truth(tunnel):
    submit(tunnel, "true")
    submit(tunnel, "false", status=1)
    note("a job that succeeds exits 0, one that fails 1")


def status_of(tunnel, name):
    answer = run(f"ray job status --address {tunnel} {name}")
    words = ("SUCCEEDED", "FAILED", "STOPPED", "RUNNING", "PENDING")
    return next(word for word in words if word in answer)


def records():
    return [key for key in store().list("records") if key.endswith(".parquet")]


def wait_for_records(number, *, seconds=300):
    deadline = time.monotonic() + seconds
    while len(found := records()) < number:
        assert time.monotonic() < deadline, f"{number} records must appear, but {len(found)} did"
        time.sleep(0.5)


def test_a_client_that_leaves_stops_nothing_and_a_stopped_job_is_resumable(tunnel):
    client = subprocess.Popen(
        f"exec {ROOT}/.venv/bin/ray job submit --address {tunnel} --working-dir . "
        f"--runtime-env cluster/runtime-env.yaml --submission-id first -- {BUILD}",
        shell=True, cwd=ROOT, env=os.environ | {"RAY_AUTH_MODE": "token"},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    wait_for_records(1)
    note("`jobs.build micro` has published its first record")
    client.send_signal(2)
    client.wait(timeout=30)
    assert status_of(tunnel, "first") == "RUNNING"
    seen = len(records())
    wait_for_records(seen + 5)
    note("Ctrl-C of the client: the job goes on")
    run(f"ray job stop --address {tunnel} first")
    assert status_of(tunnel, "first") == "STOPPED"
    held = len(records())
    assert held > 0
    note(f"`ray job stop`: stopped with {held} records")


def test_a_machine_that_dies_in_the_middle_of_a_build_loses_nothing(tunnel, machines):
    before = records()
    submit(tunnel, BUILD, options="--submission-id second --no-wait")
    wait_for_records(len(before) + 20)
    TWO.kill()
    note(f"the power of {TWO.name} is cut with {len(records())} records published")
    watched = run(f"ray job logs --follow --address {tunnel} second", timeout=900)
    assert status_of(tunnel, "second") == "SUCCEEDED", watched[-3000:]
    note("the build ended complete")
    assert "planned" in watched
    from dass.library import Library

    labelled = Library(store()).records()
    assert len({record.key for record in labelled}) == len(labelled) == len(records())
    assert set(before) <= set(records())
    again = submit(tunnel, BUILD)
    assert f"students: {len(labelled)} planned, {len(labelled)} in the store" in again
    note(f"{len(labelled)} records: none lost, none twice; the same line finds nothing to do")


def test_every_panel_shows_something(machines):
    deadline = time.monotonic() + 90
    while quiet := silent(PANELS, since=time.time() - 3000):
        assert time.monotonic() < deadline, f"no data for {quiet}"
        time.sleep(5)
    note(f"all {len(PANELS)} panels of builds and nodes have data")


def test_a_machine_that_is_back_is_taken_in(machines):
    TWO.start(machines)
    note(f"{TWO.name} is on again, with nothing on its disks")
    try:
        wait_for({host.address for host in HOSTS}, seconds=240)
        note("the head has taken it in by itself")
    except AssertionError:
        run(f"ray up --yes --no-config-cache --no-restart {FILE}")
        wait_for({host.address for host in HOSTS}, seconds=240)
        note("`ray up --no-restart` has taken it in")


def test_ray_down_ends_every_process():
    run(f"ray down --yes {FILE}")
    note("`ray down` returned")
    deadline = time.monotonic() + 60
    while any("raylet" in host.output("cat /proc/*/comm") for host in HOSTS):
        assert time.monotonic() < deadline, "no raylet may be left"
        time.sleep(1)
    note("no machine runs Ray any more")
