"""The table of contents of the fleet: every name is there, and costs nothing until it is used."""

import subprocess
import sys

import pytest

import cluster.fleet
from cluster.fleet.job import Job

LIGHT = """
import sys
import cluster.fleet
from cluster.fleet import FleetError, Job, Outcome, Placement, run_inline
sys.exit(bool({"torch", "ray", "numpy"} & set(sys.modules)))
"""


def test_the_table_and_the_local_runner_import_neither_torch_nor_ray():
    assert subprocess.run([sys.executable, "-c", LIGHT]).returncode == 0


def test_a_name_of_the_table_is_that_of_its_module():
    assert cluster.fleet.Job is Job and set(cluster.fleet.__all__) == set(dir(cluster.fleet))
    homes = [name for names in cluster.fleet._HOMES.values() for name in names]
    assert sorted(homes) == cluster.fleet.__all__


def test_a_name_that_is_not_there_is_said_to_be_missing():
    with pytest.raises(AttributeError, match="no attribute 'run_anywhere'"):
        _ = cluster.fleet.run_anywhere
