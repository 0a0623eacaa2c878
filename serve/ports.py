"""Ports, taken for oneself: of two services on one machine the second is told who has them.

Ray's proxies share a port silently, so a bound port is no sign. The claim is an abstract socket,
which lives where ports do (a network namespace) and for as long as its process; where there is
none (no Linux), a port is looked at alone. Knows nothing of Ray.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

from dass.errors import DassError


class PortTaken(DassError, OSError):
    """Another process has a port that the service must have."""


@contextlib.contextmanager
def taken(ports: dict[str, tuple[str, int]]) -> Iterator[None]:
    """Have ports for the time of a `with`, against every other service on this machine.

    Args:
        ports: interface and number, by the option that chooses another.

    Raises:
        PortTaken: names who has one, and the option.
    """
    numbers = [number for _, number in ports.values()]
    with contextlib.ExitStack() as stack:
        for option, (host, number) in ports.items():
            if numbers.count(number) > 1:
                raise PortTaken(
                    f"ports must differ, but {' and '.join(ports)} are both {number}; choose "
                    f"another with `{option}`"
                )
            claim = _claim(number)
            if isinstance(claim, int):
                raise _told(option, number, holder=claim)
            stack.enter_context(claim)
            _check_free(option, host, number)
        yield


def _claim(number: int) -> contextlib.AbstractContextManager[object] | int:
    """Return a claim on a port, or the process that has it."""
    if sys.platform != "linux":
        return contextlib.nullcontext()
    name = f"\0dass-port-{number}"
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        claim.bind(name)
        claim.listen(8)
    except OSError:
        claim.close()
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
            asking.settimeout(1.0)
            with contextlib.suppress(OSError):
                asking.connect(name)
                peer = asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
                return int(struct.unpack("3i", peer)[0])
        return 0
    return claim


def _check_free(option: str, host: str, number: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as looking:
        # What is left of connections that ended is in nobody's way; who listens is.
        looking.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            looking.bind((host, number))
            looking.listen(1)
        except PermissionError as error:
            raise PortTaken(
                f"port {number} must be one that this user may take, but {error}; choose one "
                f"from 1024 on with `{option}`"
            ) from error
        except OSError as error:
            raise _told(option, number, holder=listener(number)) from error


def _told(option: str, number: int, *, holder: int) -> PortTaken:
    who = f"process {holder} ({command(holder)})" if holder else "another process"
    return PortTaken(
        f"port {number} must be free, but {who} has it; end that one, or choose another port with "
        f"`{option}`"
    )


def command(process: int) -> str:
    """Return the command line of a process, as far as this user may see it."""
    try:
        words = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return "of which nothing can be seen"
    return " ".join(b" ".join(words).decode(errors="replace").split())[:120]


def listener(port: int) -> int:
    """Return the process that listens on a port of TCP; 0 where this user cannot see it."""
    sockets = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                fields = line.split()
                if int(fields[1].rpartition(":")[2], 16) == port and fields[3] == "0A":
                    sockets.add(f"socket:[{fields[9]}]")
    for folder in Path("/proc").glob("[0-9]*/fd"):
        with contextlib.suppress(OSError):
            for file in folder.iterdir():
                with contextlib.suppress(OSError):
                    if os.readlink(file) in sockets:
                        return int(folder.parent.name)
    return 0
