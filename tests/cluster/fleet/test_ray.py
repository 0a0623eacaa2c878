"""What only Ray can show, on one cluster: builds, metrics, DDP, tuning, and a siege of its own."""

import contextlib
import os
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from cluster.fleet.groups import run_on_ray
from cluster.fleet.job import Job, Placement
from dass.predictor.meta import MetaConfig
from dass.registry.registry import Registry
from dass.store.store import Store
from jobs.build import build, jobs_of, teach_together
from jobs.planning.plan import plan_teachers
from serve.runs import Runs
from tests.chaos import faults
from tests.jobs.test_jobs import labels, planned, tiny, train_config
from tests.support.work import marks, meet, visible

pytestmark = [pytest.mark.ray, pytest.mark.filterwarnings("default")]


@pytest.fixture(scope="module")
def built(cluster, tmp_path_factory):
    """A tiny build by the cluster."""
    config = tiny(tmp_path_factory.mktemp("store"), engine="ray")
    build(config)
    return config


def test_a_build_by_the_cluster_publishes_what_one_process_does(built, tmp_path):
    inline = tiny(tmp_path)
    build(inline)
    ours, theirs = labels(built.store), labels(inline.store)
    assert ours.keys() == theirs.keys() == planned(inline)
    assert ours == theirs, "bit for bit: a worker has one thread, as this process has"


def scraped(cluster):
    import ray

    texts = []
    for node in ray.nodes():
        if node["Alive"]:
            url = f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics"
            with urllib.request.urlopen(url, timeout=5) as answer:
                texts.append(answer.read().decode())
    return "\n".join(texts)


def test_the_metrics_endpoint_counts_what_was_done(built, cluster):
    deadline = time.monotonic() + 120
    wanted = ("ray_dass_jobs_done", "ray_dass_job_seconds_bucket", "ray_dass_images")
    while time.monotonic() < deadline:
        text = scraped(cluster)
        if all(name in text for name in wanted):
            break
        time.sleep(2)
    lines = [line for line in text.splitlines() if line.startswith("ray_dass_jobs_done")]
    done = {
        kind: sum(float(line.split()[-1]) for line in lines if f'kind="{kind}"' in line)
        for kind in ("teacher", "student")
    }
    assert done["teacher"] >= 3 and done["student"] >= 18, lines
    assert all(name in text for name in wanted)


def test_students_that_share_accelerators_see_one_each_and_use_all(cluster, tmp_path):
    store = Store(str(tmp_path))
    jobs = [Job(key=f"k{i}", group="g", cost=1.0, payload=store.root) for i in range(12)]
    outcome = run_on_ray(jobs, visible, placement=Placement(cpus=0.25, gpus=0.5))
    assert outcome.done == 12
    seen = {key.split("/")[-1] for key in store.list("seen")}
    assert seen == {"0", "1"}


def test_two_workers_train_a_teacher_as_well_as_one(cluster, tmp_path):
    config = tiny(tmp_path, engine="ray")
    recipe = replace(config.teacher, epochs=12)
    config = replace(config, splits=config.splits[:1], teacher=recipe)
    alone = []
    for seed in range(4):
        inline = replace(config, engine="inline", store=str(tmp_path / f"s{seed}"), teachers=1)
        ((plan, _),) = plan_teachers(inline)
        from jobs.planning.worker import Worker

        Worker(Store(inline.store), "cpu", "data").teach(replace(plan, seed=seed))
        (name,) = Registry(Store(inline.store)).teachers()
        alone.append(Registry(Store(inline.store)).teacher(name).accuracy)
    together = replace(config, teacher_workers=2)
    assert teach_together(together, jobs_of(together)[0]) == []
    registry = Registry(Store(config.store))
    (name,) = registry.teachers()
    spread = max(0.02, float(np.std(alone, ddof=1)))
    assert registry.teacher(name).accuracy >= np.mean(alone) - 3 * spread
    assert registry.checkpoint(name) is None


@contextlib.contextmanager
def watched(where):
    """Give what the service tells of a tune on a store, as it changes while the block runs."""
    seen, over, runs = [], threading.Event(), Runs(Store(where))

    def look():
        for run in runs.all().runs:
            told = run.model_copy(update={"age_seconds": 0.0})
            if run.kind == "tune" and (not seen or seen[-1] != told):
                seen.append(told)

    def watch():
        while not over.wait(0.2):
            look()

    with ThreadPoolExecutor(1) as threads:
        watching = threads.submit(watch)
        try:
            yield seen
        finally:
            over.set()
            watching.result()
            look()


def test_tuning_publishes_the_best_trials_and_the_same_line_goes_on(built, cluster, monkeypatch):
    from jobs import status
    from jobs.tune import TuneConfig, tune_predictor

    monkeypatch.setattr(status, "EVERY_S", 0.0)  # these trials are over before the next word
    base = replace(train_config(built, name="tuned"), members=1)
    meta = MetaConfig(episodes=4, queries=6, validate_every=2)
    config = TuneConfig(train=replace(base, meta=meta), trials=2, keep=2, cpus_per_trial=0.5)
    with watched(built.store) as seen:
        _, card, page = tune_predictor(config)
    assert {(run.state, run.total) for run in seen} >= {("running", 2), ("ended", 2)}
    working = [run for run in seen if run.running and run.done < 2]
    assert working and working[0].running[0].startswith("trial "), "while it works"
    last = seen[-1]
    assert (last.state, last.done, last.failed, last.fraction) == ("ended", 2, 0, 1.0)
    assert last.line.startswith("2/2 trials") and last.cost[0].hours > 0
    registry = Registry(Store(built.store))
    ensemble, _ = registry.predictor("tuned", space="micro")
    assert len(ensemble.members) == 2 and card["trials"] == 2
    assert os.path.exists(page) and os.path.exists(page.replace(".html", ".csv"))
    _, again, _ = tune_predictor(config)
    assert again["chosen"] == card["chosen"]
    (told,) = (run for run in Runs(registry.store).all().runs if run.kind == "tune")
    assert (told.state, told.done) == ("ended", 2) and told.seconds >= last.seconds
    assert told.cost == last.cost, "what was done before costs nothing again"


def test_a_fleet_under_siege_loses_nothing_and_does_nothing_twice(cluster):
    """On the head and one more node, which is taken away while it works."""
    words = ["--fated", "5", "--jobs", "60", "--seconds", "0.4", "--nodes", "1"]
    kinds = ["child", "store", "queue", "full", "node"]
    run, code, found = faults.siege(faults.parse(words), cluster, kinds)
    assert code == 1, "one job is made to fail"
    assert found["lost"] == found["twice"] == 0
    assert found["records"] == 59 and sum(map(len, run.cost.values())) == len(kinds)


def test_workers_with_lanes_have_several_jobs_in_hand_and_survive_their_processes(
    cluster, tmp_path
):
    fates = [*[""] * 6, "kill", "kill worker", *[""] * 12]
    jobs = [
        Job(key=f"k{i:02d}", group="g", cost=float(-i + 99), payload=(str(tmp_path), 3, 2, fate))
        for i, fate in enumerate(fates)
    ]
    # None can end before two processes have three in hand each.
    outcome = run_on_ray(jobs, meet, placement=Placement(cpus=0.25, gpus=1, lanes=3), retries=1)
    assert (outcome.done, outcome.failed) == (len(jobs), ())
    assert marks(tmp_path / "done") == sorted(job.key for job in jobs)
    assert marks(tmp_path / "fates") == ["k06", "k07"], "both were killed"
    assert len(marks(tmp_path / "here")) > 2, "and others came in their place"
