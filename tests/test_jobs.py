"""The jobs as a user runs them: resumed after a kill, in an environment without Ray."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from cluster.storage import Store
from dass.errors import CorruptArtifact, UnknownName
from dass.meta import MetaConfig
from dass.search import SearchConfig
from jobs import recipes
from jobs.adopt import AdoptConfig, take
from jobs.build import SplitPlan, build, plan_students, plan_teachers
from jobs.distill import DistillConfig, distil
from jobs.library import Library
from jobs.search import SearchJobConfig, find
from jobs.train import train_predictor

ROOT = Path(__file__).parents[1]


def tiny(store, **changes):
    """Three tasks of few students, in this process."""
    base = recipes.micro_build()
    few = {"train_per_class": 8, "validation_per_class": 40, "flip": False}
    return replace(
        base,
        store=str(store),
        splits=(
            SplitPlan(role="train", only=("0", "1", "2"), **few),
            SplitPlan(role="validation", only=("4", "5", "6"), **few),
            SplitPlan(role="unseen", only=("7", "8", "9"), **few),
        ),
        pool=6,
        own=2,
        seeds=1,
        teacher=replace(base.teacher, epochs=6),
        student=replace(base.student, epochs=2),
        workers=1,
        **changes,
    )


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    config = tiny(tmp_path_factory.mktemp("store"))
    build(config)
    return config


def planned(config):
    teachers = [plan for plan, _ in plan_teachers(config)]
    return {plan.identity.key for plan in plan_students(config, teachers)}


def test_every_planned_student_has_one_record_that_pandas_reads(built):
    assert Library(Store(built.store)).record_keys() == planned(built)
    frame = pd.read_parquet(f"{built.store}/records")
    assert sorted(frame["key"]) == sorted(planned(built))
    assert frame["test_accuracy"].between(0, 1).all()


def test_labels_are_the_same_bit_for_bit_in_another_store(built, tmp_path):
    again = tiny(tmp_path)
    again = replace(again, splits=again.splits[:1])
    build(again)
    known = {r.key: r for r in Library(Store(built.store)).records()}
    for record in Library(Store(again.store)).records():
        twin = known[record.key]
        assert record.validation_accuracy == twin.validation_accuracy
        assert record.test_accuracy == twin.test_accuracy


def train_config(built, name="predictor"):
    return replace(
        recipes.micro_train(),
        store=built.store,
        name=name,
        members=2,
        meta=MetaConfig(episodes=10, queries=6, validate_every=5),
    )


def test_changing_test_accuracies_changes_no_weight_and_no_prediction(built):
    ensemble, _ = train_predictor(train_config(built, "honest"))
    library = Library(Store(built.store))
    honest = library.records()
    for record in honest:
        library.put_record(replace(record, test_accuracy=1 - record.test_accuracy))
    other, _ = train_predictor(train_config(built, "swapped"))
    for record in honest:
        library.put_record(record)
    for ours, theirs in zip(ensemble.members, other.members, strict=True):
        for name, tensor in ours.state_dict().items():
            assert tensor.equal(theirs.state_dict()[name])


def test_the_story_runs_from_records_to_an_exported_student(built):
    train_predictor(train_config(built))
    library = Library(Store(built.store))
    name = next(t for t in library.teachers() if plan_teachers(built)[2][0].name == t)
    answer, _ = find(
        SearchJobConfig(
            store=built.store,
            teacher=name,
            max_flops_share=0.5,
            search=SearchConfig(candidates=60, generation=20),
        )
    )
    best = answer.top[0]
    assert best.uncertainty is not None
    config = DistillConfig(
        store=built.store,
        teacher=name,
        architecture=str(best.architecture),
        recipe=built.student,
        seed=7,
    )
    record, where = distil(config)
    files = {path.name for path in Path(where).iterdir()}
    assert files == {"config.json", "weights.safetensors", "model.onnx"}
    assert distil(config)[0] == record
    adopted = take(
        AdoptConfig(
            store=built.store,
            space="micro",
            weights=f"{built.store}/teachers/{name}/weights.safetensors",
            split=built.splits[2],
        )
    )
    assert adopted.accuracy == library.teacher(name).accuracy


def test_an_own_teacher_that_does_not_fit_is_told_the_expected_shapes(built, tmp_path):
    path = tmp_path / "pickle.safetensors"
    path.write_bytes(b"\x80\x02}q\x00.")
    with pytest.raises(CorruptArtifact, match="pickle"):
        take(AdoptConfig(store=built.store, space="micro", weights=str(path)))


def test_an_unknown_teacher_is_answered_with_the_known_ones(built):
    known = Library(Store(built.store)).teachers()[0]
    with pytest.raises(UnknownName, match=known):
        find(SearchJobConfig(store=built.store, teacher="nobody"))


NO_RAY = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name == "ray" or name.startswith("ray."):
            raise ImportError("Ray is not installed here")
sys.meta_path.insert(0, Blocker())
"""

TINY = NO_RAY + (
    """
if __name__ == "__main__":
    from dataclasses import replace
    from pathlib import Path
    from jobs.build import build
    from tests.test_jobs import tiny
    build(replace(tiny(Path(sys.argv[1])), workers=int(sys.argv[2])))
"""
)


def start(script, store, *, workers):
    return subprocess.Popen(
        [sys.executable, str(script), str(store), str(workers)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_a_build_without_ray_that_is_killed_resumes_to_the_same_records(built, tmp_path):
    script, store = tmp_path / "run.py", tmp_path / "store"
    script.write_text(TINY)
    process = start(script, store, workers=2)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if len(list((store / "records").glob("*.parquet"))) >= 3:
            break
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    before = set((store / "records").glob("*.parquet"))
    again = start(script, store, workers=1)
    output, _ = again.communicate(timeout=240)
    assert again.returncode == 0, output
    after = set((store / "records").glob("*.parquet"))
    assert before <= after
    assert {path.stem for path in after} == planned(tiny(store)) == planned(built)
