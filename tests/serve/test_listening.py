"""A service as a user starts it: everything that listens, and searches that its replicas share."""

import contextlib
import ipaddress
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import grpc
import httpx
import psutil
import pytest

from serve import dass_pb2 as pb
from serve.client import Client, Refused
from serve.dass_pb2_grpc import RankerStub
from tests.support.serving import free_port, prepare

pytestmark = [pytest.mark.ray, pytest.mark.alone, pytest.mark.filterwarnings("ignore")]
DOCUMENT = Path(__file__).parents[2] / "docs" / "service.md"
SEARCH = {"teacher": "digits", "candidates": 150, "k": 2}


@pytest.fixture(scope="module")
def started():
    """The process of `python -m serve.app`, its two ports, and those that others had before."""
    had = {c.laddr.port for c in psutil.net_connections("tcp") if c.status == "LISTEN"}
    with tempfile.TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True) as folder:
        prepare(Path(folder) / "store")
        port, grpc_port = free_port(), free_port()
        words = ["--store", f"{folder}/store", "--port", port, "--grpc-port", grpc_port]
        words += ["--replicas", 1, "--max-replicas", 1, "--scorer-cpus", 0.1]
        environment = {"RAY_ADDRESS": "", "RAY_TMPDIR": f"{folder}/r"}
        environment |= {"DASS_TOKEN": "op", "DASS_READING_TOKEN": "rd"}
        process = subprocess.Popen(
            [sys.executable, "-m", "serve.app", *map(str, words)],
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            while "page and HTTP" not in (line := process.stdout.readline()):
                assert line, "it ended"
            yield process, port, grpc_port, had
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(120)
            process.stdout.close()


def listeners(process):
    """Return process name, interface and port of all that it and what it started listen on."""
    found, whole = set(), psutil.Process(process.pid)
    for one in (whole, *whole.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            words = " ".join(one.cmdline()[:6])
            for connection in one.net_connections("tcp"):
                if connection.status == psutil.CONN_LISTEN:
                    found.add((words, interface(connection.laddr.ip), connection.laddr.port))
    return found


def interface(address):
    """Return what the document calls an interface."""
    if address in ("0.0.0.0", "::"):
        return "every"
    own = ipaddress.ip_address(address.removeprefix("::ffff:"))  # IPv4 on a socket of IPv6
    return "loopback" if own.is_loopback else "node"


@dataclass(frozen=True)
class Row:
    """A row of the document's table."""

    process: str
    port: str
    interface: str
    caller: str


def table():
    """Return the rows of the document."""
    text = DOCUMENT.read_text().split("## What listens")[1].split("\n## ")[0]
    rows = re.findall(r"^\| [^|]+ \| `([^|]+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", text, re.M)
    return [Row(*row) for row in rows]


def rows_of(started):
    """Return every listener with the rows that it may be of.

    A port of Ray's own that somebody had before is another, as Ray chooses it then.
    """
    process, port, grpc_port, had = started
    ports = {"8000": port, "9000": grpc_port}

    def is_of(row, words, where, number):
        wanted = None if row.port == "drawn" else int(ports.get(row.port, row.port))
        named = wanted in (None, number) or wanted in had
        return row.process in words and named and where == row.interface

    return {one: [row for row in table() if is_of(row, *one)] for one in listeners(process)}


def settled(started):
    """Return every listener with its rows, once every row has one: some of Ray's own are late."""
    until = time.monotonic() + 60
    while True:
        found = rows_of(started)
        used = {row for rows in found.values() for row in rows}
        if used == set(table()) or time.monotonic() > until:
            return found, used
        time.sleep(1)


def test_what_listens_is_what_the_document_says_and_nothing_else(started):
    found, used = settled(started)
    assert not [one for one, rows in found.items() if not rows], "every listener has a row"
    assert used == set(table()), "every row has a listener"


def test_off_loopback_listen_the_port_of_grpc_and_what_serve_binds_for_its_replicas(started):
    """These ask for Ray's token: what they take they unpickle."""
    settled(started)
    found = {(words, number) for words, where, number in listeners(started[0]) if where == "every"}
    others = {(words, number) for words, number in found if number != started[2]}
    assert len(found) == len(others) + 1 and len(others) == 3, "a scorer and two ingresses"
    for words, number in others:
        assert words.startswith("ray::ServeReplica:dass:")
        with grpc.insecure_channel(f"127.0.0.1:{number}") as channel:
            ask = channel.unary_unary("/ray.serve.ASGIService/HandleRequestWithRejection")
            with pytest.raises(grpc.RpcError) as caught:
                ask(b"", timeout=30)
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert not [one for one in listeners(started[0]) if one[1] == "node"]


def test_what_ray_serves_by_http_asks_for_its_token_or_tells_numbers_alone(started):
    """Where the document says who may call, at the ports that are not drawn."""
    asked = set()
    for (_, _, number), rows in rows_of(started).items():
        fixed = [r for r in rows if r.port.isdigit() and r.port not in ("8000", "9000")]
        if not fixed:
            continue
        caller = fixed[0].caller
        for path in ("/metrics", "/api/version", "/api/cluster_status"):
            answer = httpx.get(f"http://127.0.0.1:{number}{path}", timeout=30)
            if caller == "anybody":
                assert answer.text.startswith("# HELP"), (number, path)
            else:
                assert caller == "Ray's token" and answer.status_code == 401, (number, path)
        asked.add(caller)
    assert asked == {"anybody", "Ray's token"}


def test_both_roles_and_kept_searches_over_replicas_and_protocols(started):
    _, port, grpc_port, _ = started
    reader = Client(url=f"http://127.0.0.1:{port}", token="rd")
    made = reader.ask("POST", "/v1/searches", SEARCH)
    until = time.monotonic() + 90
    while (found := reader.ask("GET", f"/v1/searches/{made['id']}"))["state"] != "done":
        assert found["state"] in ("queued", "running") and time.monotonic() < until, found
        time.sleep(0.2)
    once = reader.ask("POST", "/v1/search", SEARCH)
    best = [p["architecture"] for p in once["top"]]
    assert [p["architecture"] for p in found["result"]["top"]] == best
    stub, bearer = RankerStub(grpc.insecure_channel(f"127.0.0.1:{grpc_port}")), "authorization"
    over_grpc = stub.GetSearch(pb.SearchId(id=made["id"]), metadata=((bearer, "Bearer rd"),))
    assert over_grpc.state == "done" and over_grpc.result.top[0].architecture == best[0]
    with pytest.raises(grpc.RpcError) as caught:
        stub.DeleteSearch(pb.SearchId(id=made["id"]), metadata=((bearer, "Bearer rd"),))
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert "`operator`" in caught.value.details()
    with pytest.raises(Refused) as refused:
        reader.ask("DELETE", f"/v1/searches/{made['id']}")
    assert refused.value.args[:2] == (403, "NotAllowed")
    operator = Client(url=reader.url, token="op")
    assert operator.ask("DELETE", f"/v1/searches/{made['id']}") is None
    assert reader.ask("GET", "/v1/searches")["searches"] == []
