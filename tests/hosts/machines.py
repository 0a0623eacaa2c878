"""Machines of one's own on one Linux machine: each with an address, /tmp, HOME and an sshd.

    sudo .venv/bin/python -m tests.hosts COMMAND...

runs the command on the `ground`: a PID, mount, network and UTS namespace that holds a bridge, to
which hosts are plugged. Each host has namespaces of its own below it, sees its own processes only,
and writes to memory only. Nothing outlives the command, however it ends: the kernel kills all that
lives in a PID namespace with its first process, and mounts, bridge and addresses go with the last
process that sees them. sshd and rsync are Debian's: where the machine has none, the packages are
unpacked in ~/.cache, not installed, so that no daemon starts.
"""

from __future__ import annotations

import ctypes
import os
import platform
import pwd
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = Path.home() / ".cache" / "dass" / "debian"
PACKAGES = {
    "sshd": ("openssh-server", "libwrap0"),
    "rsync": ("rsync", "libpopt0"),
    "prometheus": ("prometheus",),
    "promtool": ("prometheus",),
    "redis-server": (
        *("redis-server", "redis-tools", "libhiredis0.14", "libjemalloc2", "liblua5.1-0"),
        *("liblzf1", "lua-bitop", "lua-cjson"),
    ),
}
"""Debian packages by the program that is wanted of them."""
HOME = pwd.getpwuid(0).pw_dir
OWN = ("/tmp", "/var/tmp", "/run", "/dev/shm", HOME)
"""Folders that every host has of its own."""
GROUND, NETWORK = "10.77.0.1", "10.77.0.{}"
INSIDE = "DASS_ON_GROUND"
UNSHARE = ("unshare", "--fork", "--pid", "--kill-child", "--mount", "--net", "--uts", "--ipc")


def folders() -> list[str]:
    """Return where unpacked programs are."""
    return [str(CACHE / part) for part in ("usr/bin", "usr/sbin")]


def libraries() -> str:
    """Return where unpacked libraries are, as the loader takes it."""
    return ":".join(
        str(CACHE / folder / f"{platform.machine()}-linux-gnu") for folder in ("lib", "usr/lib")
    )


def program(name: str) -> str:
    """Return the path of a program, unpacking its Debian package where the machine has none."""
    path = os.pathsep.join([os.environ["PATH"], "/usr/sbin", *folders()])
    if found := shutil.which(name, path=path):
        return found
    CACHE.mkdir(parents=True, exist_ok=True)
    subprocess.run(["apt-get", "update", "-qq"], check=True)
    subprocess.run(["apt-get", "download", "-qq", *PACKAGES[name]], check=True, cwd=CACHE)
    for package in CACHE.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", package, CACHE], check=True)
        package.unlink()
    found = shutil.which(name, path=path)
    assert found, f"Debian's {PACKAGES[name]} must hold {name}, but do not"
    return found


def own_folders() -> str:
    """Return shell lines that make the machine read-only and give the namespace its own folders.

    What is shared (this repository, the environment, the interpreter) stays where it was, even
    below a folder that is covered, and cannot be written.
    """
    shared = {
        str(ROOT),
        str((ROOT / ".venv").resolve()),
        str(Path(sys.base_prefix).resolve()),
        str(CACHE),
    }
    kept = [path for path in sorted(shared) if Path(path).exists()]
    lines = ["set -e", "mount --make-rprivate /", "mount -t tmpfs tmpfs /mnt"]
    for i, path in enumerate(kept):
        lines += [f"mkdir /mnt/{i}", f"mount --bind {shlex.quote(path)} /mnt/{i}"]
        lines += [f"mount -o remount,bind,ro /mnt/{i}"]
    lines += ["cp /etc/passwd /mnt/passwd"]
    lines += [
        "grep -q ^sshd: /mnt/passwd || echo 'sshd:x:74:65534::/run/sshd:/bin/false' >> /mnt/passwd"
    ]
    lines += ["mount --bind /mnt/passwd /etc/passwd"]
    lines += ["mount -o remount,bind,ro /"]
    lines += [f"mount -t tmpfs -o mode=1777 tmpfs {folder}" for folder in OWN]
    for i, path in enumerate(kept):
        lines += [f"mkdir -p {shlex.quote(path)} 2>/dev/null || true"]
        lines += [f"mount --bind /mnt/{i} {shlex.quote(path)}"]
    # Where a login shell looks first, since the head must find rsync as an operator would.
    sbin = "/usr/local/sbin"
    lines += [f"mount -t overlay overlay -o lowerdir={CACHE}/usr/bin:{sbin} {sbin}"]
    return "\n".join([*lines, f"chmod 700 {HOME}", "mkdir -p /run/sshd", "ip link set lo up"])


@dataclass
class Host:
    """A machine on the bridge; `start` and `kill` are its power switch."""

    name: str
    number: int
    """Last part of its address."""
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _visitors: list[subprocess.Popen[bytes]] = field(default_factory=list, init=False)

    @property
    def address(self) -> str:
        return NETWORK.format(self.number)

    def start(self, public_key: str, *, seconds: float = 120.0) -> None:
        """Switch it on and wait until its sshd answers; it remembers nothing of a former life."""
        assert os.environ.get(INSIDE), "hosts live on the ground: run `make test-cluster`"
        options = {
            "HostKey": "/run/host_key",
            "AuthorizedKeysFile": "/run/authorized_keys",
            "UsePAM": "no",
            "StrictModes": "no",
            "PermitRootLogin": "yes",
            "PidFile": "none",
            "MaxStartups": "100",
            "SetEnv": f"PATH={':'.join(['/usr/bin:/bin:/usr/sbin:/sbin', *folders()])} "
            f"LD_LIBRARY_PATH={libraries()} OMP_NUM_THREADS=1 RAY_raylet_start_wait_time_s=300",
        }
        flags = [part for key, value in options.items() for part in ("-o", f"{key}={value}")]
        script = f"""
            hostname {self.name}
            {own_folders()}
            until ip link show eth0 > /dev/null 2>&1; do sleep 0.05; done
            ip address add {self.address}/24 dev eth0
            ip link set eth0 up
            ip route add default via {GROUND}
            ssh-keygen -q -t ed25519 -N '' -f /run/host_key
            echo {shlex.quote(public_key)} > /run/authorized_keys
            exec {program("sshd")} -D -e -f /dev/null {shlex.join(flags)}
        """
        environment = {"PATH": os.environ["PATH"], "HOME": HOME, "LD_LIBRARY_PATH": libraries()}
        log = self.switch_on(script, environment)
        deadline = time.monotonic() + seconds
        while b"SSH" not in self._greeting():
            assert not self.is_off() and time.monotonic() < deadline, (
                f"{self.name} must answer, but said: {log.read_text()}"
            )
            time.sleep(0.1)

    def switch_on(self, script: str, environment: Mapping[str, str]) -> Path:
        """Start namespaces that run a script and a wire to the bridge; return where it writes."""
        log = Path(f"/tmp/{self.name}.log")
        with log.open("ab") as said:
            self._process = subprocess.Popen(
                [*UNSHARE, "--mount-proc", "bash", "-c", script],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )
        time.sleep(0.2)  # until it has left our network
        card = f"02:00:0a:4d:00:{self.number:02x}"  # the same in every life: neighbours remember
        process = self._process.pid
        sh(f"ip link add {self.wire} type veth peer address {card} name eth0 netns {process}")
        sh(f"ip link set {self.wire} master bridge up")
        return log

    def is_off(self) -> bool:
        """Return whether its first process has ended."""
        return self._process is None or self._process.poll() is not None

    @property
    def wire(self) -> str:
        """Name of the bridge's end of its wire."""
        assert self._process is not None
        return f"w{self.number}-{self._process.pid}"

    def cut(self, seconds: float) -> None:
        """Take the wire away for a while: what is sent is dropped, and nobody is told."""
        sh(f"ip link set {self.wire} down")
        time.sleep(seconds)
        sh(f"ip link set {self.wire} up")

    def _greeting(self) -> bytes:
        try:
            with socket.create_connection((self.address, 22), timeout=1) as connection:
                return connection.recv(16)
        except OSError:
            return b""

    @property
    def first(self) -> int:
        """Process id, as the ground sees it, of the first process of the host."""
        assert self._process is not None
        process = self._process.pid
        return int(Path(f"/proc/{process}/task/{process}/children").read_text().split()[0])

    def leave_running(self, command: str) -> None:
        """Start a command on the host, as one who sits before it; it ends with the host."""
        inside = ["nsenter", "--target", str(self.first), "--all", "bash", "-c", command]
        self._visitors.append(subprocess.Popen(inside, stdin=subprocess.DEVNULL))

    def output(self, command: str) -> str:
        """Return what a command prints on the host."""
        return subprocess.check_output(
            ["nsenter", "--target", str(self.first), "--all", "bash", "-c", command], text=True
        )

    def kill(self) -> None:
        """Cut the power: every process of the host ends at once, and its address with them."""
        assert self._process is not None
        os.kill(self.first, signal.SIGKILL)
        for process in (self._process, *self._visitors):
            process.wait()
        self._process = None
        self._visitors.clear()


def sh(command: str) -> None:
    """Run a shell command that must succeed."""
    subprocess.run(command, shell=True, check=True)


def die_with_parent() -> None:
    """Let this process be killed when its parent ends."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def main(arguments: list[str]) -> int:
    """Run a command on the ground and return its exit status."""
    if os.geteuid() or sys.platform != "linux":
        print("hosts need Linux and root; run `sudo make test-cluster`", file=sys.stderr)
        return 2
    for name in PACKAGES:
        program(name)
    script = f"""
        hostname ground
        {own_folders()}
        ip link add bridge type bridge
        ip address add {GROUND}/24 dev bridge
        ip link set bridge up
        cd {shlex.quote(str(ROOT))}
        {shlex.join(arguments)}
    """
    path = ":".join([os.environ["PATH"], *folders()])
    environment = os.environ | {INSIDE: "1", "PATH": path, "HOME": HOME}
    environment |= {"PYTHONDONTWRITEBYTECODE": "1", "RAY_USAGE_STATS_ENABLED": "0"}
    for name in [
        name for name in environment if name.startswith(("AWS_", "TMP", "RAY_A", "RAY_T"))
    ]:
        del environment[name]
    environment["LD_LIBRARY_PATH"] = libraries()
    command = [*UNSHARE, "--mount-proc", "bash", "-c", script]
    return subprocess.run(command, env=environment, preexec_fn=die_with_parent).returncode


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
