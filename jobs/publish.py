"""Gather what a build made into a folder to ship: one Parquet file, few teachers, predictors.

    python -m jobs.publish evidence

Teachers are those of validation and unseen tasks, in half precision, as all predictors but the
first are; of the meta-training teachers the students' embeddings go along, so that predictors can
be trained on the folder. A file whose content stays the same is not written again. The folder has
the layout of a store, so that every job runs on it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from dass.errors import InvalidData
from dass.evaluation import scoring
from dass.evaluation.left_out import KEPT
from dass.predictor.records import StudentRecord, to_parquet
from dass.registry.artifacts import MANIFEST, WEIGHTS, weights_file
from dass.registry.embeddings import embeddings_of, pack_embeddings
from dass.registry.inherited import KEY
from dass.registry.registry import Registry
from dass.store.store import Store
from jobs import console
from jobs.configs.publish import PublishConfig

RECORDS = "records/records.parquet"
RESULTS = tuple(
    f"evaluations/{name}"
    for name in ("evidence.json", "evidence.md", "closed-loop.json", "left-out.md")
)
MEGABYTE = 2**20


def gather(config: PublishConfig) -> dict[str, bytes]:
    """Return the files to ship, by relative path."""
    store = Store(config.store)
    registry = Registry(store)
    records = [r for r in registry.records() if r.space == config.space]
    if not records:
        raise InvalidData(
            f"{config.store} must have records of space {config.space!r}, but has none; build some"
        )
    files = {RECORDS: to_parquet(records)}
    labelled = {record.task for record in records}
    roles = {n: role for n, role in registry.roles().items() if n in labelled}
    files |= {f"tasks/{name}.json": store.read(f"tasks/{name}.json") for name in roles}
    files |= {key: store.read(key) for key in store.list("recipes")}
    for key in (scoring.SCORES, KEPT.format(name="left-out"), *RESULTS):
        if store.exists(key):
            files[key] = store.read(key)
    inherited = {KEY.format(teacher=record.teacher) for record in records}
    files |= {key: store.read(key) for key in sorted(inherited) if store.exists(key)}
    if config.teachers:
        shown = ("validation", "unseen") if config.weights else ()
        named = {r.teacher for r in records if roles[r.task] in shown}
        for name in sorted(named):
            files |= _halved(store, f"teachers/{name}")
        rest = {r.teacher for r in records} - named
        files |= _embedded(registry, records if config.students else [], rest)
    for name in config.predictors:
        if not registry.has_predictor(name):
            continue
        if name != config.predictors[0]:  # those to compare with
            files |= _halved(store, f"predictors/{name}")
            continue
        for file in (MANIFEST, WEIGHTS):
            files[f"predictors/{name}/{file}"] = store.read(f"predictors/{name}/{file}")
    return files


def _embedded(
    registry: Registry, records: Sequence[StudentRecord], names: Iterable[str]
) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for name in sorted(names):
        labelled = sorted({r.architecture for r in records if r.teacher == name})
        if registry.has_teacher(name):
            packed = pack_embeddings(embeddings_of(registry.teacher(name), labelled))
        else:  # the store was made of shipped files
            packed = pack_embeddings(registry.embeddings(name).of(labelled))
        files |= {f"embeddings/{name}/{file}": data for file, data in packed.items()}
    return files


def _halved(store: Store, prefix: str) -> dict[str, bytes]:
    manifest = store.read(f"{prefix}/{MANIFEST}")
    file = weights_file(json.loads(manifest))
    weights = load_tensors(store.read(f"{prefix}/{file}"))
    halves = {n: t.half() if t.is_floating_point() else t for n, t in weights.items()}
    return {
        f"{prefix}/{MANIFEST}": manifest,
        f"{prefix}/{file}": save_tensors(halves),
    }


def publish(config: PublishConfig) -> tuple[int, int]:
    """Write what changed; return how many files were written and the size of all, in bytes.

    Raises:
        InvalidData: the folder would be larger than allowed; nothing is written.
    """
    files = gather(config)
    size = sum(len(data) for data in files.values())
    if size > config.most_megabytes * MEGABYTE:
        raise InvalidData(
            f"what is shipped must be {config.most_megabytes} MB at most, but is "
            f"{size / MEGABYTE:.1f} MB; ship fewer predictors or teachers"
        )
    written = 0
    for key, data in files.items():
        path = Path(config.into) / key
        if not path.is_file() or path.read_bytes() != data:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            written += 1
    return written, size


def main(config: PublishConfig) -> None:
    """Publish, and say how much."""
    written, size = publish(config)
    print(f"\n{written} files written, {size / MEGABYTE:.1f} MB in all")
    preset = console.comparison_of(config.space)
    console.finish(config.into, next_line=console.line("evaluate", preset, store=config.into))


if __name__ == "__main__":
    from jobs.cli import run_module

    run_module(__file__)
