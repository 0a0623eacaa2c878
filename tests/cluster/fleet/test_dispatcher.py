"""The queue as an actor, without Ray: jobs that need others, two lives, late words, amounts."""

import pickle
import random
import time
from collections import Counter
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import pytest

from cluster.fleet.child import Child, attempt, sealed
from cluster.fleet.dispatcher import Dispatcher, Report
from cluster.fleet.job import ChildDied, FleetError, Idle, Job, Lease, Reply, Sealed, Verdict
from cluster.fleet.meters import Meters
from cluster.fleet.queue import Queue
from cluster.progress import Progress
from dass.errors import StoreUnavailable


def family(children=3, kind="student"):
    parent = Job(key="parent", group="a", cost=5.0, kind="teacher")
    return [
        parent,
        *(
            Job(key=f"child{i}", group="a", cost=1.0, kind=kind, needs="parent")
            for i in range(children)
        ),
    ]


def opened(jobs, **settings):
    dispatcher = Dispatcher(jobs, **{"retries": 1, "lease_s": 60.0} | settings)
    dispatcher.open([], 0.0, 0.0)
    return dispatcher


def report(lease, **reply):
    return Report(lease=lease, reply=Reply(**reply))


# jobs that need others


def test_what_is_needed_comes_first_and_its_dependents_after():
    queue = Queue(family())
    first = queue.take("a", now=0.0)
    assert first.job.key == "parent" and queue.take("b", now=0.0) is Idle.WAIT
    queue.finish("parent", token=first.token, now=1.0)
    taken = [queue.take(w, now=1.0).job.key for w in "abc"]
    assert sorted(taken) == ["child0", "child1", "child2"]


def test_a_need_that_failed_fails_its_dependents_untried():
    queue = Queue(family(), retries=0)
    lease = queue.take("a", now=0.0)
    assert queue.fail(lease.token, "boom", now=0.0) is Verdict.FAILED
    assert queue.finished and queue.take("a", now=0.0) is Idle.FINISHED
    errors = {f.key: (f.error, f.attempts) for f in queue.failures}
    assert errors["parent"] == ("boom", 1)
    assert errors["child0"] == ("it needs parent, which failed", 0)


def test_a_need_must_come_before():
    with pytest.raises(ValueError, match="'parent', which has not"):
        Queue(family()[1:])


@pytest.mark.parametrize("seed", range(10))
def test_a_journal_rebuilds_a_queue_with_needs_at_any_moment(seed):
    luck, queue, now = random.Random(seed), Queue(family(6), retries=1), 0.0
    for _ in range(luck.randrange(1, 12)):
        now += 1.0
        lease = queue.take(luck.choice("ab"), now=now)
        if isinstance(lease, Lease):
            if luck.random() < 0.3:
                queue.fail(lease.token, "boom", now=now)
            else:
                queue.finish(lease.job.key, token=lease.token, now=now)
    other = Queue(family(6), retries=1)
    other.replay(queue.journal)
    ours, theirs = (q.progress(seconds=1.0, now=now) for q in (queue, other))
    assert (ours.done, ours.failed, ours.kinds) == (theirs.done, theirs.failed, theirs.kinds)
    assert queue.pending == other.pending and queue.finished == other.finished


def test_progress_counts_kinds_apart():
    queue = Queue(family())
    lease = queue.take("a", now=0.0)
    queue.finish("parent", token=lease.token, now=1.0)
    line = queue.progress(seconds=3600.0, now=1.0).line("trainings")
    assert line.startswith("1/1 teachers, 0/3 students, 0 running, 0 students/h")
    assert "12/100 students, 0 running, 12 students/h" in Progress(
        total=100, done=12, failed=0, seconds=3600.0
    ).line("students")


# the actor


def test_one_round_trip_reports_a_job_and_takes_the_next():
    dispatcher = opened(family())
    lease = dispatcher.exchange("w", None)
    lease = dispatcher.exchange("w", report(lease))
    state = dispatcher.state(0, "")
    assert lease.job.key == "child0" and state.progress.done == 1 and not state.finished
    assert [entry.key for entry in state.entries] == ["parent"]
    assert dispatcher.state(1, state.life).entries == ()


def test_an_unopened_queue_makes_workers_wait_but_hears_what_they_have_done():
    jobs = family()
    former = opened(jobs)
    lease = former.exchange("w", None)
    journal = list(former.state(0, "").entries)
    later = Dispatcher(jobs, retries=1, lease_s=60.0)  # the actor's second life
    assert later.exchange("w", report(lease)) is Idle.WAIT
    journal = later.open(journal, 10.0, 0.0)
    assert [(e.key, e.verdict) for e in journal] == [("parent", Verdict.DONE)]
    state = later.state(len(journal), later.state(0, "").life)
    assert state.progress.done == 1 and state.progress.seconds >= 10
    assert later.exchange("w", None).job.key == "child0"


def test_what_workers_hold_when_the_queue_is_lost_is_not_handed_out_again():
    clock = SimpleNamespace(now=100.0)
    jobs = [Job(key=f"k{i}", group="g", cost=1.0) for i in range(2)]
    held = opened(jobs).exchange("w", None)
    later = Dispatcher(jobs, retries=1, lease_s=60.0, clock=lambda: clock.now)
    later.open([], 0.0, 0.05)
    assert later.exchange("v", None) is Idle.WAIT, "in the days of grace"
    later.renew(held)
    clock.now += 0.06
    other = later.exchange("v", None)
    assert other.job.key != held.job.key and later.exchange("u", None) is Idle.WAIT
    later.renew(held)
    later.exchange("w", report(held))
    assert later.state(0, "").progress.done == 1


@pytest.mark.parametrize("former", [{"error": "boom"}, {"error": "503", "blameless": True}])
def test_what_was_tried_before_and_is_held_when_the_queue_is_lost_does_not_wait_as_well(former):
    jobs = [Job(key=f"k{i}", group="g", cost=1.0) for i in range(2)]
    first = opened(jobs)
    taken = first.exchange("v", report(first.exchange("w", None), **former))
    journal = list(first.state(0, "").entries)
    leases = [replace(taken, worker="w"), first.exchange("w", None)]
    (held,) = (lease for lease in leases if lease.job.key == journal[0].key)
    later = Dispatcher(jobs, retries=1, lease_s=60.0)
    later.renew(held)  # before the driver opens it
    later.open(journal, 0.0, 0.0)
    other = later.exchange("v", None)
    assert other.job.key != held.job.key and later.exchange("u", None) is Idle.WAIT
    later.lose("w")
    assert later.exchange("u", None).job.key == held.job.key
    assert later.exchange("x", None) is Idle.WAIT


def test_a_worker_that_says_too_late_what_it_holds_does_not_take_it_back():
    jobs = [Job(key="k", group="g", cost=1.0)]
    held = opened(jobs).exchange("w", None)
    later = opened(jobs)
    taken = later.exchange("v", None)
    later.renew(held)
    assert later.state(0, "").progress.running == ("k",)
    later.exchange("w", report(held))
    later.exchange("v", report(taken))
    assert later.state(0, "").progress.done == 1


def test_a_word_of_a_former_life_does_not_end_a_lease_of_this_one():
    jobs = family()[:1]
    old = opened(jobs).exchange("w", None)
    time.sleep(0.001)
    later = opened(jobs)
    new = later.exchange("v", None)
    assert old.token != new.token
    later.exchange("w", report(old, error="boom"))
    assert later.state(0, "").progress.running == ("parent",)


def test_a_store_that_does_not_answer_costs_a_job_no_attempt():
    dispatcher = opened(family()[:1], retries=0)
    for _ in range(3):
        lease = dispatcher.exchange("w", None)
        dispatcher.exchange("other", report(lease, error="503", blameless=True))
        dispatcher.lose("other")
    assert dispatcher.state(0, "").progress.lost >= 3
    assert not dispatcher.state(0, "").failures


def test_a_lost_node_gives_back_what_its_workers_held():
    dispatcher = opened([Job(key=f"k{i}", group="g", cost=1.0) for i in range(3)])
    held = {dispatcher.exchange(w, None).job.key for w in ("n1/0", "n1/1", "n2/0")}
    assert dispatcher.exchange("n2/1", None) is Idle.WAIT
    dispatcher.lose("n1/")
    again = {dispatcher.exchange(w, None).job.key for w in ("n3/0", "n3/1")}
    assert len(held) == 3 and again < held and len(again) == 2


class Counted(Meters):
    def __init__(self):
        self.seen = []

    def ended(self, lease, verdict, *, seconds, counts):
        self.seen.append((lease.job.kind, verdict, dict(counts)))

    def queue(self, *, waiting, running, left):
        self.waiting, self.left = waiting, dict(left)


def test_meters_hear_of_every_attempt_and_of_the_queue():
    meters = Counted()
    dispatcher = opened(family(1), meters=meters)
    lease = dispatcher.exchange("w", None)
    lease = dispatcher.exchange("w", report(lease, counts={"images": 7.0}))
    dispatcher.exchange("w", report(lease, error="boom"))
    dispatcher.state(0, "")
    assert meters.seen == [
        ("teacher", Verdict.DONE, {"images": 7.0}),
        ("student", Verdict.RETRY, {}),
    ]
    assert meters.waiting == 0
    dispatcher.lose("w")
    assert meters.seen[-1] == ("student", Verdict.LOST, {}), "a node's end is an attempt's too"


@pytest.mark.parametrize("seed", range(12))
def test_what_is_left_of_each_group_is_what_is_neither_done_nor_given_up(seed):
    luck = random.Random(seed)
    jobs = [Job(key=f"k{i}", group=f"g{i % 3}", cost=1.0) for i in range(12)]
    meters, last = Counted(), None
    dispatcher = opened(jobs, meters=meters)
    for _ in range(luck.randrange(6, 20)):
        lease = dispatcher.exchange("w", last)
        if not isinstance(lease, Lease):
            break
        last = report(lease, error=luck.choice([None, "boom"]))
    journal = dispatcher.open([], 0.0, 0.0)
    over = {e.key for e in journal if e.verdict in (Verdict.DONE, Verdict.FAILED)}
    again = Counted()
    rebuilt = Dispatcher(jobs, retries=1, lease_s=60.0, meters=again)
    rebuilt.open(journal, 0.0, 0.0)
    for queue in (dispatcher, rebuilt):
        queue.state(0, "")
    expected = Counter(job.group for job in jobs if job.key not in over)
    assert over and {g: n for g, n in meters.left.items() if n} == expected
    assert again.left == meters.left, "a rebuilt queue says the same"


# the child


def unavailable(job):
    raise StoreUnavailable("503")


def echo(job):
    if job.payload == "exit":
        import os

        os._exit(3)
    return {"images": float(job.payload)}


def test_a_reply_says_whose_fault_it_was():
    job = Job(key="k", group="g", cost=1.0, payload="x")
    assert attempt(unavailable, job).blameless
    own = attempt(echo, job)
    assert own.error.startswith("ValueError") and not own.blameless


def test_only_the_one_who_does_a_job_opens_its_payload():
    job = Job(key="k", group="g", cost=1.0, payload=Sealed(pickle.dumps(5)))
    assert attempt(echo, job).counts == {"images": 5.0}
    broken = replace(job, payload=Sealed(b"no pickle"))
    assert "UnpicklingError" in (attempt(echo, broken).error or "")


def test_a_child_does_jobs_and_its_end_is_told():
    with Child(sealed(echo)) as child:
        assert child.listen() is None and child.ready
        child.give(Job(key="k", group="g", cost=1.0, payload=5))
        assert child.listen().counts == {"images": 5}
        child.give(Job(key="k", group="g", cost=1.0, payload="exit"))
        with pytest.raises(ChildDied, match="exit code 3"):
            child.listen()


def test_work_that_only_this_process_knows_is_refused():
    with pytest.raises(FleetError, match="importable by name"):
        sealed(lambda job: None)
    with pytest.raises(FleetError, match="script that is run"):
        sealed(partial(echo, "__main__"))
