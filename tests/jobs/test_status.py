"""What is seen from outside: the snapshot, the failures, and records while they are compacted."""

import time

import pandas as pd
import pytest

from cluster.fleet.job import Failure
from cluster.progress import Progress
from dass.errors import UnknownName
from dass.predictor.records import StudentRecord
from dass.registry.registry import Registry
from dass.store.store import Store
from jobs import status


def progress(done=1, busy_s=1800.0):
    return Progress(total=4, done=done, failed=0, running=("a student",), busy_s=busy_s)


def snapshot(store, **changes):
    with status.Snapshot(store, unit="core", share=1.0) as snap:
        snap(progress(**changes))


def test_a_snapshot_tells_how_a_build_stands(tmp_path):
    store = Store(str(tmp_path))
    assert "no build has written" in status.describe(store, time.time())
    with status.Snapshot(store, unit="GPU", share=0.25) as snap:
        snap(progress())
        text = status.describe(store, time.time())
        assert text.startswith("running: 1/4 trainings") and "running: a student" in text
        assert "silent" in status.describe(store, time.time() + 2 * status.STALE_S)
    text = status.describe(store, time.time())
    assert text.startswith("ended") and "0.12 GPU-hours" in text and "0 records" in text


def test_cost_goes_on_where_the_last_run_left_it(tmp_path):
    store = Store(str(tmp_path))
    snapshot(store)
    snapshot(store)
    assert status.read(store)["cost_h"] == {"core": 1.0}


def test_failures_are_kept_until_their_job_is_done(tmp_path):
    store = Store(str(tmp_path))
    failure = Failure(key="k", label="a student", error="ValueError: boom", attempts=2)
    status.put_failures(store, [failure], done={"k", "other"})
    snapshot(store)
    assert "failed:  a student: ValueError: boom" in status.describe(store, time.time())
    status.put_failures(store, [], done={"k"})
    assert "boom" not in status.describe(store, time.time())


def test_the_command_wants_a_store(tmp_path, capsys):
    assert status.main([]) == 2 and "usage" in capsys.readouterr().err
    assert status.main([str(tmp_path)]) == 0 and "no build" in capsys.readouterr().out


# compaction


def record(seed):
    return StudentRecord(
        space="micro",
        task="t",
        teacher="teacher",
        architecture="8_16_32",
        recipe="r",
        seed=seed,
        validation_accuracy=0.5,
        test_accuracy=0.5,
        test_half_accuracy=0.5,
        validation_images=1,
        test_images=1,
        flops=1,
        parameters=1,
        seconds=1.0,
        device="cpu",
    )


def filled(path, seeds):
    registry = Registry(Store(str(path)))
    for seed in seeds:
        registry.put_record(record(seed))
    return registry


def test_compaction_changes_no_record_and_leaves_one_file(tmp_path):
    registry = filled(tmp_path, range(5))
    before, keys = registry.records(), registry.record_keys()
    assert registry.compact_records() == 5
    assert registry.records() == before and registry.record_keys() == keys
    assert len(registry.store.list("records")) == 1
    assert len(pd.read_parquet(tmp_path / "records")) == 5
    assert registry.record(record(3).key) == record(3)
    registry.put_record(record(7))
    assert registry.compact_records() == 6 and len(registry.records()) == 6
    assert registry.compact_records() == 6


def test_at_every_moment_of_a_compaction_every_record_is_seen_once(tmp_path):
    registry = filled(tmp_path, range(4))
    seen = []

    def look():
        seen.append(sorted(r.seed for r in registry.records()))
        frame = pd.read_parquet(tmp_path / "records")
        assert set(frame.seed) == {0, 1, 2, 3} and len(frame) == 8

    registry.compact_records(pause=look)
    assert seen == [[0, 1, 2, 3]]


def test_a_reader_that_listed_before_a_compaction_still_sees_every_record(tmp_path):
    registry = filled(tmp_path, range(3))

    listings = [registry.store.list("records")]

    class Late(Store):
        """A store whose first listing is that of before the compaction."""

        def list(self, prefix=""):
            return listings.pop(0) if listings else super().list(prefix)

    late = Late(registry.store.root)
    registry.compact_records()
    assert [r.seed for r in sorted(Registry(late).records(), key=lambda r: r.seed)] == [0, 1, 2]


def test_a_record_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UnknownName, match="'nothing'"):
        filled(tmp_path, [0]).record("nothing")
