"""The verbs of the command line: what each is for, its presets, and which options matter to it.

A table. Knows nothing of what a verb does, and imports none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

STORE = "--store s3://..."


@dataclass(frozen=True, kw_only=True, slots=True)
class Verb:
    """A module of `jobs`, its presets, and what it takes on a cluster."""

    does: str
    """What it is for, in a line."""
    presets: Mapping[str, str] = field(default_factory=dict)
    """By name, the function of `jobs.presets` that returns it; there may be none."""
    options: str | None = STORE
    """What it must be told on a cluster; `None` if it is not one for a cluster."""
    cores: int = 1
    """Cores that it computes on itself; 0 if it leaves that to workers."""
    first: tuple[str, ...] = ()
    """Options that everyone needs, as the help lists them first; the rest is advanced."""
    unread: tuple[str, ...] = ()
    """Patterns of options that mean nothing to it: they are not listed, and refused."""
    unread_by: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Further ones, by preset."""
    config: str = ""
    """Where there are no presets, the module and class of what it takes all the same."""


NOWHERE = (
    "*.reader",
    *(f"*teacher.{name}" for name in ("hard-weight", "temperature", "remap", "teacher-logits")),
    "*teacher.views",
)
"""Patterns of options that mean nothing to any verb: of files, and of teachers' own trainings."""

PLANS = ("source", "val", "test", "pool", "per-task", "seeds", "teachers", "seed")
"""Settings of a build that say which teachers and students there are."""

SPACES = ("micro", "small", "paper")
ABLATIONS = ("no-teacher", "no-student", "no-adaptation", "no-description")


def _by_space(verb: str) -> dict[str, str]:
    return {space: f"{space}.{verb}" for space in SPACES}


VERBS = {
    "quickstart": Verb(
        does="the first run: search, distil, compare; `micro` makes the predictor first",
        presets={"fashion": "fashion.quickstart", "micro": "micro.quickstart"},
        options=None,
        first=("contest.fractions", "contest.seeds", "report", "build.store"),
        unread=("contest.search.top",),
        unread_by={
            "fashion": (
                *(f"build.{name}" for name in (*PLANS, "teacher-workers")),
                "build.teacher.*",
            )
        },
    ),
    "build": Verb(
        does="images to teachers to distilled students: the meta-dataset",
        presets=_by_space("build")
        | {"evidence-core": "benchmark.core", "evidence": "benchmark.build"}
        | {"fidelity": "fidelity.build", "domains": "domains.build"}
        | {"family": "family.build", "resolution": "family.resolution"}
        | {"paper-domains": "paper_domains.build"},
        cores=0,
        first=("source", "val", "test", "pool", "per-task", "workers", "device", "store"),
    ),
    "status": Verb(does="how a build stands, from any machine: `dass status STORE`", options=None),
    "compact": Verb(
        does="many small record files to one",
        presets=_by_space("compact"),
        first=("store",),
    ),
    "train": Verb(
        does="records to a predictor and its card",
        presets=_by_space("train")
        | {"evidence": "benchmark.train", "dass": "benchmark.dass"}
        | {"reconstructed": "benchmark.reconstructed", "paper-domains": "paper_domains.train"}
        | {name: f"benchmark.{name.replace('-', '_')}" for name in ABLATIONS},
        first=("store", "name", "members"),
    ),
    "tune": Verb(
        does="the same, its settings searched on Ray Tune",
        presets=_by_space("tune") | {"evidence": "benchmark.tune"},
        options="--train.store s3://...",
        cores=0,
        first=("trials", "keep", "train.store", "train.name"),
        unread=(
            *("train.members", "train.shape.scale", "train.meta.learning-rate"),
            *("train.meta.listwise-weight", "train.meta.weight-decay"),
        ),
    ),
    "convert": Verb(
        does="a checkpoint to safetensors: `dass convert FILE.pth FILE.safetensors`", options=None
    ),
    "adopt": Verb(
        does="a teacher of your own into a store",
        presets=_by_space("adopt"),
        options=f"{STORE} --weights /data/W.safetensors --source npz:/data/F.npz",
        first=("weights", "source", "val", "test", "store"),
    ),
    "latency": Verb(
        does="a device's table of milliseconds, for `dass search --max-latency-ms`",
        presets=_by_space("latency"),
        options=None,
        first=("space", "into", "pack", "measured", "device"),
    ),
    "search": Verb(
        does="predictor and teacher to ranked students; nothing is trained",
        presets=_by_space("search"),
        options=f"{STORE} --teacher NAME",
        first=(
            *("teacher", "max-flops", "max-flops-fraction", "max-parameters"),
            *("max-latency-ms", "latency", "store"),
        ),
    ),
    "distill": Verb(
        does="one student, trained and exported",
        presets=_by_space("distill"),
        options=f"{STORE} --teacher NAME --architecture A",
        first=("teacher", "architecture", "recipe-name", "store"),
    ),
    "compress": Verb(
        does="any teacher and its images to a finished student, with its report",
        options=None,
        first=(
            "teacher",
            "weights",
            "data",
            "into",
            "max-flops",
            "max-flops-fraction",
            "max-parameters",
            "max-latency-ms",
            "latency",
            "minutes",
            "test",
            "teacher-split",
            "balanced",
            "unlabelled",
        ),
        config="jobs.configs.compress.CompressConfig",
    ),
    "evaluate": Verb(
        does="the predictor against every baseline on test tasks",
        presets={"evidence": "benchmark.evaluate", "paper-domains": "paper_domains.evaluate"},
        first=("predictor", "store", "into"),
    ),
    "cross_validate": Verb(
        does="everything fitted anew without each fold of origins, for `evaluate` to show",
        presets={"evidence": "benchmark.cross_validate"}
        | {"paper-domains": "paper_domains.cross_validate"},
        options="--train.store s3://...",
        first=("into", "train.store"),
    ),
    "closed_loop": Verb(
        does="searched students against plain choices, distilled",
        presets={"evidence": "benchmark.closed_loop", "sealed": "benchmark.sealed_loop"},
        options="--build.store s3://...",
        cores=0,
        first=("predictor", "contest.fractions", "contest.seeds", "verify", "build.store"),
        unread=(
            *(f"build.{name}" for name in (*PLANS, "teacher-workers")),
            *("build.splits.*", "build.teacher.*", "contest.search.top"),
        ),
    ),
    "publish": Verb(
        does="records, teachers and predictors into a folder to ship",
        presets={"evidence": "benchmark.publish", "paper-domains": "paper_domains.publish"},
        options=None,
        first=("store", "into"),
    ),
    "prepare": Verb(
        does="a store for the service: a predictor and a teacher",
        presets={"micro": "micro.prepare"},
        options=None,
        first=("store", "teacher", "predictor"),
        unread=(
            *("build.store", "train.store", "train.name", "small-build.store"),
            *(f"small-build.{name}" for name in PLANS[3:]),
            *("small-build.splits.*", "small-build.student.*", "digits.tasks", "digits.labels.*"),
        ),
    ),
    "completion": Verb(
        does="a script for TAB in bash or zsh: `dass completion bash`", options=None
    ),
}


def submitted() -> dict[str, dict[str, str | int]]:
    """Return of every verb for a cluster what its job is made of: arguments, store and cores."""
    table: dict[str, dict[str, str | int]] = {}
    for name, verb in VERBS.items():
        if verb.options is not None:
            store, _, rest = verb.options.partition(" s3://...")
            preset = "small" if "small" in verb.presets else next(iter(verb.presets))
            arguments = " ".join([preset, *rest.split()])
            table[name] = {"arguments": arguments, "store": store, "cores": verb.cores}
    return table


if __name__ == "__main__":
    import yaml

    print(
        "# Written by `python -m jobs.verbs`, which has the table: the jobs that a cluster runs."
    )
    print(yaml.safe_dump(submitted(), sort_keys=False, width=100), end="")
