"""What the process of one job does: the steps of `dass.compress`, which go on where they stopped.

    python -m serve.job_process STORE ID SOURCE FOLDER

Says its lines on standard output; what is wrong is the last line of standard error. It ends with
whoever holds its standard input. Knows nothing of who that is, nor of protocols.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dass.errors import DassError, StorageError
from serve.refusals import explain

NICE = 10
"""Searches come first."""
KEPT_BYTES = 512 * 2**20
"""Most of one file that is kept."""


def main(arguments: Sequence[str]) -> int:
    """Do a job; return the exit status."""
    store, name, source, folder = arguments
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.nice(NICE)
    try:
        work(store, name, source=source, folder=folder)
    except StorageError as error:
        told = explain(error).error
        print(json.dumps({"code": told.code, "message": told.message}), file=sys.stderr)
        return 2
    except DassError as error:
        print(json.dumps({"code": type(error).__name__, "message": str(error)}), file=sys.stderr)
        return 2
    return 0


def work(where: str, name: str, *, source: str, folder: str) -> None:
    """Train as a job asks, and keep what came of it.

    Args:
        where: the store.
        name: id of the job.
        source: the images.
        folder: of this machine, in which a job that was stopped goes on.
    """
    from dass.data.task_config import TaskConfig
    from dass.pipeline.compression.asked import Asked
    from dass.pipeline.compression.folder import Folder
    from dass.pipeline.compression.steps import run
    from dass.registry.registry import Registry
    from dass.store.store import Store
    from serve.job_search import order_as_searched, sought
    from serve.job_store import Jobs
    from serve.limits import Limits

    store = Store(where)
    jobs, registry = Jobs(store, Limits()), Registry(store)
    kept = jobs.read(name)[0]
    request = kept.request
    assert request.teacher is not None, "the service has resolved it"
    teacher = registry.teacher(request.teacher)
    space = teacher.network.space
    asked = Asked(
        task=TaskConfig(source=source),
        latency=_latency(store, request, space=space),
        latency_precision=request.precision,
        latency_batch=request.batch,
        student_size=space.image_size,
        minutes=request.minutes,
        seed=request.seed,
        **sought(kept),
    )
    last = "verify" if request.kind == "verify" else None
    order = order_as_searched(kept, registry, teacher)
    found = run(asked, _oracle(teacher), into=folder, say=_say, last=last, order=order)
    if request.kind == "verify":
        Folder(folder).write("students.json", {"students": measured(found["verify"])})
    for path in sorted(Path(folder).iterdir()):
        if path.is_file() and path.stat().st_size <= KEPT_BYTES:
            jobs.put_file(name, path.name, path.read_bytes())


def measured(verified: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what was measured as measured students of the teacher, each at its longest."""
    found = {}
    for one in verified["rounds"]:
        for each in one["students"]:
            found[each["architecture"]] = {
                "architecture": each["architecture"],
                "accuracy": each["measured"],
                "epochs": one["epochs"],
            }
    return list(found.values())


def _oracle(teacher: Any) -> Any:
    from dass.networks.oracles.oracle import classifier_of
    from dass.networks.oracles.preprocessing import Preprocessing

    size, half = teacher.network.space.image_size, (0.5, 0.5, 0.5)
    before = Preprocessing(size=size, resize=size, fit="stretch", mean=half, std=half)
    return classifier_of(teacher.network.eval(), name=teacher.name, preprocessing=before)


def _latency(store: Any, request: Any, *, space: Any) -> Any:
    from serve.latency_tables import LatencyTables
    from serve.limits import Limits

    if request.max_latency_ms is None:
        return None
    tables = LatencyTables(store, space, Limits())
    name, batch = request.latency_table, request.batch
    return tables.clock(name, batch=batch, precision=request.precision, classes=2).model


def _say(line: str) -> None:
    print(line, flush=True)


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(3)


if __name__ == "__main__":
    status = main(sys.argv[1:])
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(status)  # a thread waits for ever, and holds what an ordinary end wants
