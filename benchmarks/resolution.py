"""Does the order of students at one size of pictures hold at another?

    python -m benchmarks.resolution --store runs/family

Reads records alone: `dass build family` and `dass build resolution` make them. Of every dataset
whose students were labelled in both spaces: Spearman of test accuracies at both sizes (the mean of
the first one's seeds), beside it the same of two seeds of the first size, which is as far as one
training can tell, and of FLOPs; and the points that the first size's favourite within a budget
loses at the second (mean of three budgets), beside what the largest loses.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Mapping

import numpy as np

from dass.predictor.ranking import spearman
from dass.predictor.records import StudentRecord
from dass.registry.registry import Registry
from dass.space.cost import BUDGETS
from dass.store.store import Store
from jobs import console

HEAD = (
    *("dataset", "students", "both sizes", "one size, two seeds", "FLOPs", "regret, points"),
    *("of the largest",),
)
Labels = Mapping[int, Mapping[str, StudentRecord]]
"""Records by seed and architecture."""


def labels(registry: Registry, space: str) -> dict[str, Labels]:
    """Return the records of a space by dataset."""
    tasks = registry.tasks()
    found: dict[str, dict[int, dict[str, StudentRecord]]] = {}
    for record in registry.records():
        if record.space == space:
            source = tasks[record.task][0].source
            own = found.setdefault(source, defaultdict(dict))
            own[record.seed][record.architecture] = record
    return {source: dict(own) for source, own in found.items()}


def agreement(one: Mapping[str, StudentRecord], other: Mapping[str, StudentRecord]) -> float:
    """Return Spearman of the test accuracies of the students that both have."""
    both = sorted(one.keys() & other.keys())
    first, second = ([side[name].test_accuracy for name in both] for side in (one, other))
    return spearman(np.array(first), np.array(second))


def regret(chosen_by: Mapping[str, float], reached: Mapping[str, StudentRecord]) -> float:
    """Return what the favourite loses to the best, in points; a mean over budgets."""
    whole = max(record.flops for record in reached.values())
    lost = []
    for budget in BUDGETS:
        kept = [name for name, record in reached.items() if record.flops <= budget * whole]
        if len(kept) > 1:
            favourite = max(kept, key=lambda name: chosen_by[name])
            best = max(reached[name].test_accuracy for name in kept)
            lost.append(100 * (best - reached[favourite].test_accuracy))
    return float(np.mean(lost)) if lost else 0.0


def row(source: str, first: Labels, second: Labels) -> list[str]:
    """Compare one dataset's students at both sizes."""
    reached = {n: r for n, r in second[0].items() if n in first[0]}
    seeds = [seed for seed in sorted(first) if first[seed].keys() >= reached.keys()]
    means = {n: float(np.mean([first[s][n].test_accuracy for s in seeds])) for n in reached}
    sizes = {n: float(record.flops) for n, record in reached.items()}
    apart = f"{agreement(first[0], first[1]):.2f}" if len(seeds) > 1 else "–"
    return [
        source.rpartition("/")[2],
        str(len(reached)),
        f"{np.mean([agreement(first[s], reached) for s in seeds]):.2f}",
        apart,
        f"{spearman(np.array([*sizes.values()]), _accuracies(reached)):.2f}",
        f"{regret(means, reached):.2f}",
        f"{regret(sizes, reached):.2f}",
    ]


def _accuracies(reached: Mapping[str, StudentRecord]) -> np.ndarray:
    return np.array([record.test_accuracy for record in reached.values()])


def main() -> None:
    """Print a row of each dataset."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--store", default="runs/family")
    parser.add_argument("--first", default="resnet18@32")
    parser.add_argument("--second", default="resnet18@64")
    arguments = parser.parse_args()
    registry = Registry(Store(arguments.store, read_only=True))
    first, second = (labels(registry, space) for space in (arguments.first, arguments.second))
    rows = [row(source, first[source], second[source]) for source in sorted(first.keys() & second)]
    print(console.table(HEAD, rows))


if __name__ == "__main__":
    main()
