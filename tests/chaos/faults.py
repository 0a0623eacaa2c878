"""Faults on purpose: a fleet on a cluster of several nodes on this machine, hurt again and again.

    python -m tests.chaos --faults 50

Prints what was done to it, what was lost (nothing may be), and the seconds each fault cost.
"""

import argparse
import contextlib
import logging
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from statistics import median

import psutil

from cluster.fleet.job import Job
from dass.store.store import Store

BUCKET = "chaos"
FATES = ("raise once", "die once", "nan once", "memory once")
KINDS = ("child", "store", "worker", "queue", "node", "driver")
"""Processes killed with SIGKILL, nodes taken away, and a store that answers 503 for seconds."""


class FlakyStore:
    """A real S3 server on loopback that answers 503 while it is `down`."""

    def __init__(self):
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import make_server

        application = DomainDispatcherApplication(create_backend_app)
        self.down = False

        def serve(environment, respond):
            if self.down:
                respond("503 Slow Down", [("Content-Type", "application/xml")])
                return [b"<Error><Code>SlowDown</Code></Error>"]
            return application(environment, respond)

        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._server = make_server("127.0.0.1", 0, serve, threaded=True)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.variables = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._server.server_port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        os.environ.update(self.variables)
        import fsspec

        fsspec.filesystem("s3", skip_instance_cache=True).mkdir(BUCKET)
        self.url = f"s3://{BUCKET}/{uuid.uuid4().hex[:8]}"

    def close(self):
        self._server.shutdown()


# --- what runs under fire ------------------------------------------------------------------


def work(job):
    """Publish a record, as a student does; meet the fate of the job on its first attempt."""
    os.environ.update(job.payload["variables"])
    store, fate = Store(job.payload["store"]), job.payload["fate"]
    if store.exists(f"records/{job.key}"):
        return
    first = not store.list(f"attempts/{job.key}")
    store.write(f"attempts/{job.key}/{uuid.uuid4().hex}", b"")
    if first and fate == "die once":
        os.kill(os.getpid(), signal.SIGKILL)
    if first and fate == "memory once":
        bytearray(2**62)
    if first and fate == "nan once":
        raise ArithmeticError("the training loss must stay finite, but got nan")
    if fate == "raise" or (first and fate == "raise once"):
        raise ValueError("boom")
    time.sleep(job.payload["seconds"])
    store.write(f"records/{job.key}", job.key.encode())
    store.write(f"published/{job.key}/{uuid.uuid4().hex}", b"")


def plan(store, *, number, seconds, fated, seed):
    """Return the jobs; the first `fated` ones have a fate, the very first one never works."""
    fates = ["raise", *(FATES[i % len(FATES)] for i in range(max(0, fated - 1)))]
    jobs = [
        Job(
            key=f"job{i:05d}",
            group=f"group{i % 5}",
            cost=1.0,
            payload={
                "store": store,
                "seconds": seconds,
                # The cluster may be older than the store, and know none of its credentials.
                "variables": {n: v for n, v in os.environ.items() if n.startswith("AWS_")},
                "fate": fates[i] if i < len(fates) else "",
                # Too much for a message of Ray: the queue's jobs are an object of its own.
                "ballast": bytes(2048),
            },
        )
        for i in range(number)
    ]
    random.Random(seed).shuffle(jobs)
    return jobs


def drive(arguments):
    """Be the driver: do what the store lacks; the same line goes on after a kill."""
    from cluster.fleet.groups import run_on_ray
    from cluster.fleet.job import Placement
    from cluster.session import connect
    from tests.chaos.faults import work

    jobs = plan(
        arguments.store,
        number=arguments.jobs,
        seconds=arguments.seconds,
        fated=arguments.fated,
        seed=arguments.seed,
    )
    done = {key.removeprefix("records/") for key in Store(arguments.store).list("records")}
    with connect():
        outcome = run_on_ray(
            [job for job in jobs if job.key not in done],
            work,
            placement=Placement(cpus=1.0),
            retries=3,
        )
    for failure in outcome.failed:
        print(f"{failure.label}: {failure.error} ({failure.attempts} attempts)")
    raise SystemExit(1 if outcome.failed else 0)


# --- who fires -----------------------------------------------------------------------------


@dataclass
class Siege:
    """One run under faults."""

    cluster: object
    store: FlakyStore
    arguments: argparse.Namespace
    nodes: list
    driver: subprocess.Popen | None = None
    cost: dict = field(default_factory=lambda: defaultdict(list))

    def start_driver(self):
        line = [sys.executable, "-m", "tests.chaos", "--drive", "--store", self.store.url]
        for name in ("jobs", "seconds", "fated", "seed"):
            line += [f"--{name}", str(getattr(self.arguments, name))]
        address = {"RAY_ADDRESS": self.cluster.address}
        self.driver = subprocess.Popen(line, env=os.environ | address)

    def progress(self):
        """Ask the queue how many are done and running; `None` where there is none."""
        import ray

        for actor in ray.util.list_named_actors(all_namespaces=True):
            if actor["name"].startswith("queue-"):
                with contextlib.suppress(Exception):
                    queue = ray.get_actor(actor["name"], namespace=actor["namespace"])
                    return ray.get(queue.state.remote(0, ""), timeout=5).progress
        return None

    def records(self):
        return len(Store(self.store.url).list("records"))

    def processes(self, word):
        """Return this cluster's processes whose command line has a word."""
        found = []
        for node in [self.cluster.head_node, *self.nodes]:
            for raylet in node.all_processes.get("raylet", []):
                with contextlib.suppress(psutil.Error):
                    for child in psutil.Process(raylet.process.pid).children(recursive=True):
                        if word in " ".join(child.cmdline()):
                            found.append(child)
        return found

    def kill(self, word, luck):
        victims = self.processes(word)
        if not victims:
            return False
        with contextlib.suppress(psutil.Error):
            luck.choice(victims).kill()
        return True

    def inject(self, kind, luck):
        """Do harm; return whether there was anything to harm."""
        if kind == "store":
            self.store.down = True
            time.sleep(luck.uniform(2, 6))
            self.store.down = False
            return True
        if kind == "driver":
            self.driver.kill()
            self.driver.wait()
            self.start_driver()
            return True
        if kind == "node":
            node = self.nodes.pop(luck.randrange(len(self.nodes)))
            self.cluster.remove_node(node, allow_graceful=False)
            self.nodes.append(self.cluster.add_node(num_cpus=1))
            return True
        words = {
            "child": "cluster.fleet.child",
            "worker": "RayTrainWorker",
            "queue": "ray::JobQueue",
        }
        return self.kill(words[kind], luck)

    def recovered_s(self, limit_s=180.0):
        """Wait until every worker has published again; return the seconds it took too long."""
        started, before = time.monotonic(), self.records()
        wanted = min(before + len(self.nodes), self.arguments.jobs - 1)
        while self.records() < wanted and self.driver.poll() is None:
            if time.monotonic() - started > limit_s:
                raise AssertionError(f"no recovery within {limit_s} s")
            time.sleep(0.1)
        return max(0.0, time.monotonic() - started - self.arguments.seconds)

    def run(self):
        luck = random.Random(self.arguments.seed)
        self.start_driver()
        self.recovered_s()
        injected = max(0, self.arguments.faults - self.arguments.fated)
        kinds = [KINDS[i % len(KINDS)] for i in range(injected)]
        luck.shuffle(kinds)
        for kind in kinds:
            time.sleep(luck.uniform(0, 1))
            if self.driver.poll() is not None:
                break
            if self.inject(kind, luck):
                self.cost[kind].append(self.recovered_s())
                print(f"{kind}: {self.cost[kind][-1]:.1f} s, {self.records()} records", flush=True)
        return self.driver.wait(timeout=900)


def head(**resources):
    """Return what a head is made of, resources and the dashboard that Train looks for."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return resources | {"include_dashboard": True, "dashboard_port": port}


def siege(arguments, cluster):
    """Run jobs under faults on a cluster this process drives; return siege, exit code, counts.

    The nodes that are hurt are added to the cluster; its head is spared.
    """
    store = FlakyStore()
    nodes = [cluster.add_node(num_cpus=1) for _ in range(arguments.nodes)]
    run = Siege(cluster, store, arguments, nodes)
    try:
        code = run.run()
        return run, code, counts(store.url, arguments)
    finally:
        for node in run.nodes:
            cluster.remove_node(node)
        store.close()


@contextlib.contextmanager
def besieged():
    """A cluster for a siege alone: its head works nothing."""
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args=head(num_cpus=0))
    try:
        ray.init(address=cluster.address, log_to_driver=False, logging_level=logging.ERROR)
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()


def counts(url, arguments):
    """Count jobs, records, and what is lost or there twice."""
    store = Store(url)
    records = {key.removeprefix("records/") for key in store.list("records")}
    published = Counter(key.split("/")[1] for key in store.list("published"))
    planned = {job.key for job in plan(url, **_shape(arguments))}
    failing = {"job00000"} if arguments.fated else set()
    return {
        "jobs": len(planned),
        "records": len(records),
        "failed as planned": len(failing - records),
        "lost": len(planned - records - failing),
        "duplicated": sum(n - 1 for n in published.values()),
        "attempts": len(store.list("attempts")),
    }


def _shape(arguments):
    return {
        "number": arguments.jobs,
        "seconds": arguments.seconds,
        "fated": arguments.fated,
        "seed": arguments.seed,
    }


def parse(words=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faults", type=int, default=54, help="in all, those of jobs included")
    parser.add_argument("--fated", type=int, default=18, help="jobs that fail by themselves")
    parser.add_argument("--jobs", type=int, default=1200)
    parser.add_argument("--seconds", type=float, default=1.0, help="of one job")
    parser.add_argument("--nodes", type=int, default=3, help="beside the head")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--store", default="", help="of the driver")
    parser.add_argument("--drive", action="store_true", help="be the driver")
    return parser.parse_args(words)


def main():
    arguments = parse()
    if arguments.drive:
        drive(arguments)
    started = time.monotonic()
    with besieged() as cluster:
        run, code, found = siege(arguments, cluster)
    print(f"\n{'fault':10} {'times':>6} {'seconds lost: median':>22} {'most':>8}")
    print(f"{'job':10} {arguments.fated:6}")
    for kind in KINDS:
        values = run.cost[kind]
        if values:
            print(f"{kind:10} {len(values):6} {median(values):22.1f} {max(values):8.1f}")
    faults = arguments.fated + sum(len(v) for v in run.cost.values())
    print(f"\n{faults} faults in {time.monotonic() - started:.0f} s; exit code {code}")
    print(", ".join(f"{name}: {value}" for name, value in found.items()))
    raise SystemExit(0 if found["lost"] == 0 and found["duplicated"] == 0 and code == 1 else 1)


if __name__ == "__main__":
    main()
