"""What runs under fire: jobs that publish records, some with a fate, and the driver's line.

Imports little, so that children start at once.
"""

import os
import random
import signal
import socket
import tempfile
import time
import uuid

from cluster.fleet.job import Job
from dass.store.store import Store

FATES = ("raise once", "die once", "nan once", "memory once")
SCRATCH = 2**16
"""Bytes that every job writes to its node's disk."""
HURRY = "hurry"
"""Key that, once there, lets jobs take no time: no further fault is to come."""


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
    with tempfile.TemporaryFile() as scratch:
        scratch.write(bytes(SCRATCH))
    if not store.exists(HURRY):
        time.sleep(job.payload["seconds"])
    store.write(f"records/{job.key}", job.key.encode())
    store.write(f"published/{job.key}/{socket.gethostname()}~{uuid.uuid4().hex}", b"")


def plan(store, *, number, seconds, fated, seed):
    """Return the jobs; the first `fated` ones have a fate, the very first one never works."""
    fates = ["raise", *(FATES[i % len(FATES)] for i in range(max(0, fated - 1)))][:fated]
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
        print(f"{failure.label}: {failure.error} ({failure.attempts} attempts)", flush=True)
    raise SystemExit(1 if outcome.failed else 0)
