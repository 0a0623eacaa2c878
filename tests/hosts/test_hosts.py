"""A cluster on three machines: `ray up`, jobs and a service from outside, a machine that dies.

One story in order; run by `make test-cluster`, which prints the timeline. Lines that the README
or a job's `--help` shows are read there and typed as they stand, but for addresses and names.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
import yaml

from cluster.deploy.dashboards import FOLDER
from cluster.deploy.panels import PANELS, SERVICE_PANELS
from tests.hosts.machines import HOME, INSIDE, ROOT, Host, program, sh

pytestmark = [
    pytest.mark.hosts,
    pytest.mark.skipif(INSIDE not in os.environ, reason="run `make test-cluster`"),
]

HEAD, ONE, TWO = Host("head", 11), Host("one", 12), Host("two", 13)
HOSTS = (HEAD, ONE, TWO)
FILE, SERVICE_FILE = "/tmp/mine.yaml", "/tmp/service.yaml"
STORE = "s3://dass/v1"
ENDPOINT = f"http://{HEAD.address}:5555"
DASHBOARD = "http://127.0.0.1:8265"
SMALL = "--num-cpus=1 --object-store-memory=100000000"
TOKEN = "a token of these tests"
BEGAN, BEGAN_AT = time.monotonic(), time.time()
TIMELINE = []


def note(text):
    """Write what has happened into the timeline."""
    TIMELINE.append(f"{time.monotonic() - BEGAN:7.1f} s  {text}")
    print(TIMELINE[-1], flush=True)


def environment():
    """Return what an operator has in the shell."""
    path = f"{ROOT}/.venv/bin:{os.environ['PATH']}"
    return os.environ | {"PATH": path, "RAY_AUTH_MODE": "token", "DASS_TOKEN": TOKEN}


def run(command, *, status=0, timeout=1800):
    """Run a command of the environment on the ground; return what it printed."""
    done = subprocess.run(
        command, shell=True, text=True, timeout=timeout, cwd=ROOT, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment(),
    )  # fmt: skip
    assert done.returncode == status, f"{command} exited {done.returncode}:\n{done.stdout[-6000:]}"
    return done.stdout


def readme(*words):
    """Return the line of the README's section that has these words, for these machines."""
    text = (ROOT / "README.md").read_text().split("## On a cluster")[1].split("\n## ")[0]
    lines = "\n".join(text.split("```")[1::2]).replace("\\\n", " ").splitlines()
    (line,) = [line for line in lines if all(word in line for word in words)]
    line = line.split("   #")[0]
    mine = {
        "10.0.0.1 ": f"{HEAD.address} ", "10.0.0.2": ONE.address, "10.0.0.3": TWO.address,
        "--user me": "--user root", "s3://bucket/v1": STORE,
        "mine.yaml": FILE, "service.yaml": SERVICE_FILE, "~/venv": f"{ROOT}/.venv",
    }  # fmt: skip
    for theirs, ours in mine.items():
        line = line.replace(theirs, ours)
    return line


def advised(job, recipe, options=""):
    """Return the line that a job's `--help` shows, with further options."""
    shown = run(f"python -m jobs.{job} --help")
    (line,) = [line for line in shown.splitlines() if "ray job submit" in line]
    line = line.split("On a cluster: ")[1].replace("s3://...", STORE)
    assert f"jobs.{job} {recipe} " in line
    return f"{line} {options}"


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


def wait_for(addresses, *, seconds=900):
    """Wait until exactly these nodes are alive."""
    deadline = time.monotonic() + seconds
    while (now := alive()) != addresses:
        late = time.monotonic() > deadline
        assert not late, f"{addresses} must be alive, but {now} are\n{what_the_machines_say()}"
        time.sleep(3)


def what_the_machines_say():
    """Return what an operator would read when a node does not come."""
    logs = "tail -n 60 /tmp/ray/session_latest/logs/monitor.*; cat /tmp/ray/cluster-*.state"
    said = [HEAD.output(f"{logs} || true")]
    for host in HOSTS:
        logs = "tail -n 15 /tmp/ray/session_latest/logs/{raylet.out,raylet.err,gcs_server.out}"
        said.append(f"--- {host.name}\n" + host.output(f"ps -e -o pid,etime,args; {logs} || true"))
    return "\n".join(said)


def store():
    """Return the store, as a client on the ground sees it."""
    from dass.store.store import Store

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
    # The machines reach no package index, and are smaller than they think.
    own = f"--environment {ROOT}/.venv --options='{SMALL}'"
    run(readme("cluster.deploy.render").replace(" >", f" {own} >"))
    deadline = time.monotonic() + 240
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


def opened(command, port):
    """Start a command that an operator leaves open, and wait for the port it opens."""
    process = subprocess.Popen(
        command, shell=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, env=environment(),
    )  # fmt: skip
    deadline = time.monotonic() + 240
    while f":{port} ".encode() not in subprocess.check_output("ss -ltn", shell=True):
        assert time.monotonic() < deadline and process.poll() is None, command
        time.sleep(0.5)
    return process


@pytest.fixture(scope="module")
def tunnel():
    """What an operator has open: `ray dashboard`."""
    process = opened("exec " + readme("ray dashboard mine.yaml", "a tunnel, left open"), 8265)
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
    run(readme("ray get-auth-token"))
    print(run(readme("ray up") + " --yes --no-config-cache")[-1500:])
    note("`ray up` returned")
    wait_for({host.address for host in HOSTS})
    note("all nodes are alive")


def test_prometheus_accepts_the_rules_and_finds_every_node():
    checked = run(f"{program('promtool')} check config {FOLDER}/prometheus.yaml")
    assert "SUCCESS: 1 rule files found" in checked and "rules found" in checked, checked
    HEAD.leave_running(
        f"exec {program('prometheus')} --config.file={FOLDER}/prometheus.yaml "
        f"--storage.tsdb.path=/tmp/prometheus --web.listen-address={HEAD.address}:9090 "
        "> /tmp/prometheus.log 2>&1"
    )
    deadline = time.monotonic() + 300
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
        assert error.code == 503, f"{fields} must be a query: {error.read()}"
        return []
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
        f"--runtime-env cluster/deploy/runtime-env.yaml {options} -- {command}",
        status=status,
    )


def test_a_submitted_jobs_exit_status_is_the_truth(tunnel):
    submit(tunnel, "true")
    submit(tunnel, "false", status=1)
    note("a job that succeeds exits 0, one that fails 1")


def status_of(tunnel, name):
    answer = run(f"ray job status --address {tunnel} {name}").upper()
    words = ("SUCCEEDED", "FAILED", "STOPPED", "RUNNING", "PENDING")
    return next((word for word in words if word in answer), answer)


def records():
    return [key for key in store().list("records") if key.endswith(".parquet")]


def wait_for_records(number, *, seconds=900):
    deadline = time.monotonic() + seconds
    while len(found := records()) < number:
        assert time.monotonic() < deadline, f"{number} records must appear, but {len(found)} did"
        time.sleep(0.5)


def _hearing_ctrl_c():
    """Undo what a shell does to lines that it runs in the background: they ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_a_client_that_leaves_stops_nothing_and_a_stopped_job_is_resumable(tunnel):
    client = subprocess.Popen(
        "exec env " + readme("jobs.build").replace(" -- ", " --submission-id first -- "),
        shell=True, cwd=ROOT, env=environment(),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=_hearing_ctrl_c,
    )  # fmt: skip
    wait_for_records(1)
    note("`jobs.build micro` has published its first record")
    client.send_signal(signal.SIGINT)
    client.wait(timeout=120)
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
    run(readme("jobs.build").replace(" -- ", " --submission-id second --no-wait -- "))
    wait_for_records(len(before) + 20)
    TWO.kill()
    note(f"the power of {TWO.name} is cut with {len(records())} records published")
    watched = run(f"ray job logs --follow --address {tunnel} second")
    assert status_of(tunnel, "second") == "SUCCEEDED", watched[-3000:]
    note("the build ended complete")
    assert "planned" in watched
    from dass.registry.registry import Registry

    labelled = Registry(store()).records()
    assert len({record.key for record in labelled}) == len(labelled) == len(records())
    assert set(before) <= set(records())
    again = run(readme("jobs.build"))
    assert f"students: {len(labelled)} planned, {len(labelled)} in the store" in again
    note(f"{len(labelled)} records: none lost, none twice; the same line finds nothing to do")


def test_a_machine_that_is_back_is_taken_in(machines):
    TWO.start(machines)
    note(f"{TWO.name} is on again, with nothing on its disks")
    wait_for({host.address for host in HOSTS})
    note("the head has taken it in by itself")


def test_a_job_that_computes_by_itself_gets_a_workers_core(tunnel):
    where = submit(tunnel, "hostname", options="--entrypoint-num-cpus 1").split()
    assert {ONE.name, TWO.name} & set(where) and HEAD.name not in where
    run(readme("jobs.train") + " --members 1 --meta.episodes 60")
    note("`jobs.train micro` has published a predictor")


def test_tuning_reports_how_it_goes_and_publishes(tunnel):
    few = "--trials 2 --keep 1 --train.name tuned --train.meta.episodes 400"
    said = run(advised("tune", "micro", few))
    assert f"result: {STORE}/predictors/tuned" in said, said[-3000:]
    note("`jobs.tune micro` has published a predictor of two trials")


def served():
    """Return the status of the service, as `serve status` prints it."""
    answer = yaml.safe_load(run(readme("serve status") + " 2> /dev/null"))
    return answer["applications"].get("dass", {"status": "absent"})


def wait_for_service(*, seconds=900):
    deadline = time.monotonic() + seconds
    while (now := served())["status"] != "RUNNING":
        assert now["status"] not in {"DEPLOY_FAILED", "UNHEALTHY"}, now
        assert time.monotonic() < deadline, now
        time.sleep(3)


@pytest.fixture(scope="module")
def doors(tunnel):
    """The deployed service, and tunnels to its two ports."""
    run(readme("serve.render"))
    run(readme("serve deploy"))
    note("`serve deploy` returned")
    wait_for_service()
    note("the service runs: an ingress and two scorers")
    line = readme("ray dashboard", "8000")
    tunnels = [opened(f"exec {line.replace('8000', port)}", port) for port in ("8000", "9000")]
    yield "http://127.0.0.1:8000", "127.0.0.1:9000"
    for process in tunnels:
        process.terminate()
        process.wait()


def over_http(path, request=None, *, token=TOKEN, door="http://127.0.0.1:8000"):
    """Return the status and the answer of a call."""
    headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}
    data = None if request is None else json.dumps(request).encode()
    try:
        call = urllib.request.Request(door + path, data, headers)
        with urllib.request.urlopen(call, timeout=300) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        said = error.read().decode()
        return error.code, json.loads(said) if said.startswith("{") else {"said": said}


def a_teacher():
    """Return the name of a teacher that the build made."""
    return over_http("/v1/teachers")[1]["teachers"][0]["name"]


def test_the_service_answers_over_http_and_asks_for_its_token(doors):
    assert over_http("/v1/teachers", token="wrong")[0] == 401
    listed = json.loads(run(readme("curl")))
    assert len(listed["teachers"]) == 9
    teacher = a_teacher()
    wanted = {"teacher": teacher, "max_flops_share": 0.5, "candidates": 300, "k": 3}
    code, answer = over_http("/v1/search", wanted)
    assert code == 200 and answer["done"] and answer["scored"] >= 100, answer
    assert len(answer["top"]) == 3
    assert over_http("/v1/search", wanted)[1]["top"] == answer["top"]
    note(f"HTTP: a search of {answer['scored']} candidates in {answer['seconds']:.1f} s")


def over_grpc(request, *, address, token=TOKEN):
    """Return the answer of a search, and the last one of the same search with progress."""
    import grpc

    from serve import dass_pb2 as pb
    from serve.dass_pb2_grpc import RankerStub

    carried = (("authorization", f"Bearer {token}"),)
    with grpc.insecure_channel(address) as channel:
        stub, wanted = RankerStub(channel), pb.SearchRequest(**request)
        reply = stub.Search(wanted, metadata=carried, timeout=300)
        *_, last = stub.StreamSearch(wanted, metadata=carried, timeout=300)
    return reply, last


def test_the_service_answers_over_grpc_and_asks_for_its_token(doors):
    import grpc

    wanted = {"teacher": a_teacher(), "max_flops_share": 0.5, "candidates": 300, "k": 3}
    best = [student["architecture"] for student in over_http("/v1/search", wanted)[1]["top"]]
    for address in (doors[1], f"{HEAD.address}:9000"):  # by tunnel, and in the same network
        with pytest.raises(grpc.RpcError) as refused:
            over_grpc(wanted, address=address, token="wrong")
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
        for answer in over_grpc(wanted, address=address):
            assert [student.architecture for student in answer.top] == best
    with pytest.raises(OSError):
        over_http("/health", door=f"http://{HEAD.address}:8000")
    note("gRPC: the same answer; HTTP is not reached but by the tunnel")


def test_a_new_predictor_is_taken_up_without_a_lost_request(doors):
    teacher, answers, ended = a_teacher(), [], threading.Event()

    def keep_asking():
        wanted = {"teacher": teacher, "candidates": 100, "k": 1}
        while not ended.is_set():
            started = time.monotonic()
            try:
                code, said = over_http("/v1/search", wanted)
            except (OSError, ValueError) as error:
                code, said = 0, repr(error)
            answers.append((code, time.monotonic() - started, said))
            time.sleep(0.5)

    def card():
        return over_http("/v1/predictor")[1].get("card")

    before = card()
    asker = threading.Thread(target=keep_asking)
    asker.start()
    try:
        run(readme("serve.render").replace(" >", " --predictor tuned >"))
        run(readme("serve deploy"))
        deadline = time.monotonic() + 900
        while card() in {before, None}:
            assert time.monotonic() < deadline, served()
            time.sleep(2)
        wait_for_service()
    finally:
        ended.set()
        asker.join()
    lost = [(code, said) for code, _, said in answers if code != 200]
    assert len(answers) > 3 and not lost, lost[:3]
    longest = max(seconds for _, seconds, _ in answers)
    note(f"upgrade to `tuned`: {len(answers)} searches, none lost, the longest {longest:.1f} s")


def test_every_panel_shows_something(doors):
    wanted = {"teacher": a_teacher(), "candidates": 200, "k": 1}
    deadline = time.monotonic() + 600
    shown = [panel for panel in PANELS + SERVICE_PANELS if panel.row != "fails"]
    while quiet := silent(shown, since=BEGAN_AT):
        if time.monotonic() > deadline:
            names = ask("query", query='count by (__name__) ({__name__=~"ray_(serve|dass)_.*"})')
            found = sorted(series["metric"]["__name__"] for series in names)
            raise AssertionError(f"no data for {quiet}; there are {found}")
        assert over_http("/v1/search", wanted)[0] == 200
        over_grpc(wanted, address=doors[1])
        time.sleep(5)
    for metric in ("ray_serve_num_http_requests_total", "ray_serve_num_grpc_requests_total"):
        for series in ask("query", query=f"sum by (route, method, status_code) ({metric})"):
            print(metric, series["metric"], series["value"][1])
    note(f"all {len(shown)} panels have data")


def test_no_alert_is_wrong_about_its_query():
    rules = json.loads(
        urllib.request.urlopen(f"http://{HEAD.address}:9090/api/v1/rules", timeout=60).read()
    )["data"]["groups"][0]["rules"]
    assert rules and all(rule["health"] == "ok" for rule in rules), rules


def test_ray_down_ends_every_process():
    run(readme("ray exec"))
    run(readme("ray down") + " --yes")
    note("`ray down` returned")
    deadline = time.monotonic() + 300
    while left := [h.name for h in HOSTS if "raylet" in h.output("cat /proc/*/comm")]:
        assert time.monotonic() < deadline, f"no raylet may be left, but {left} have one"
        time.sleep(1)
    note("no machine runs Ray any more")
