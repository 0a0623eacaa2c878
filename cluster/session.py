"""The only place where Ray is started or joined. Knows nothing of what runs on it."""

from __future__ import annotations

import contextlib
import logging
import os
import warnings
from collections.abc import Iterator
from typing import Any

from cluster import tracing

NAMESPACE = "dass"
"""Where named actors are found again by another driver."""

DRIVER = {
    "RAY_TRAIN_V2_ENABLED": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    # Train takes a group's reports and ends no faster than this; 2 s make short epochs wait.
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",
}
"""Variables of this process, where it has no values of its own; Train hands its own on."""

ENVIRONMENT = {
    "RAY_TRAIN_V2_ENABLED": "1",
    # One thread each: n workers share n cores, and two such processes beat one of two threads.
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    # Relative paths of sources and stores mean the same in a worker as in the driver.
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
}
"""Variables of every worker process."""


@contextlib.contextmanager
def connect(*, cpus: int | None = None) -> Iterator[None]:
    """Be on a Ray cluster for the time of a `with`.

    The cluster is, in this order: the one this process is on already; the one that `RAY_ADDRESS`
    names (`ray job submit` sets it); a private one on this machine, which ends with the block and
    listens on loopback alone.

    Args:
        cpus: cores that a private cluster offers; all of the machine's where `None`.

    Raises:
        ConnectionError: `RAY_ADDRESS` names no cluster that answers.
    """
    # Ray sets warnings of its own on import; the caller's filters are none of its business.
    with warnings.catch_warnings():
        import ray
    if ray.is_initialized():
        yield
        return
    for name, value in DRIVER.items():
        os.environ.setdefault(name, value)
    address = os.environ.get("RAY_ADDRESS")
    traces = {tracing.PLACE: os.environ[tracing.PLACE]} if tracing.PLACE in os.environ else {}
    settings: dict[str, Any] = (
        {"address": address}
        if address
        # The dashboard is where Train, Tune and the metrics are seen; loopback only.
        else {"address": "local", "num_cpus": cpus, "dashboard_host": "127.0.0.1"}
    )
    if traces and not address:  # of a cluster that is there, `ray start` decides
        settings["_tracing_startup_hook"] = tracing.HOOK
    with contextlib.nullcontext() if address else _on_loopback():
        ray.init(
            namespace=NAMESPACE,
            runtime_env={"env_vars": ENVIRONMENT | traces},
            logging_level=logging.WARNING,
            # Workers' own words are in the dashboard and the session's logs; drivers say what
            # matters.
            log_to_driver=False,
            **settings,
        )
    try:
        yield
    finally:
        ray.shutdown()


@contextlib.contextmanager
def _on_loopback() -> Iterator[None]:
    """Have the address of a node that is started meanwhile be 127.0.0.1, as it is on macOS.

    Where a node has that address, all of Ray's own listens there alone. `_node_ip_address` cannot
    say so: Ray replaces loopback by another address. `RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0` could,
    but is read when Ray is imported, which it may have been, and `ray start` would inherit it.
    """
    from ray._private import ray_constants

    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before
