"""The only place where Ray is started or joined. Knows nothing of what runs on it."""

from __future__ import annotations

import contextlib
import logging
import os
import warnings
from collections.abc import Iterator

NAMESPACE = "dass"
"""Where named actors are found again by another driver."""

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
    names (`ray job submit` sets it); a private one on this machine, which ends with the block.

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
    os.environ.setdefault("RAY_TRAIN_V2_ENABLED", "1")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    address = os.environ.get("RAY_ADDRESS")
    settings = (
        {"address": address}
        if address
        # The dashboard is where Train, Tune and the metrics are seen; loopback only.
        else {"address": "local", "num_cpus": cpus, "dashboard_host": "127.0.0.1"}
    )
    ray.init(
        namespace=NAMESPACE,
        runtime_env={"env_vars": ENVIRONMENT},
        logging_level=logging.WARNING,
        # Workers' own words are in the dashboard and the session's logs; drivers say what matters.
        log_to_driver=False,
        **settings,
    )
    try:
        yield
    finally:
        ray.shutdown()
