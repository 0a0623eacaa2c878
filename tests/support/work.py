"""Work for fleets under test, in a module that imports nothing heavy: children start at once."""

import os
import signal
import time
from pathlib import Path

from dass.store.store import Store


def visible(job):
    """Leave a mark that names the accelerators this process sees."""
    name = os.environ.get("CUDA_VISIBLE_DEVICES", "none").replace(",", "+")
    Store(job.payload).write(f"seen/{job.key}/{name}", b"")
    time.sleep(2.0)  # long enough for every worker to come, however busy the machine is


def marks(folder):
    """Return the names in a folder, which need not be there."""
    return sorted(path.name for path in Path(folder).glob("*"))


def mark(folder, name):
    """Leave a mark in a folder; return whether it is the first of its name."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    try:
        (Path(folder) / str(name)).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def until(happened):
    """Wait for something; give up after a time that only a fault takes."""
    deadline = time.monotonic() + 120
    while not happened():
        if time.monotonic() > deadline:
            raise TimeoutError("the others never came")
        time.sleep(0.02)


def meet(job):
    """Wait until so many processes have so many jobs in hand at once, then meet the job's fate."""
    place, lanes, processes, fate = job.payload
    here = f"{place}/here/{os.getpid()}"
    mark(here, job.key)

    def met():
        if len(marks(here)) >= lanes:
            mark(f"{place}/met", os.getpid())
        return len(marks(f"{place}/met")) >= processes

    until(met)
    if fate == "wait":
        until(lambda: False)
    if fate == "exit":
        raise SystemExit(3)
    if fate.startswith("CUDA"):
        raise RuntimeError(fate)
    victims = {"kill": os.getpid(), "kill worker": os.getppid()}
    if fate in victims and mark(f"{place}/fates", job.key):
        os.kill(victims[fate], signal.SIGKILL)
        until(lambda: False)
    mark(f"{place}/done/{job.key}", os.getpid())
    return {"images": float(job.cost)}


def wait(job):
    """Say that a job begins, wait for the file that its payload names, say that it ends."""
    place, gate = job.payload
    mark(place, f"{time.monotonic_ns():020d} {job.key} begins")
    until(lambda: not gate or Path(gate).exists())
    mark(place, f"{time.monotonic_ns():020d} {job.key} ends")


def suspect(job):
    """Kill this process if the job is the culprit; its neighbours cannot end beside it."""
    tries = f"{job.payload}/tries"
    here = f"{job.payload}/here/{os.getpid()}"
    mark(here, job.key)
    try:
        if job.key == "culprit":
            if len(marks(tries)) < 2:
                until(lambda: len(marks(here)) == 3)
            mark(tries, len(marks(tries)))
            os.kill(os.getpid(), signal.SIGKILL)
        until(lambda: marks(here) == [job.key] and len(marks(tries)) >= 2)
    finally:
        (Path(here) / job.key).unlink()
