"""Virtual nodes on the real queue: nothing is lost, whatever fails, and luck is the seed's."""

from collections import Counter
from dataclasses import replace

import pytest

from cluster.fleet.job import FleetError, Job, Verdict
from cluster.rehearsal.clock import Clock
from cluster.rehearsal.faults import Faults, Luck
from cluster.rehearsal.fleet import Rehearsal
from cluster.rehearsal.ledger import Shape

HARSH = Faults(
    life_min_h=0.02,
    life_max_h=0.3,
    birth_s=60.0,
    raising=0.02,
    device_h=2.0,
    queue_lost_h=(0.1, 0.12),
    head_lost_h=(0.3,),
    head_away_s=100.0,
)
CALM = Faults(
    life_min_h=1e3, life_max_h=1e3, raising=0.0, device_h=1e9, queue_lost_h=(), head_lost_h=()
)


class Naps:
    """Jobs of half a minute, and the set of what was published."""

    def __init__(self):
        self.published, self.cut = Counter(), 0

    def attempt(self, job, luck):
        yield 30.0 * luck.slowness()
        if luck.raises_at() < 1:
            raise ValueError("boom")
        self.published[job.key] += 1

    def cut_off(self, job):
        self.cut += 1


def rehearsed(faults, seed=0, number=400, shape=None, **settings):
    jobs = [Job(key=f"k{i}", group=f"g{i % 7}", cost=float(i % 5)) for i in range(number)]
    naps, clock = Naps(), Clock()
    run = Rehearsal(
        lambda: [job for job in jobs if job.key not in naps.published],
        naps,
        clock=clock,
        shape=shape or Shape(nodes=3, workers=4, devices=2),
        luck=Luck(faults, seed),
        **settings,
    )
    return naps, run.run(), clock.now


@pytest.mark.parametrize("seed", range(8))
def test_every_job_is_done_or_listed_under_every_fault(seed):
    naps, ledger, _ = rehearsed(HARSH, seed)
    failed = {failure.key for failure in ledger.failures}
    assert set(naps.published) | failed == {f"k{i}" for i in range(400)}
    assert not set(naps.published) & failed
    assert ledger.deaths > 3 and naps.cut > 0
    verdicts = Counter(entry.verdict for entry in ledger.entries)
    assert verdicts[Verdict.LOST] > 0 and verdicts[Verdict.DONE] >= 380


def test_an_equal_seed_is_an_equal_run_and_another_one_is_not():
    (first, ledger, now), (again, same, then) = rehearsed(HARSH, 3), rehearsed(HARSH, 3)
    assert (first.published, ledger, now) == (again.published, same, then)
    assert rehearsed(HARSH, 4)[2] != now


def test_without_faults_every_worker_is_busy_and_nothing_is_tried_twice():
    naps, ledger, now = rehearsed(replace(CALM, straggle=0.0))
    assert set(naps.published.values()) == {1} and not naps.cut and not ledger.failures
    assert ledger.working_s == pytest.approx(400 * 30.0)
    rounds = -(-400 // 12)
    assert rounds * 30.0 < now < rounds * 30.0 + 60.0


def test_a_lost_accelerator_retires_its_workers_and_no_job_fails_for_it():
    faults = replace(CALM, device_h=1.0)
    naps, ledger, _ = rehearsed(faults, 1, shape=Shape(nodes=4, workers=4, devices=2))
    assert ledger.retired and not ledger.failures and len(naps.published) == 400
    lost = [entry for entry in ledger.entries if entry.verdict is Verdict.LOST]
    assert 0 < len(lost) <= 2 * len(ledger.retired), "each of its workers meets it once"
    assert all("ECC" in entry.error for entry in lost)


def test_what_workers_hold_survives_the_loss_of_the_queue():
    faults = replace(CALM, queue_lost_h=(0.05,), straggle=0.0)
    naps, ledger, _ = rehearsed(faults)
    assert set(naps.published.values()) == {1}, "nothing was handed out again"
    assert not ledger.failures and len(ledger.entries) == 400


def test_without_any_accelerator_left_the_run_is_given_up_and_says_why():
    with pytest.raises(FleetError, match=r"4 devices are lost: DeviceLost: .*ECC"):
        rehearsed(replace(CALM, device_h=0.01), shape=Shape(nodes=2, workers=4, devices=2))


@pytest.mark.parametrize("wrong", [{"nodes": 0}, {"devices": 5}, {"devices": 3}, {"workers": 0}])
def test_shapes_that_are_none_are_refused(wrong):
    with pytest.raises(ValueError, match=r"nodes >= 1|multiple"):
        Shape(**wrong)
