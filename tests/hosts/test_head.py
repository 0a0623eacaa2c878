"""A head whose state is in Redis is killed and started again, and a run of jobs goes on.

Three machines: the ground with Redis and the store, a head, and a node of two cores on which the
driver runs too. Run by `make test-cluster`, or alone:

    python -m tests.hosts .venv/bin/python -m pytest -m hosts -s -p no:cacheprovider \
        tests/hosts/test_head.py
"""

import os
import re
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from cluster.deploy.render import AWAY, RenderConfig, source_text
from tests.chaos.faults import counts
from tests.chaos.store import FlakyStore
from tests.chaos.work import HURRY
from tests.hosts.machines import GROUND, INSIDE, ROOT, Host, libraries, program

pytestmark = [
    pytest.mark.hosts,
    pytest.mark.skipif(INSIDE not in os.environ, reason="run `make test-cluster`"),
]
REDIS = f"{GROUND}:6380"
AWAY_S = 10.0
"""Seconds for which there is no head."""
SHAPE = SimpleNamespace(jobs=400, seconds=0.5, fated=0, seed=0)


class Node(Host):
    """A machine that runs a command whenever it is on."""

    def begin(self, command):
        script = f"""
            hostname {self.name}
            mkdir -p /tmp/ray
            mount -t tmpfs tmpfs /tmp/ray
            until ip link show eth0 > /dev/null 2>&1; do sleep 0.05; done
            ip link set lo up
            ip address add {self.address}/24 dev eth0
            ip link set eth0 up
            ip route add default via {GROUND}
            cd {ROOT}
            export PATH={ROOT}/.venv/bin:$PATH
            {command}
        """
        self.switch_on(script, environment())


def environment():
    secret = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0123456789abcdef" * 2}
    settings = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
    settings |= {"RAY_DASHBOARD_STARTUP_TIMEOUT_S": "300", "RAY_raylet_start_wait_time_s": "300"}
    name, _, seconds = AWAY.partition("=")
    settings[name] = seconds
    return os.environ | secret | settings | {"LD_LIBRARY_PATH": ""}


def start_of_head(address):
    """Return the line that starts a head, with the variables that `render --redis` gives it."""
    rendered = source_text(RenderConfig(redis=REDIS))
    (kept,) = re.findall(r"(RAY_REDIS_ADDRESS=\S+ \S+) ray start --head", rendered)
    options = f"--num-cpus=0 --node-ip-address={address} --port=6379 --include-dashboard=true"
    start = f"ray start --head {options} --object-store-memory=80000000 --block"
    return f"export {kept}; while true; do {start}; sleep 1; done"  # as systemd would


def published(store, number, *, seconds=600):
    """Wait for so many publications; return the seconds it took."""
    started = time.monotonic()
    while sum(store.published.values()) < number:
        assert time.monotonic() - started < seconds, f"{number} must be published"
        time.sleep(0.1)
    return time.monotonic() - started


@pytest.fixture
def redis():
    """A Redis on the ground."""
    host, port = REDIS.split(":")
    line = [program("redis-server"), "--bind", host, "--port", port]
    line += ["--protected-mode", "no", "--save", "", "--appendonly", "no"]
    libraries_of_it = {"LD_LIBRARY_PATH": libraries()}
    process = subprocess.Popen(line, env=os.environ | libraries_of_it, stdout=subprocess.DEVNULL)
    yield
    process.terminate()
    process.wait()


def test_a_run_of_jobs_outlives_the_head(redis):
    store, head, node = FlakyStore(GROUND), Node("head", 21), Node("node", 22)
    head.begin(start_of_head(head.address))
    options = f"--num-cpus=2 --node-ip-address={node.address} --object-store-memory=80000000"
    address = f"{head.address}:6379"
    node.begin(f"while true; do ray start --address={address} {options} --block; sleep 1; done")
    drive = [sys.executable, "-m", "tests.chaos", "--drive", "--store", store.url]
    for name, value in vars(SHAPE).items():
        drive += [f"--{name}", str(value)]
    inside = ["nsenter", "--target", str(node.first), "--all", f"--wd={ROOT}"]
    own = environment() | {"RAY_ADDRESS": address}
    deadline = time.monotonic() + 600
    driver = subprocess.Popen([*inside, *drive], env=own)
    while sum(store.published.values()) < 20:
        assert time.monotonic() < deadline, "jobs must be done"
        if driver.poll() is not None:  # it came before the node was a part of the cluster
            driver = subprocess.Popen([*inside, *drive], env=own)
        time.sleep(0.1)
    head.kill()
    before = sum(store.published.values())
    time.sleep(AWAY_S)
    meanwhile = sum(store.published.values()) - before
    print(f"the head is away for {AWAY_S:g} s: {meanwhile} records published meanwhile")
    head.begin(start_of_head(head.address))
    waited = published(store, before + meanwhile + 20)
    print(f"20 more records {waited:.1f} s after the head was started again")
    time.sleep(30)  # until the nodes have met the new head, or been given up by it
    assert driver.poll() is None
    from dass.store.store import Store

    Store(store.url).write(HURRY, b"")
    assert driver.wait(timeout=600) == 0
    found = counts(store.url, SHAPE)
    print(found)
    assert found["records"] == SHAPE.jobs and found["lost"] == found["twice"] == 0
    for host in (head, node):
        host.kill()
    store.close()
