"""The queue's laws, and local workers that raise, die and are replaced."""

import os
import random
import signal
import threading
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from cluster.fleet.child import kept_children
from cluster.fleet.job import FleetError, Idle, Job, Verdict
from cluster.fleet.local import run_inline
from cluster.fleet.queue import Queue


def jobs(number, groups=3):
    return [Job(key=f"k{i}", group=f"g{i % groups}", cost=float(i % 7)) for i in range(number)]


@pytest.mark.parametrize("seed", range(20))
def test_nothing_is_lost_and_nothing_is_done_twice(seed):
    luck = random.Random(seed)
    queue = Queue(jobs(60), retries=2, losses=100, lease_s=5.0)
    held, done, now = {}, Counter(), 0.0
    while not queue.finished:
        now += luck.random()
        worker = f"w{luck.randrange(5)}"
        for lease in queue.expire(now=now):
            held.pop(lease.worker, None)
        if worker not in held:
            lease = queue.take(worker, now=now)
            if not isinstance(lease, Idle):
                held[worker] = lease
            continue
        lease, fate = held.pop(worker), luck.random()
        if fate < 0.7:
            if queue.finish(lease.job.key, token=lease.token, now=now) is Verdict.DONE:
                done[lease.job.key] += 1
        elif fate < 0.8:
            queue.fail(lease.token, "boom", now=now)
        else:
            queue.lose(worker, now=now)
    failed = {failure.key for failure in queue.failures}
    assert set(done) | failed == {job.key for job in jobs(60)}
    assert not set(done) & failed and set(done.values()) == {1}


def test_a_worker_stays_with_its_group_longest_first_then_steals():
    queue = Queue(jobs(12, groups=2))
    first = queue.take("a", now=0.0)
    group, costs = first.job.group, [first.job.cost]
    queue.finish(first.job.key, token=first.token, now=0.0)
    for _ in range(5):
        lease = queue.take("a", now=0.0)
        assert lease.job.group == group
        costs.append(lease.job.cost)
        queue.finish(lease.job.key, token=lease.token, now=0.0)
    assert costs == sorted(costs, reverse=True)
    assert queue.take("a", now=0.0).job.group != group


def test_only_its_own_failures_count_against_a_job():
    queue = Queue(jobs(1), retries=1, losses=5)
    for _ in range(4):
        lease = queue.take("a", now=0.0)
        assert queue.lose("a", now=0.0) is Verdict.LOST
    for expected in (Verdict.RETRY, Verdict.FAILED):
        lease = queue.take("a", now=0.0)
        assert queue.fail(lease.token, "ValueError: boom", now=0.0) is expected
    assert queue.finished and queue.failures[0].attempts == 2
    assert "boom" in queue.failures[0].error


def test_a_silent_worker_loses_its_job_and_a_late_result_still_counts_once():
    queue = Queue(jobs(1), lease_s=10.0)
    late = queue.take("a", now=0.0)
    assert not queue.expire(now=9.0) and len(queue.expire(now=10.0)) == 1
    second = queue.take("b", now=11.0)
    assert queue.finish(late.job.key, token=late.token, now=12.0) is Verdict.DONE
    assert queue.finish(second.job.key, token=second.token, now=13.0) is Verdict.STALE
    assert queue.finished


def test_a_journal_rebuilds_the_queue():
    queue = Queue(jobs(4), retries=1)
    lease = queue.take("a", now=0.0)
    queue.finish(lease.job.key, token=lease.token, now=1.0)
    lease = queue.take("a", now=1.0)
    queue.fail(lease.token, "boom", now=2.0)
    other = Queue(jobs(4), retries=1)
    other.replay(queue.journal)
    assert other.pending == queue.pending == 3
    ours, theirs = queue.progress(seconds=1, now=2), other.progress(seconds=1, now=2)
    assert (ours.done, ours.retried) == (theirs.done, theirs.retried) == (1, 1)


def touch(folder, job):
    """Leave a mark of every attempt, then do what the job says."""
    marks = Path(folder)
    (marks / f"{job.key}-{len(list(marks.glob(job.key + '-*')))}").touch()
    attempts = len(list(marks.glob(job.key + "-*")))
    if job.payload == "raise":
        raise ValueError("never works")
    if job.payload == "raise once" and attempts == 1:
        raise ValueError("works next time")
    if job.payload == "die once" and attempts == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    (marks / f"done-{job.key}").touch()


@pytest.mark.parametrize(("workers", "threads"), [(1, False), (2, False), (3, True)])
def test_failing_jobs_are_retried_then_listed_and_the_run_goes_on(tmp_path, workers, threads):
    fates = ["", "raise", "raise once", ""] + (
        ["die once"] if (workers, threads) == (2, 0) else []
    )
    planned = [Job(key=f"k{i}", group="g", cost=1.0, payload=fate) for i, fate in enumerate(fates)]
    outcome = run_inline(
        planned, partial(touch, str(tmp_path)), workers=workers, retries=1, threads=threads
    )
    assert outcome.done == len(fates) - 1
    (failure,) = outcome.failed
    assert failure.key == "k1" and failure.attempts == 2 and "never works" in failure.error
    assert len(list(tmp_path.glob("done-*"))) == len(fates) - 1
    assert len(list(tmp_path.glob("k0-*"))) == 1


def sign(folder, job):
    """Leave the number of the process that did the job, once for each attempt."""
    with Path(folder, job.key).open("a") as file:
        file.write(f"{os.getpid()}\n")


def test_a_process_is_left_for_the_next_call_and_a_dead_one_costs_no_job_an_attempt(tmp_path):
    def did(name, kept):
        planned = [Job(key=f"{name}-{i}", group="g", cost=1.0) for i in range(4)]
        outcome = run_inline(planned, partial(sign, str(tmp_path)), workers=2, kept=kept)
        assert outcome.done == 4 and not outcome.failed
        signed = [file.read_text().split() for file in tmp_path.glob(f"{name}-*")]
        assert [len(each) for each in signed] == [1] * 4
        return {pid for (pid,) in signed}

    with kept_children() as kept:
        first = did("first", kept)
        second = did("second", kept)
        assert first & second
        for child in kept:
            child._process.kill()
            child._process.wait()
        assert not did("third", kept) & (first | second)
        assert any(child.alive for child in kept)
    assert not any(child.alive for child in kept)


def test_threads_work_at_once_in_this_process_and_wait_for_what_a_job_needs():
    meeting, order = threading.Barrier(3, timeout=20), []

    def work(job):
        if job.key != "last":
            meeting.wait()  # passes only if all three are at work
        order.append((job.key, os.getpid()))

    first = [Job(key=f"k{i}", group=str(i), cost=1.0) for i in range(3)]
    last = Job(key="last", group="0", cost=9.0, needs="k1")
    outcome = run_inline([*first, last], work, workers=3, threads=True)
    names = [name for name, _ in order]
    assert outcome.done == len(names) == 4 and names.index("k1") < names.index("last")
    assert {pid for _, pid in order} == {os.getpid()}


@pytest.mark.parametrize("words", ["CUDA error: an illegal memory access", "uncorrectable ECC"])
def test_threads_end_together_where_the_process_has_lost_its_device(words):
    def work(job):
        raise RuntimeError(words)

    planned = [Job(key=f"k{i}", group="g", cost=1.0) for i in range(4)]
    with pytest.raises(FleetError, match="run the same"):
        run_inline(planned, work, workers=2, threads=True)


def test_two_jobs_of_one_key_are_refused():
    with pytest.raises(ValueError, match="unique"):
        Queue([*jobs(1), *jobs(1)])
