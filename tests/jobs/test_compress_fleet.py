"""`dass compress --workers 2` and `--engine ray`: students trained elsewhere are the same ones."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from cluster.fleet import local
from dass.errors import DassError, StorageError
from dass.pipeline.compression.material import Training
from jobs import compress
from jobs.configs.compress import CompressConfig
from jobs.planning.compressed import CompressionWorker, job_of
from tests.support.compression import fast_order

__all__ = ["fast_order"]
SAME = ("student.safetensors", "config.json", "work/steps/verify.json", "work/steps/distil.json")


@pytest.fixture(scope="module")
def whole(exported, pictures, tmp_path_factory):
    """The config of a compression, done in this process."""
    root = tmp_path_factory.mktemp("fleet")
    half = (0.5, 0.5, 0.5)
    config = CompressConfig(
        teacher=f"onnx:{exported}", data=f"folder:{pictures}", into=str(root / "here"),
        mean=half, std=half, size=8, student_size=(8,), minutes=0.05, verify=3, epochs=2, views=1,
        candidates=30, max_flops_fraction=0.5, flip=False, rivals=True,
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        fast_order.__wrapped__(patch)
        compress.main(config)
    return config


def begun(config, into, **settings):
    """Return the same compression of another folder, which has the plan alone: it is timed."""
    into.joinpath("work").mkdir(parents=True)
    plan = f"{config.into}/work/plan.json"
    into.joinpath("work/plan.json").write_bytes(Path(plan).read_bytes())
    return replace(config, into=str(into), **settings)


def check_same(one, other):
    for name in SAME:
        assert (Path(one.into) / name).read_bytes() == (Path(other.into) / name).read_bytes(), name


def test_processes_train_the_same_student_though_the_driver_is_stopped_half_way(
    whole, tmp_path, monkeypatch
):
    """The driver is gone after a round; the workers' trainings are kept, and not done again."""
    config, calls = begun(whole, tmp_path / "run", workers=2), []

    def last(jobs, *args, **kwargs):
        calls.append(jobs)
        local.run_inline(jobs, *args, **kwargs)
        raise KeyboardInterrupt

    def run(jobs, *args, **kwargs):
        calls.append(jobs)
        return local.run_inline(jobs, *args, **kwargs)

    monkeypatch.setattr(compress, "run_inline", last)
    with pytest.raises(KeyboardInterrupt):
        compress.main(config)
    monkeypatch.setattr(compress, "run_inline", run)
    compress.main(config)
    check_same(whole, config)
    rounds = json.loads((tmp_path / "run/work/steps/verify.json").read_text())["rounds"]
    assert [len(each) for each in calls[: len(rounds)]] == [len(r["students"]) for r in rounds]
    assert {job.payload.role for job in calls[-1]} == {"final"} and len(calls[-1]) > 1
    again = {job.key for jobs in calls[1:] for job in jobs}
    assert not again & {f"short  {each['architecture']} 1" for each in rounds[0]["students"]}


def test_a_folder_that_a_node_does_not_see_is_a_sentence(whole, tmp_path):
    training = Training(part="", architecture="8_16_32", role="short", epochs=1)
    worker = CompressionWorker(replace(whole, into=str(tmp_path / "elsewhere")))
    with pytest.raises(StorageError, match="shared file system"):
        worker(job_of(training, flops=1))
    failing = compress.elsewhere(replace(whole, into=whole.into, workers=2))
    with pytest.raises(DassError, match="every training must end"):
        failing([replace(training, architecture="1_1_1")])


@pytest.mark.ray
@pytest.mark.filterwarnings("default")
def test_a_cluster_trains_the_same_student(whole, tmp_path, cluster):
    """Up to the choice all is done before: each round takes the cluster its workers' start."""
    config = replace(whole, into=str(tmp_path / "run"), engine="ray")
    work, gone = tmp_path / "run" / "work", ("distil", "export", "report")
    shutil.copytree(whole.into, config.into)
    for path in (*work.glob("trainings/final-*"), *(work / f"steps/{name}.json" for name in gone)):
        path.unlink()
    trained = {path.name for path in work.glob("trainings/*")}
    compress.main(config)
    check_same(whole, config)
    finals = {path.name for path in work.glob("trainings/*")} - trained
    assert len(finals) > 1 and all(name.startswith("final-") for name in finals)
