"""Ports, taken for oneself: by processes of their own, as two services are."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from serve.ports import PortTaken, taken
from tests.support.serving import free_port, prepare

HOLD = """
import sys
from serve.ports import taken
with taken({"--port": ("127.0.0.1", int(sys.argv[1]))}):
    print("held", flush=True)
    sys.stdin.read()
"""
LISTEN = """
import socket, sys
with socket.socket() as s:
    if sys.argv[2] == "shared":
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    s.bind(("0.0.0.0", int(sys.argv[1])))
    s.listen()
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(code, *words):
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, words)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "held\n"
    return process


@pytest.mark.parametrize(
    ("code", "words"), [(HOLD, ()), (LISTEN, ("alone",)), (LISTEN, ("shared",))]
)
def test_who_has_a_port_is_named_and_the_option_for_another(code, words):
    port = free_port()
    with holder(code, port, *words) as process:
        with (
            pytest.raises(PortTaken, match=rf"process {process.pid} \(.*`--port`"),
            taken({"--port": ("127.0.0.1", port)}),
        ):
            pass
        process.stdin.close()
    with taken({"--port": ("127.0.0.1", port)}):
        pass


def test_a_port_that_is_had_is_still_free_to_listen_on():
    """Ray's own process listens, while this one has the claim."""
    port = free_port()
    ports = {"--port": ("127.0.0.1", port), "--grpc-port": ("0.0.0.0", free_port())}
    with taken(ports), socket.create_server(("127.0.0.1", port)):
        pass


def test_one_number_for_both_is_refused():
    port = free_port()
    with (
        pytest.raises(PortTaken, match="must differ"),
        taken({"--port": ("127.0.0.1", port), "--grpc-port": ("0.0.0.0", port)}),
    ):
        pass


def command(store, *words):
    return [sys.executable, "-m", "serve.app", "--store", str(store), *map(str, words)]


@pytest.mark.ray
def test_a_service_whose_port_is_taken_says_so_in_one_line_before_ray_starts(tmp_path):
    prepare(tmp_path / "store")
    port = free_port()
    words = command(tmp_path / "store", "--port", port, "--grpc-port", free_port())
    with socket.create_server(("127.0.0.1", port)):
        done = subprocess.run(
            words,
            capture_output=True,
            text=True,
            timeout=120,
            env=os.environ | {"RAY_ADDRESS": "", "RAY_TMPDIR": str(tmp_path / "ray")},
        )
    assert done.returncode == 2 and len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert f"port {port}" in done.stderr and "`--port`" in done.stderr
    assert not (tmp_path / "ray").exists(), "Ray was not started"


@pytest.mark.ray
def test_a_service_that_is_stopped_while_it_starts_ends_within_five_seconds():
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # sockets have short names
        prepare(Path(folder) / "store")
        words = command(Path(folder) / "store", "--port", free_port(), "--grpc-port", free_port())
        process = subprocess.Popen(
            words,
            stderr=subprocess.PIPE,
            env=os.environ | {"RAY_ADDRESS": "", "RAY_TMPDIR": f"{folder}/r"},
        )
        until = time.monotonic() + 120
        while not list(Path(folder).glob("r/ray/session_2*/logs/raylet.out")):
            assert process.poll() is None and time.monotonic() < until
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        asked = time.monotonic()
        process.wait(60)
        # Four are Ray's, by a clock in the process itself; the rest is that of a busy machine.
        assert process.returncode == 130 and time.monotonic() - asked < 5.0
        process.stderr.close()
