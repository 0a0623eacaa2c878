"""Where a siege takes place: nodes of a Ray cluster that can be hurt, in two kinds.

`Here` is Ray's own cluster of several nodes in one network. `Ground` needs Linux and root: every
node is a machine of its own, as the kernel's namespaces make them (`tests.hosts.machines`), with a
wire that is cut, a disk that is filled, and a clock that jumps.
"""

import contextlib
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from tests.hosts.machines import GROUND, INSIDE, ROOT, UNSHARE, Host, die_with_parent

PORT = 6379
DISK = "300m"
"""Size of a node's disk, which holds Ray's logs and the scratch of jobs."""
HEAD = f"""
    mount --make-rprivate /
    mount --bind /dev/null /etc/resolv.conf
    mkdir -p /tmp/ray
    mount -t tmpfs tmpfs /tmp/ray
    ip link set lo up
    ip link add bridge type bridge
    ip address add {GROUND}/24 dev bridge
    ip link set bridge up
    ip route add default dev bridge src {GROUND}
"""


def head(**resources):
    """Return what a head is made of, resources and the dashboard that Train looks for."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return resources | {"include_dashboard": True, "dashboard_port": port}


class Here:
    """Nodes that Ray itself pretends on this machine; the head is spared."""

    host = "127.0.0.1"

    def __init__(self, cluster, number):
        self._cluster = cluster
        self.address = cluster.address
        self._nodes = [cluster.add_node(num_cpus=1) for _ in range(number)]

    def publishers(self):
        """Return who publishes, by the name that publications bear, and how many it stands for."""
        return {socket.gethostname(): len(self._nodes)}

    def replace(self, luck):
        """Take a node's power, and give another one."""
        node = self._nodes.pop(luck.randrange(len(self._nodes)))
        self._cluster.remove_node(node, allow_graceful=False)
        self._nodes.append(self._cluster.add_node(num_cpus=1))

    def processes(self, word):
        """Return this cluster's processes whose command line has a word."""
        found = []
        for node in [self._cluster.head_node, *self._nodes]:
            for raylet in node.all_processes.get("raylet", []):
                with contextlib.suppress(psutil.Error):
                    for child in psutil.Process(raylet.process.pid).children(recursive=True):
                        if word in " ".join(child.cmdline()):
                            found.append(child)
        return found

    def mend(self, silent):
        """Do nothing: no harm outlives its kind here."""
        return 0

    def close(self):
        for node in self._nodes:
            self._cluster.remove_node(node)


class Machine(Host):
    """A node with a wire, a disk and a clock of its own; starts Ray again whenever it ends."""

    def __init__(self, number, folder):
        super().__init__(f"node{number}", number)
        self._clock = folder / f"clock{number}"
        self._library = folder / "clock.so"

    def begin(self):
        """Switch it on, with an empty disk and the right time."""
        self._clock.write_bytes(struct.pack("q", 0))
        options = f"--num-cpus=1 --node-ip-address={self.address} --object-store-memory=80000000"
        script = f"""
            hostname {self.name}
            mount -t tmpfs -o size={DISK} tmpfs /tmp/ray
            mkdir /tmp/ray/scratch
            until ip link show eth0 > /dev/null 2>&1; do sleep 0.05; done
            ip link set lo up
            ip address add {self.address}/24 dev eth0
            ip link set eth0 up
            ip route add default via {GROUND}
            cd {ROOT}
            while true; do ray start --address={GROUND}:{PORT} {options} --block; sleep 1; done
        """
        own = {"TMPDIR": "/tmp/ray/scratch", "DASS_CLOCK": str(self._clock)}
        self.switch_on(script, os.environ | own | {"LD_PRELOAD": str(self._library)})

    def jump(self, seconds):
        """Put its clock that far from the machine's."""
        file = os.open(self._clock, os.O_WRONLY)  # mapped: neither replaced nor cut short
        os.pwrite(file, struct.pack("q", seconds), 0)
        os.close(file)

    def fill(self, seconds):
        """Leave its disk no byte for a while."""
        disk = Path(f"/proc/{self.first}/root/tmp/ray")
        with contextlib.suppress(OSError), (disk / "filling").open("wb") as file:
            while True:
                file.write(bytes(2**16))
                file.flush()
        time.sleep(seconds)
        (disk / "filling").unlink()


class Ground:
    """A head on the bridge, and machines plugged to it."""

    host = GROUND

    def __init__(self, number):
        self.address = f"{GROUND}:{PORT}"
        folder = Path(tempfile.mkdtemp(prefix="chaos-"))
        build = ["cc", "-O2", "-shared", "-fPIC", "-o", folder / "clock.so"]
        subprocess.run([*build, Path(__file__).with_name("clock.c"), "-ldl"], check=True)
        options = f"--num-cpus=0 --node-ip-address={GROUND} --port={PORT} --include-dashboard=true"
        self._head = subprocess.Popen(
            f"exec ray start --head {options} --object-store-memory=100000000 --block",
            shell=True,
            stdout=subprocess.DEVNULL,
        )
        self._machines = [Machine(2 + i, folder) for i in range(number)]
        while not _is_open(GROUND, PORT):
            assert self._head.poll() is None, "the head must start"
            time.sleep(0.2)
        for machine in self._machines:
            machine.begin()

    def publishers(self):
        """Return who publishes, by the name that publications bear, and how many it stands for."""
        return {machine.name: 1 for machine in self._machines}

    def replace(self, luck):
        """Take a node's power, and give it again: its disk is empty then."""
        self._renew(luck.choice(self._machines))

    def _renew(self, machine):
        if not machine.is_off():
            machine.kill()
        machine.begin()

    def cut(self, seconds, luck):
        """Cut a node's wire."""
        luck.choice(self._machines).cut(seconds)

    def fill(self, seconds, luck):
        """Fill a node's disk."""
        luck.choice(self._machines).fill(seconds)

    def jump(self, seconds, luck):
        """Let a node's clock jump to so far from the others."""
        luck.choice(self._machines).jump(seconds)

    def processes(self, word):
        """Return the ground's processes whose command line has a word; there are no others."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.cmdline() and word in " ".join(process.cmdline()):
                    found.append(process)
        return found

    def mend(self, silent):
        """Give power again to nodes that the head counts dead, and to those that do nothing.

        A node that is alive may have nothing to give: Ray 2.60 can keep what a group of workers
        had that was removed while its driver was killed. A cloud takes such a node for idle.
        """
        import ray

        alive = {node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]}
        missing = [m for m in self._machines if m.address not in alive or m.name in silent]
        for machine in missing:
            print(f"{machine.name} gets power again; alive: {machine.address in alive}")
            self._renew(machine)
        return len(missing)

    def close(self):
        for machine in self._machines:
            if not machine.is_off():
                machine.kill()
        self._head.send_signal(signal.SIGTERM)
        self._head.wait(60)


def _is_open(host, port):
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False


@contextlib.contextmanager
def here(number) -> Iterator[Here]:
    """A cluster for a siege alone: its head works nothing."""
    import logging

    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args=head(num_cpus=0))
    try:
        ray.init(address=cluster.address, log_to_driver=False, logging_level=logging.ERROR)
        yield Here(cluster, number)
    finally:
        ray.shutdown()
        cluster.shutdown()


@contextlib.contextmanager
def ground(number) -> Iterator[Ground]:
    """Machines for a siege; needs `on_ground`."""
    import logging

    import ray

    made = Ground(number)
    try:
        for last in (False,) * 9 + (True,):
            try:
                ray.init(address=made.address, log_to_driver=False, logging_level=logging.ERROR)
                break
            except ConnectionError:  # the port is open before the head is ready
                if last:
                    raise
        yield made
    finally:
        ray.shutdown()
        made.close()


def on_ground(arguments):
    """Run this program again in namespaces of its own, and return its exit status."""
    bin_folder = str(Path(sys.executable).parent)
    environment = os.environ | {
        INSIDE: "1",
        "PATH": f"{bin_folder}:{os.environ['PATH']}",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": os.urandom(16).hex(),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_DASHBOARD_STARTUP_TIMEOUT_S": "300",
        "RAY_raylet_start_wait_time_s": "300",
        "RAY_worker_niceness": "0",  # else whatever runs beside it starves workers
        "OMP_NUM_THREADS": "1",
    }
    command = " ".join(["exec", sys.executable, "-m", "tests.chaos", *arguments])
    line = [*UNSHARE, "--mount-proc", "bash", "-e", "-c", HEAD + command]
    done = subprocess.run(line, env=environment, cwd=ROOT, preexec_fn=die_with_parent)
    return done.returncode
