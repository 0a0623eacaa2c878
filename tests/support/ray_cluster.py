"""The one Ray cluster of a test run: a head that works too, with two accelerators of its word."""

import contextlib
import warnings

import pytest

from cluster.session import connect
from tests.chaos.grounds import head


@pytest.fixture(scope="session")
def cluster():
    """A head of two cores and two accelerators; this process is its driver."""
    with warnings.catch_warnings():  # of Ray's own, on import
        warnings.simplefilter("ignore")
        from ray.cluster_utils import Cluster

    with contextlib.ExitStack() as stack:
        found = Cluster(initialize_head=True, head_node_args=head(num_cpus=2, num_gpus=2))
        stack.callback(found.shutdown)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("RAY_ADDRESS", found.address)
            stack.enter_context(connect())
        yield found
