"""The jobs as a user runs them: one line, killed, run again; and the story from end to end."""

import json
import os
import pickle
import runpy
import shlex
import shutil
import signal
import sys
import time
import warnings
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path

import onnx
import pandas as pd
import pytest
import torch

import jobs.planning.worker
from cluster.fleet.watch import Node, staffed
from dass.data.task import Split, TaskConfig, load_task
from dass.errors import (
    CorruptArtifact,
    DassError,
    InvalidArchitecture,
    InvalidConfig,
    InvalidData,
    UnknownName,
)
from dass.networks.onnx import run_onnx
from dass.predictor.meta import MetaConfig
from dass.predictor.network_config import PredictorShape
from dass.predictor.records import from_frame, mean_over_seeds
from dass.registry.registry import Registry
from dass.searching.evolution import SearchConfig
from dass.searching.prediction import predictions
from dass.store.store import Store
from jobs.adopt import AdoptConfig, take
from jobs.build import build, placement
from jobs.distill import DistillConfig, distil
from jobs.planning.labels import gather
from jobs.planning.plan import SplitPlan, StudentPlan, plan_students, plan_teachers
from jobs.planning.worker import Worker
from jobs.presets import micro
from jobs.search import SearchJobConfig, find
from jobs.train import train_predictor

JOBS = ("adopt", "build", "distill", "quickstart", "search", "train")

SIZES = ("--pool=2", "--per-task=0", "--seeds=1", "--teacher.epochs=2", "--student.epochs=5")
"""Nine teachers and 18 students of the micro recipe, each a fraction of a second."""


def line(job, *arguments):
    """Run a job's command line in this process, as `python -m` does; return its exit code."""
    former, sys.argv = sys.argv, [f"jobs/{job}.py", *map(str, arguments)]
    try:
        with warnings.catch_warnings():
            # The module is imported already, which runpy warns of.
            warnings.simplefilter("ignore", RuntimeWarning)
            runpy.run_module(f"jobs.{job}", run_name="__main__")
    except SystemExit as end:
        return end.code
    finally:
        sys.argv = former
    return 0


def tiny(store, **changes):
    """Three tasks of few students, in this process."""
    base = micro.build()
    few = TaskConfig(source="digits", train_per_class=8, validation_per_class=40, flip=False)
    return replace(
        base,
        store=str(store),
        splits=(
            SplitPlan(role="train", task=replace(few, only=("0", "1", "2"))),
            SplitPlan(role="validation", task=replace(few, only=("4", "5", "6"))),
            SplitPlan(role="unseen", task=replace(few, only=("7", "8", "9"))),
        ),
        pool=5,
        per_task=1,
        seeds=1,
        teacher=replace(base.teacher, epochs=6),
        student=replace(base.student, epochs=2),
        workers=1,
        **changes,
    )


def planned(config):
    teachers = [plan for plan, _ in plan_teachers(config)]
    return {plan.identity.key for plan in plan_students(config, teachers)}


def labels(store):
    """Return what does not depend on clock and machine of every record, by key."""
    records = Registry(Store(str(store))).records()
    return {record.key: replace(record, seconds=0.0) for record in records}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    config = tiny(tmp_path_factory.mktemp("store"))
    build(config)
    return config


@pytest.fixture(scope="module")
def unseen(built):
    """Name of the teacher of the unseen task."""
    return next(plan.name for plan, role in plan_teachers(built) if role == "unseen")


def test_a_gpu_of_the_cluster_has_one_worker_with_as_many_students_as_asked(tmp_path):
    config = tiny(tmp_path, engine="ray", device="cuda", workers_per_gpu=6, cpus_per_worker=2.0)
    node, place = Node("n", {"CPU": 16.0, "GPU": 2.0}), placement(config)
    assert staffed([node], {}, placement=place, open_jobs=100) == [("n", 2)]
    assert staffed([node], {}, placement=place, open_jobs=6) == [("n", 1)]
    on_cores = placement(replace(config, device="cpu"))
    assert staffed([node], {}, placement=on_cores, open_jobs=100) == [("n", 8)]


def train_config(config, name="predictor"):
    return replace(
        micro.train(),
        store=config.store,
        name=name,
        members=2,
        shape=PredictorShape(scale="relative", hidden=8, features=8, describe=True),
        meta=MetaConfig(episodes=6, queries=6, validate_every=3),
    )


@pytest.fixture(scope="module")
def trained(built):
    """The ensemble of the store, and its card."""
    return train_predictor(train_config(built))


# the plan and its records


def test_a_plan_is_the_same_twice_and_names_no_student_twice(built):
    teachers = [plan for plan, _ in plan_teachers(built)]
    plans = plan_students(built, teachers)
    assert plans == plan_students(built, teachers)
    assert len({plan.identity.key for plan in plans}) == len(plans)
    pools = [{str(p.architecture) for p in plans if p.teacher == t.name} for t in teachers]
    assert len(set.intersection(*pools)) >= built.pool, "every task labels the same pool"


def test_a_larger_plan_keeps_the_records_of_a_smaller_one(built):
    more = replace(built, pool=built.pool + 2, seeds=2)
    assert planned(built) < planned(more)


def test_every_planned_student_has_one_record_that_pandas_alone_reads(built):
    assert Registry(Store(built.store)).record_keys() == planned(built)
    frame = pd.read_parquet(f"{built.store}/records")
    assert sorted(frame["key"]) == sorted(planned(built))
    assert {record.key for record in from_frame(frame)} == planned(built)
    for name in ("validation_accuracy", "test_accuracy"):
        assert frame[name].between(0, 1).all()
    # Fractions of whole numbers of images: every image counts.
    for part in ("validation", "test"):
        hits = frame[f"{part}_accuracy"] * frame[f"{part}_images"]
        assert (hits - hits.round()).abs().max() < 1e-6
    assert (frame["validation_images"] == 120).all()


def test_a_second_run_trains_nothing(built, monkeypatch, capsys):
    def refuse(*_, **__):
        raise AssertionError("nothing is left to train")

    monkeypatch.setattr(jobs.planning.worker, "train", refuse)
    build(built)
    students = len(planned(built))
    assert f"students: {students} planned, {students} in the store" in capsys.readouterr().out


def test_a_record_that_is_lost_is_made_again_bit_for_bit(built):
    before = labels(built.store)
    lost = sorted(before)[2]
    (Path(built.store) / "records" / f"{lost}.parquet").unlink()
    build(built)
    assert labels(built.store) == before


def test_another_store_gets_the_same_teacher_and_labels_bit_for_bit(built, tmp_path):
    again = replace(tiny(tmp_path), splits=built.splits[:1])
    build(again)
    known, found = labels(built.store), labels(tmp_path)
    assert found and all(known[key] == record for key, record in found.items())
    (name,) = Registry(Store(again.store)).teachers()
    one, two = (Registry(Store(c.store)).teacher(name).network for c in (built, again))
    assert all(t.equal(two.state_dict()[n]) for n, t in one.state_dict().items())


def test_a_training_that_fails_leaves_the_others_published(tmp_path, monkeypatch):
    config = replace(tiny(tmp_path, retries=0), splits=tiny(tmp_path).splits[:1])
    victim = plan_students(config, [p for p, _ in plan_teachers(config)])[1]
    real = Worker.distil

    def sometimes(self, plan):
        if plan == victim:
            raise RuntimeError("out of luck")
        return real(self, plan)

    monkeypatch.setattr(Worker, "distil", sometimes)
    with pytest.raises(DassError, match=r"1 failed.*\n.*out of luck"):
        build(config)
    assert set(labels(tmp_path)) == planned(config) - {victim.identity.key}


# stopped and resumed


def forked(job, *arguments):
    """Run a job's command line in a process group of its own; return the group.

    A fork of this process has imported everything; its workers start afresh all the same.
    """
    with warnings.catch_warnings():
        # Python 3.12 warns of threads; here the child only starts processes and waits.
        warnings.simplefilter("ignore", DeprecationWarning)
        process = os.fork()
    if process == 0:
        try:
            os.setsid()
            line(job, *arguments)
        finally:
            os._exit(0)
    return process


def members_of(group):
    """Return the processes of a process group that are alive (Linux)."""
    alive = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            alive.append(int(status.parent.name))
    return alive


def wait_until(condition, *, seconds):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def test_a_build_killed_half_way_and_run_again_ends_as_if_never_stopped(tmp_path, capsys):
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    assert line("build", "micro", "--store", whole, "--workers", 1, *SIZES) == 0
    # The teachers come from there, so that the kill falls among the students.
    shutil.copytree(whole / "teachers", killed / "teachers")
    group = forked("build", "micro", "--store", killed, "--workers", 2, *SIZES)

    def records():
        return set((killed / "records").glob("*.parquet"))

    try:
        assert wait_until(lambda: len(records()) >= 3, seconds=120)
    finally:
        os.kill(group, signal.SIGKILL)
        os.waitpid(group, 0)
    assert wait_until(lambda: not members_of(group), seconds=60), "no worker outlives it"
    before = records()
    assert 3 <= len(before) < 18
    contents = {path: path.read_bytes() for path in before}
    capsys.readouterr()
    assert line("build", "micro", "--store", killed, "--workers", 1, *SIZES) == 0
    output = capsys.readouterr().out
    assert f"students: 18 planned, {len(before)} in the store" in output
    assert all(path.read_bytes() == data for path, data in contents.items())
    assert len(labels(whole)) == 18 and labels(killed) == labels(whole)
    assert not list((killed / "checkpoints").glob("*"))


def first_student(config):
    return plan_students(config, [plan for plan, _ in plan_teachers(config)])[0]


def stop_after(epochs, seen):
    """Return `train`, cut off after some epochs; `seen` gets the state it started from."""
    real = jobs.planning.worker.train

    def cut(*arguments, state, **settings):
        seen.append(state)
        for number, epoch in enumerate(real(*arguments, state=state, **settings)):
            if number == epochs:
                raise KeyboardInterrupt
            yield epoch

    return cut


def test_a_student_stopped_in_training_goes_on_from_its_checkpoint(built, monkeypatch):
    plan = replace(first_student(built), seed=77, recipe=replace(built.student, epochs=4))
    registry = Registry(Store(built.store))
    worker = Worker(registry.store, "cpu", built.data_root)
    unbroken, record = worker.distil(plan)
    registry.store.delete(f"records/{record.key}.parquet")
    seen = []
    with monkeypatch.context() as patch:
        patch.setattr(jobs.planning.worker, "CHECKPOINT_EVERY_S", -1.0)
        patch.setattr(jobs.planning.worker, "train", stop_after(2, seen))
        with pytest.raises(KeyboardInterrupt):
            worker.distil(plan)
    assert int(registry.checkpoint(record.key)["epoch"]) == 2
    monkeypatch.setattr(jobs.planning.worker, "train", stop_after(9, seen))
    network, again = worker.distil(plan)
    registry.store.delete(f"records/{record.key}.parquet")
    assert seen[0] is None and int(seen[1]["epoch"]) == 2
    assert replace(again, seconds=0.0) == replace(record, seconds=0.0)
    assert all(t.equal(network.state_dict()[n]) for n, t in unbroken.state_dict().items())
    assert registry.checkpoint(record.key) is None


def test_a_student_stopped_after_its_last_checkpoint_is_only_measured(built, monkeypatch):
    plan = replace(first_student(built), seed=78)
    registry = Registry(Store(built.store))
    worker = Worker(registry.store, "cpu", built.data_root)
    monkeypatch.setattr(jobs.planning.worker, "CHECKPOINT_EVERY_S", -1.0)
    with monkeypatch.context() as patch:
        patch.setattr(Registry, "drop_checkpoint", lambda *_: None)
        _, record = worker.distil(plan)
    assert int(registry.checkpoint(record.key)["epoch"]) == plan.recipe.epochs
    _, again = worker.distil(plan)
    registry.store.delete(f"records/{record.key}.parquet")
    assert replace(again, seconds=0.0) == replace(record, seconds=0.0)


# from records to a predictor


def test_changing_test_labels_changes_no_weight_and_no_prediction(
    built, trained, unseen, tmp_path, monkeypatch
):
    """Everything is built anew from tasks whose test labels are wrong."""

    def wrong(*arguments, **settings):
        task = load_task(*arguments, **settings)
        labels = (task.test.labels + 1) % task.num_classes
        return replace(task, test=Split(task.test.images, labels))

    swapped = tiny(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(jobs.planning.worker, "load_task", wrong)
        jobs.planning.worker._shelf.cache_clear()
        build(swapped)
    jobs.planning.worker._shelf.cache_clear()
    honest, other = labels(built.store), labels(tmp_path)
    assert honest.keys() == other.keys()
    assert all(other[k].test_accuracy != honest[k].test_accuracy for k in honest)
    reported = ("test_accuracy", "test_half_accuracy")
    assert all(
        other[k] == replace(r, **{name: getattr(other[k], name) for name in reported})
        for k, r in honest.items()
    )
    ours, card = trained
    theirs, swapped_card = train_predictor(train_config(swapped))
    for one, two in zip(ours.members, theirs.members, strict=True):
        assert all(t.equal(two.state_dict()[n]) for n, t in one.state_dict().items())
    assert card["validation_spearman"] == swapped_card["validation_spearman"]
    teachers = [Registry(Store(c.store)).teacher(unseen) for c in (built, swapped)]
    assert teachers[0].test_accuracy != teachers[1].test_accuracy
    asked = teachers[0].network.space.sample(5, generator=torch.Generator().manual_seed(0))
    assert predictions(ours, teachers[0], asked) == predictions(theirs, teachers[1], asked)


def test_a_predictor_comes_back_from_the_store_with_its_card(built, trained):
    ensemble, card = trained
    read, read_card = Registry(Store(built.store)).predictor("predictor", space="micro")
    assert read_card == json.loads(json.dumps(card))
    for one, two in zip(ensemble.members, read.members, strict=True):
        assert all(t.equal(two.state_dict()[n]) for n, t in one.state_dict().items())
    assert set(card["validation_spearman"]) > {"predictor", "FLOPs", "mean rank"}
    assert len(card["train_teachers"]) == len(card["validation_teachers"]) == 1


def test_trainings_of_one_architecture_are_averaged(built):
    records = Registry(Store(built.store)).records()[:2]
    twins = [replace(records[0], seed=i, validation_accuracy=0.1 * (i + 1)) for i in range(3)]
    merged = mean_over_seeds([*twins, replace(records[0], architecture="4_8_32")])
    assert len(merged) == 2
    (mean,) = [r for r in merged if r.architecture == records[0].architecture]
    assert mean.validation_accuracy == pytest.approx(0.2)


def test_records_of_several_recipes_must_be_told_apart(built, tmp_path):
    registry = Registry(Store(str(tmp_path)))
    for record in Registry(Store(built.store)).records()[:2]:
        registry.put_record(record)
        registry.put_record(replace(record, recipe="other"))
    with pytest.raises(InvalidData, match=rf"\['{built.student.name}', 'other'\]"):
        gather(registry, space="micro", recipe=None, device="cpu")


# the story, and its words


def test_the_story_runs_from_the_predictor_to_an_exported_student(built, trained, unseen, capsys):
    store = built.store
    asked = ("--store", store, "--teacher", unseen, "--search.candidates", 60)
    assert line("search", "micro", *asked, "--max-flops-share", 0.5) == 0
    output = capsys.readouterr().out
    assert output.startswith("preset micro, but store = "), "what differs comes first"
    where = Path(next(s[8:] for s in output.splitlines() if s.startswith("result: ")))
    ranking = json.loads(where.read_text())
    best = ranking["top"][0]
    assert best["uncertainty"] is not None and best["flops"] <= ranking["budget"]["max_flops"]
    program, verb, *words = shlex.split(output.splitlines()[-1].removeprefix("next:   "))
    assert (program, verb) == ("dass", "distill")
    assert line(verb, *words) == 0, "the line works as it is pasted"
    output = capsys.readouterr().out
    folder = Path(next(s[8:] for s in output.splitlines() if s.startswith("result: ")))
    files = {path.name for path in folder.iterdir()}
    assert files == {"config.json", "job.json", "weights.safetensors", "model.onnx"}
    facts = json.loads((folder / "config.json").read_text())
    assert facts["architecture"] == best["architecture"] and facts["teacher"] == unseen
    assert facts["recipe"] == built.student.name, "as it was predicted"


def test_an_exported_student_tells_twice_how_it_is_used(built, unseen):
    config = DistillConfig(
        store=built.store, teacher=unseen, architecture="4_8_32", recipe=built.student, seed=10
    )
    record, where = distil(config)
    manifest = json.loads(Path(where, "config.json").read_text())
    model = onnx.load(str(Path(where, "model.onnx")))
    told = {entry.key: entry.value for entry in model.metadata_props}
    expected = {
        "image_size": 8,
        "mean": [0.5] * 3,
        "std": [0.5] * 3,
        "channel_order": "RGB",
        "layout": "NCHW",
        "value_range": [0.0, 1.0],
        "class_names": ["7", "8", "9"],
        "teacher": unseen,
        "recipe": built.student.name,
        "version": version("dass-ray"),
        "test_accuracy": record.test_accuracy,
    }
    assert {name: manifest[name] for name in expected} == expected
    texts = {n: v if isinstance(v, str) else json.dumps(v) for n, v in expected.items()}
    assert {name: told[name] for name in expected} == texts
    promised = {"format", "kind", "space", "architecture", "num_classes", *asdict(record)}
    assert promised < manifest.keys(), "no name that was there is gone"
    task = load_task(built.splits[2].task, image_size=8)
    pixels = (task.test.images.float() / 255 - 0.5) / 0.5
    logits = run_onnx(Path(where, "model.onnx").read_bytes(), pixels)
    right = (logits.argmax(1) == task.test.labels).float().mean()
    assert float(right) == pytest.approx(record.test_accuracy)
    Store(built.store).delete(f"records/{record.key}.parquet")


def test_a_student_distilled_twice_is_trained_once(built, unseen, monkeypatch):
    config = DistillConfig(
        store=built.store, teacher=unseen, architecture="4_8_32", recipe=built.student, seed=9
    )
    record, where = distil(config)
    monkeypatch.setattr(Worker, "distil", None)
    assert distil(config) == (record, where)
    Store(built.store).delete(f"records/{record.key}.parquet")


def test_a_search_adapts_on_measured_students_only_when_asked(built, trained, unseen):
    config = SearchJobConfig(
        store=built.store,
        teacher=unseen,
        search=SearchConfig(candidates=20, generation=20),
    )
    plain, _ = find(config)
    measured, _ = find(replace(config, measured=True))
    scores = [{p.architecture: p.accuracy for p in a.pareto} for a in (plain, measured)]
    assert plain.scored == measured.scored == 20 and scores[0] != scores[1]


def test_an_own_teacher_is_adopted_with_the_accuracy_it_has(built, unseen, capsys):
    registry = Registry(Store(built.store))
    weights = f"{built.store}/teachers/{unseen}/weights.safetensors"
    config = AdoptConfig(
        store=built.store, space="micro", weights=weights, task=built.splits[2].task
    )
    adopted = take(config)
    assert adopted.accuracy == registry.teacher(unseen).accuracy
    again = registry.teacher(adopted.name)
    state = again.network.state_dict()
    known = registry.teacher(unseen).network.state_dict()
    assert all(t.equal(state[n]) for n, t in known.items())


def test_an_own_teacher_that_does_not_fit_is_told_the_expected_shapes(built, tmp_path):
    weights = next(Path(built.store, "teachers").glob("*/weights.safetensors"))
    two = AdoptConfig(
        store=str(tmp_path / "s"),
        space="micro",
        weights=str(weights),
        task=TaskConfig(source="digits", only=("0", "1"), train_per_class=4),
    )
    with pytest.raises(CorruptArtifact, match=r"fc\.weight must be \(2, 32\) but is \(3, 32\)"):
        take(two)
    path = tmp_path / "pickle.safetensors"
    path.write_bytes(b"\x80\x02}q\x00.")
    with pytest.raises(CorruptArtifact, match="pickle"):
        take(replace(two, weights=str(path)))
    with pytest.raises(InvalidConfig, match="must be a safetensors file, but got ''"):
        take(replace(two, weights=""))
    assert not Registry(Store(two.store)).teachers()


@pytest.mark.parametrize("name", ["nobody", "", "no/../body", "no body"])
def test_an_unknown_teacher_is_answered_with_the_known_ones(name, built):
    known = Registry(Store(built.store)).teachers()[0]
    with pytest.raises(UnknownName, match=known):
        find(SearchJobConfig(store=built.store, teacher=name))


def test_a_student_outside_the_space_is_refused(built, unseen):
    config = DistillConfig(store=built.store, teacher=unseen, architecture="4_8_31")
    with pytest.raises(InvalidArchitecture, match="widths of stage 3"):
        distil(config)


WRONG = {
    "build": (("--source", "no-such-images"), "no-such-images"),
    "train": (("--recipe", "none"), "tasks to train on"),
    "search": (("--teacher", "nobody"), "none yet, but got 'nobody'"),
    "distill": (("--teacher", ""), "none yet, but got ''"),
    "adopt": (("--weights", "nowhere"), "safetensors file, but got 'nowhere'"),
}


@pytest.mark.parametrize("job", WRONG)
def test_an_error_is_one_line_and_exit_code_2(job, tmp_path, capsys):
    arguments, words = WRONG[job]
    assert line(job, "micro", "--store", tmp_path / "store", *arguments) == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    kind, text = last.split(": ", 1)
    assert kind in {"UnknownName", "InvalidData", "InvalidConfig"} and words in text


@pytest.mark.parametrize("job", JOBS)
def test_every_job_says_what_it_takes(job, capsys):
    assert line(job, "--help") == 0
    output = capsys.readouterr().out
    assert f"usage: dass {job}" in output and "micro" in output


ON_A_CLUSTER = {
    "adopt": "--entrypoint-num-cpus 1 -- python -m jobs.adopt micro --store s3://... "
    "--weights /data/W.safetensors --source npz:/data/F.npz",
    "build": "-- python -m jobs.build micro --store s3://...",
    "closed_loop": "-- python -m jobs.closed_loop evidence --build.store s3://...",
    "compact": "--entrypoint-num-cpus 1 -- python -m jobs.compact micro --store s3://...",
    "distill": "--entrypoint-num-cpus 1 -- python -m jobs.distill micro --store s3://... "
    "--teacher NAME --architecture A",
    "evaluate": "--entrypoint-num-cpus 1 -- python -m jobs.evaluate evidence --store s3://...",
    "search": "--entrypoint-num-cpus 1 -- python -m jobs.search micro --store s3://... "
    "--teacher NAME",
    "train": "--entrypoint-num-cpus 1 -- python -m jobs.train micro --store s3://...",
    "tune": "-- python -m jobs.tune micro --train.store s3://...",
}
"""How the line ends that submits a job; those that compute in their own process ask for a core."""


@pytest.mark.parametrize("job", ON_A_CLUSTER)
def test_every_jobs_help_shows_the_line_that_submits_it_and_its_options_exist(job, capsys):
    assert line(job, "--help") == 0
    output = capsys.readouterr().out
    (advice,) = [text for text in output.splitlines() if "ray job submit" in text]
    assert advice.endswith(ON_A_CLUSTER[job])
    recipe, *options = ON_A_CLUSTER[job].split(f"jobs.{job} ")[1].split()
    assert line(job, recipe, "--help") == 0
    output = capsys.readouterr().out
    assert [option for option in options if option.startswith("--") and option not in output] == []


@pytest.mark.parametrize("job", ["publish", "quickstart", "prepare"])
def test_a_job_that_writes_to_this_machine_is_not_submitted(job, capsys):
    assert line(job, "--help") == 0
    assert "Not for a cluster" in capsys.readouterr().out


def test_the_runbook_names_every_job_that_is_submitted():
    runbook = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    assert [job for job in ON_A_CLUSTER if f"`dass {job} " not in runbook] == []


def test_a_setting_out_of_range_is_answered_before_anything_runs(tmp_path, capsys):
    assert line("build", "micro", "--store", tmp_path / "s", "--workers", 0) == 2
    assert "`workers` >= 1" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "s").exists()


def test_a_plan_survives_the_way_to_a_worker(built):
    plan = first_student(built)
    assert isinstance(plan, StudentPlan) and pickle.loads(pickle.dumps(plan)) == plan
