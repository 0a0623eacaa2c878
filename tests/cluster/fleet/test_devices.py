"""An accelerator that breaks retires its workers, not the run; one that was misused does not.

A disk that is full makes its worker wait, and blames no job.
"""

import errno
import os
from functools import partial
from pathlib import Path

import pytest

from cluster.fleet.child import attempt
from cluster.fleet.devices import Health, health_after
from cluster.fleet.dispatcher import Dispatcher, Report
from cluster.fleet.job import FleetError, Idle, Job, Lease, Placement, Reply
from cluster.fleet.local import run_inline
from cluster.fleet.watch import Node, Watch, staffed
from dass.errors import StorageError

ECC = "CUDA error: uncorrectable ECC error encountered"
ASSERT = "CUDA error: device-side assert triggered"
TEXTS = {
    ECC: Health.LOST,
    "CUDA error: uncorrectable NVLink error detected during the execution": Health.LOST,
    "CUDA error: all CUDA-capable devices are busy or unavailable": Health.WELL,
    "CUDA error: CUDA-capable device(s) is/are busy or unavailable": Health.LOST,
    "No CUDA GPUs are available": Health.LOST,
    "Unable to determine the device handle: GPU is lost. Reboot the system": Health.LOST,
    "CUDA error: an illegal memory access was encountered": Health.SPOILT,
    ASSERT: Health.SPOILT,
    "CUDA out of memory. Tried to allocate 2.00 GiB": Health.WELL,
    "size mismatch for layer1": Health.WELL,
    "An error occurred (XMinioStorageFull) when calling the PutObject operation": Health.FULL,
    "[enforce fail at inline_container.cc:664] . unexpected pos: No space left on device": (
        Health.FULL
    ),
}


@pytest.mark.parametrize("text", TEXTS)
def test_the_words_of_an_error_say_what_broke(text):
    assert health_after(RuntimeError(text)) is TEXTS[text]


def test_what_caused_an_error_counts_as_well():
    try:
        try:
            raise RuntimeError(ECC)
        except RuntimeError as cause:
            raise ValueError("the loss must be finite") from cause
    except ValueError as error:
        assert health_after(error) is Health.LOST


def raising(text, job):
    raise RuntimeError(text)


def test_a_lost_device_costs_a_job_no_attempt_and_a_spoilt_process_does():
    job = Job(key="k", group="g", cost=1.0)
    lost, spoilt = (attempt(partial(raising, text), job) for text in (ECC, ASSERT))
    assert (lost.health, lost.blameless) == (Health.LOST, True)
    assert (spoilt.health, spoilt.blameless) == (Health.SPOILT, False)


def opened(number):
    jobs = [Job(key=f"k{i}", group="g", cost=1.0) for i in range(number)]
    dispatcher = Dispatcher(jobs, retries=0, lease_s=60.0)
    dispatcher.open([], 0.0, 0.0)
    return jobs, dispatcher


def lost(lease, device):
    reply = Reply(error=ECC, blameless=True, health=Health.LOST)
    return Report(lease=lease, reply=reply, device=device)


def test_workers_of_a_lost_device_are_finished_and_their_jobs_go_to_the_others():
    _, dispatcher = opened(2)
    first = dispatcher.exchange("n1/0", None, "n1/0")
    sharing = dispatcher.exchange("n1/1", None, "n1/0")
    assert dispatcher.exchange("n1/0", lost(first, "n1/0"), "n1/0") is Idle.FINISHED
    assert dispatcher.exchange("n1/1", lost(sharing, "n1/0"), "n1/0") is Idle.FINISHED
    done, report = set(), None
    while isinstance(lease := dispatcher.exchange("n1/2", report, "n1/1"), Lease):
        done.add(lease.job.key)
        report = Report(lease=lease, reply=Reply(), device="n1/1")
    state = dispatcher.state(0, "")
    assert done == {"k0", "k1"} and state.progress.done == 2 and not state.failures
    assert state.retired == (("n1/0", ECC),)


def test_a_queue_that_comes_back_is_told_which_devices_are_lost():
    jobs, current = opened(1)
    watch = Watch(jobs, lambda method, *a, **k: getattr(current, method)(*a, **k))
    watch.ask(0.0)
    current.exchange("n1/0", lost(current.exchange("n1/0", None, "n1/0"), "n1/0"), "n1/0")
    watch.ask(1.0)
    current = Dispatcher(jobs, retries=0, lease_s=60.0)
    watch.ask(2.0)
    assert current.exchange("n1/0", None, "n1/0") is Idle.FINISHED
    assert [entry.key for entry in watch.journal] == ["k0"]


def test_only_a_node_with_no_device_left_gets_no_group():
    nodes = [Node("a", {"CPU": 8, "GPU": 2}), Node("b", {"CPU": 8, "GPU": 1})]
    placement = Placement(cpus=1, gpus=0.5)
    whole = staffed(nodes, {}, placement=placement, open_jobs=100)
    assert whole == [("a", 4), ("b", 2)]
    retired = ["a/0", "b/0"]
    assert staffed(nodes, {}, placement=placement, open_jobs=100, retired=retired) == [("a", 4)]
    assert staffed(nodes, {"a": 4}, placement=placement, open_jobs=100, retired=retired) == []
    few = Placement(cpus=1, gpus=0.5, max_workers=3)
    assert staffed(nodes, {}, placement=few, open_jobs=100) == [("a", 3)]


def test_workers_with_lanes_come_only_as_many_as_the_jobs_that_are_left_fill():
    nodes = [Node("a", {"CPU": 8, "GPU": 2}), Node("b", {"CPU": 8, "GPU": 2})]
    placement = Placement(cpus=1, gpus=1, lanes=4)
    assert staffed(nodes, {}, placement=placement, open_jobs=100) == [("a", 2), ("b", 2)]
    assert staffed(nodes, {}, placement=placement, open_jobs=9) == [("a", 2), ("b", 1)]
    assert staffed(nodes, {"a": 2}, placement=placement, open_jobs=8) == []


def noting(folder, text, job):
    """Leave which process did a job; the first one raises."""
    first = not list(Path(folder).iterdir())
    (Path(folder) / f"{job.key}-{os.getpid()}").touch()
    if first:
        raise RuntimeError(text)


def test_a_spoilt_process_is_replaced(tmp_path):
    planned = [Job(key=f"k{i}", group="g", cost=1.0) for i in range(3)]
    work = partial(noting, str(tmp_path), ASSERT)
    # Of two, so that there are processes; the second has the first's job to itself at first.
    outcome = run_inline(planned, work, workers=2, retries=1)
    pids = [path.name.split("-")[1] for path in sorted(tmp_path.iterdir())]
    assert outcome.done == 3 and len(pids) == 4
    raised = min(tmp_path.iterdir(), key=lambda path: path.stat().st_mtime_ns)
    assert pids.count(raised.name.split("-")[1]) == 1, "it did nothing afterwards"


@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_without_any_device_left_says_so(workers):
    planned = [Job(key=f"k{i}", group="g", cost=1.0) for i in range(3)]
    with pytest.raises(FleetError, match=r"the device must answer, but is lost .*ECC"):
        run_inline(planned, partial(raising, ECC), workers=workers)


def filling(job):
    """Write to a device that is always full, as the kernel has one."""
    with open("/dev/full", "wb") as file:
        file.write(b"x" * 2**20)


def publishing(job):
    """Write to a store that cannot keep it: a folder whose scratch is that device's."""
    try:
        filling(job)
    except OSError as error:
        raise StorageError("the store must write k, but it says so") from error


@pytest.mark.parametrize("work", [filling, publishing])
def test_a_full_disk_costs_a_job_no_attempt_and_its_worker_gets_none_at_once(work):
    reply = attempt(work, Job(key="k", group="g", cost=1.0))
    assert (reply.health, reply.blameless) == (Health.FULL, True)
    _, dispatcher = opened(2)
    lease = dispatcher.exchange("a/0", None)
    assert dispatcher.exchange("a/0", Report(lease=lease, reply=reply)) is Idle.WAIT
    assert dispatcher.exchange("b/0", None).job.key == lease.job.key
    assert isinstance(dispatcher.exchange("a/0", None), Lease), "once it asks again"
    progress = dispatcher.state(0, "").progress
    assert (progress.lost, progress.retried, progress.failed) == (1, 0, 0)


def test_a_disk_quota_is_a_full_disk_too():
    assert health_after(OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))) is Health.FULL


@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_on_one_machine_ends_where_its_disk_is_full(workers):
    jobs = [Job(key=f"k{i}", group="g", cost=1.0) for i in range(3)]
    with pytest.raises(FleetError, match="make room"):
        run_inline(jobs, filling, workers=workers)
