"""Several lanes, one process: what overlaps, whose reply is whose, and what a death costs."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from cluster.fleet.child import sealed
from cluster.fleet.devices import Health
from cluster.fleet.job import FleetError, Idle, Job, Lease
from cluster.fleet.queue import Queue
from cluster.fleet.settle import settle
from cluster.fleet.shared import SharedChild
from tests.support.work import marks, meet, suspect, wait


@pytest.fixture
def child():
    """A process for three lanes."""
    with SharedChild(sealed(meet), lanes=3) as shared:
        yield shared


def at_once(child, place, fates):
    """Have a job in hand in each lane, all at once; return the replies by lane."""
    number = len(fates)

    def attempt(lane):
        payload = (str(place), number, 1, fates[lane])
        job = Job(key=f"k{lane}", group="g", cost=float(lane), payload=payload)
        return child.attempt(job, beat=lambda: None, every_s=1.0, lane=lane)

    with ThreadPoolExecutor(number) as threads:
        return list(threads.map(attempt, range(number)))


def processes(place):
    return set(marks(place / "here"))


def test_jobs_of_all_lanes_are_in_one_process_at_once_and_each_lane_hears_of_its_own(
    child, tmp_path
):
    replies = at_once(child, tmp_path, ["", "", ""])
    assert [(r.error, r.lane, r.counts["images"]) for r in replies] == [
        (None, 0, 0.0),
        (None, 1, 1.0),
        (None, 2, 2.0),
    ]
    assert len(processes(tmp_path)) == 1 and str(os.getpid()) not in processes(tmp_path)


@pytest.mark.parametrize(
    ("fate", "words", "health"),
    [
        ("kill", "killed by SIGKILL", Health.WELL),
        ("exit", "exit code 1", Health.WELL),
        ("CUDA error: device-side assert triggered", "device-side assert", Health.SPOILT),
        ("CUDA error: uncorrectable ECC error encountered", "ECC", Health.LOST),
    ],
)
def test_what_ends_the_process_of_several_jobs_blames_none_and_one_fresh_process_follows(
    child, tmp_path, fate, words, health
):
    replies = at_once(child, tmp_path / "first", ["wait", fate, "wait"])
    assert all(words in reply.error and reply.blameless for reply in replies)
    assert [(reply.lane, reply.health) for reply in replies] == [(i, health) for i in range(3)]
    again = at_once(child, tmp_path / "then", ["", "", ""])
    assert [reply.error for reply in again] == [None] * 3
    first, then = processes(tmp_path / "first"), processes(tmp_path / "then")
    assert len(first) == len(then) == 1 and first != then


@pytest.mark.parametrize("lanes", [1, 3])
def test_a_job_that_was_alone_in_a_process_that_died_is_to_blame(tmp_path, lanes):
    with SharedChild(sealed(meet), lanes=lanes) as child:
        (reply,) = at_once(child, tmp_path / "first", ["kill"])
        assert "SIGKILL" in reply.error and not reply.blameless
        (reply,) = at_once(child, tmp_path / "then", [""])
        assert reply.error is None


def test_a_job_that_is_to_be_alone_waits_for_those_before_and_keeps_those_after(tmp_path):
    gate, order = tmp_path / "gate", tmp_path / "order"
    with (
        SharedChild(sealed(wait), lanes=3) as child,
        ThreadPoolExecutor(3) as threads,
    ):

        def begin(lane, key, *, behind="", alone=False):
            """Give a lane a job, and return once its worker has said that it is alive."""
            alive = threading.Event()
            job = Job(key=key, group="g", cost=1.0, payload=(str(order), behind))
            attempt = partial(child.attempt, beat=alive.set, every_s=0.05, lane=lane, alone=alone)
            reply = threads.submit(attempt, job)
            assert alive.wait(60)
            return reply

        before = begin(0, "before", behind=str(gate))
        suspected = begin(1, "suspect", alone=True)
        after = begin(2, "after")
        gate.touch()
        assert {each.result().error for each in (before, suspected, after)} == {None}
    said = [name.split(" ", 1)[1] for name in marks(order)]
    spans = [(key, what) for key in ("before", "suspect", "after") for what in ("begins", "ends")]
    assert said == [" ".join(span) for span in spans]


def test_a_job_that_always_kills_its_process_takes_no_neighbour_with_it(tmp_path):
    planned = [
        Job(key=key, group="g", cost=1.0, payload=str(tmp_path)) for key in ("a", "culprit", "b")
    ]
    queue, one = Queue(planned, retries=1, losses=2), threading.Lock()

    def run(lane, child):
        while True:
            with one:
                lease = queue.take(f"w.{lane}", now=time.monotonic())
            if lease is Idle.FINISHED:
                return
            if isinstance(lease, Lease):
                reply = child.attempt(
                    lease.job, beat=lambda: None, every_s=1.0, lane=lane, alone=lease.alone
                )
                with one:
                    settle(queue, lease, reply, now=time.monotonic())
            else:
                time.sleep(0.02)

    with SharedChild(sealed(suspect), lanes=3) as child, ThreadPoolExecutor(3) as threads:
        for each in [threads.submit(run, lane, child) for lane in range(3)]:
            each.result()
    (failure,) = queue.failures
    assert (failure.key, failure.attempts) == ("culprit", 2) and "SIGKILL" in failure.error
    assert queue.progress(seconds=1.0, now=1.0).done == 2


def test_when_it_is_stopped_jobs_in_hand_end_and_none_begins(child, tmp_path):
    with ThreadPoolExecutor(1) as threads:
        replies = threads.submit(at_once, child, tmp_path, ["wait", "wait", "wait"])
        while not marks(tmp_path / "met"):
            time.sleep(0.02)
        child.stop()
        assert all("SIGTERM" in reply.error for reply in replies.result())
    with pytest.raises(FleetError, match="stopped"):
        child.ensure()


def test_a_process_that_never_comes_up_is_given_up_for_all_lanes():
    with SharedChild(b"no work", lanes=2) as child:
        for _ in range(2):
            with pytest.raises(FleetError, match="the last 3 died before their first job"):
                child.ensure()
