"""The presets of every verb, by name, each with what it is for.

Knows nothing of how a command line is read.
"""

from __future__ import annotations

from dataclasses import replace

from jobs.adopt import AdoptConfig
from jobs.closed_loop import ClosedLoopConfig
from jobs.compact import CompactConfig
from jobs.distill import DistillConfig
from jobs.presets.benchmark import (
    ABLATIONS,
    evidence_build,
    evidence_core,
    evidence_evaluate,
    evidence_train,
    reconstructed_train,
)
from jobs.presets.micro import (
    micro_build,
    micro_student,
    micro_train,
    prepare,
    quickstart,
)
from jobs.presets.paper import paper_build, paper_student, paper_train
from jobs.presets.searches import search
from jobs.presets.small import small_build, small_student, small_train
from jobs.publish import PublishConfig
from jobs.tune import TuneConfig

BUILD = {
    "micro": ("8 px digits: minutes on a laptop", micro_build()),
    "small": ("32 px images: seconds a student on a CPU core", small_build()),
    "paper": ("the published space and recipes: a GPU", paper_build()),
    "evidence-core": ("its first half, for a first evaluation", evidence_core()),
    "evidence": ("the public meta-dataset: hours", evidence_build()),
}
TRAIN = {
    "micro": ("a small predictor in half a minute", micro_train()),
    "small": ("the published predictor on small records", small_train()),
    "paper": ("the published predictor and meta-training", paper_train()),
    "evidence": ("the shipped predictor on the public meta-dataset", evidence_train()),
    "reconstructed": ("the published predictor on the public meta-dataset", reconstructed_train()),
    **{name: ("an ablation of `evidence`", config) for name, config in ABLATIONS.items()},
}
CLOSED_LOOP = {
    "evidence": (
        "search, distil and compare on the unseen tasks",
        ClosedLoopConfig(build=evidence_build()),
    )
}
PUBLISH = {
    "evidence": (
        "records, teachers and predictors into zoo/",
        PublishConfig(store="runs/evidence", space="small"),
    )
}
EVALUATE = {"evidence": ("the comparison on unseen datasets", evidence_evaluate())}
SEARCH = {
    space: (f"students of a teacher in space {space}", search(space))
    for space in ("micro", "small", "paper")
}
DISTILL = {
    "micro": ("8 px", DistillConfig(store="runs/micro", recipe=micro_student())),
    "small": ("32 px", DistillConfig(store="runs/small", recipe=small_student())),
    "paper": ("64 px", DistillConfig(store="runs/paper", recipe=paper_student(), device="cuda")),
}
ADOPT = {
    space: (f"a teacher for space {space}", AdoptConfig(store=f"runs/{space}", space=space))
    for space in ("micro", "small", "paper")
}
QUICKSTART = {"micro": ("the whole story on embedded digits", quickstart())}
PREPARE = {"micro": ("the shipped predictor, else a micro one; and a digits teacher", prepare())}
COMPACT = {
    space: (f"the store runs/{space}", CompactConfig(store=f"runs/{space}"))
    for space in ("micro", "small", "paper")
}
TUNE = {
    "micro": ("a few trials of a small predictor", TuneConfig(train=micro_train(), trials=8)),
    "small": ("the published predictor on small records", TuneConfig(train=small_train())),
    "paper": ("the published predictor", TuneConfig(train=paper_train(), trials=64)),
    "evidence": (
        "a predictor for the public meta-dataset",
        TuneConfig(train=replace(evidence_train(), name="tuned"), trials=24, keep=5),
    ),
}
