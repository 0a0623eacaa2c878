"""Fit a surrogate to labelled teachers: its process, its level and spread, how wide it must be.

Groups of teachers of one origin are left out in turn to learn how far off the rest would be.
Knows nothing of networks or stores.

Dimension letters: n students, d inputs, e epochs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from dass.errors import InvalidData
from dass.networks.inheritance import Inherited
from dass.predictor.interval import LEVEL, half_width
from dass.predictor.level import Facts, LevelModel, fit_level
from dass.predictor.ood import Statistics
from dass.predictor.process import Labelled, fit_process, recondition
from dass.predictor.records import StudentRecord
from dass.predictor.relative import student_inputs
from dass.predictor.surrogate import Fidelity, Observed, Surrogate
from dass.space.architecture import Architecture
from dass.space.space import Space

LEAST_STUDENTS = 6
"""Labelled students that a teacher must have to be learned from."""

CALIBRATED_WITH = 4
"""Measured students with which intervals of teachers that have some are calibrated."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Students:
    """The labelled students of one teacher, and what is known of that teacher."""

    teacher: str
    group: str
    """Origin of its images: teachers of one group never predict each other in calibration."""
    facts: Facts
    """What is known of the teacher."""
    inputs: Float[Tensor, "n d"]
    """What describes each student, not standardised."""
    accuracies: Float[Tensor, " n"]
    """Validation accuracies, fractions; means over trainings."""
    trainings: Float[Tensor, " n"]
    """How many trainings each is a mean of."""
    curves: Float[Tensor, "n e"] | None = None
    """Validation accuracy after each epoch, where all students have it."""
    inherited: Inherited | None = None
    """What each inherits, where it was measured of all."""

    @classmethod
    def of(
        cls,
        space: Space,
        records: Sequence[StudentRecord],
        facts: Facts,
        *,
        group: str,
        statistics: Statistics = (),
    ) -> Students:
        """Make them of one teacher's records, means over seeds one per architecture.

        `trainings` is taken as the same for all; `statistics` are the teacher's, empty where it
        is not to be told.
        """
        members = [Architecture.parse(record.architecture) for record in records]
        curves = [record.curve for record in records]
        whole = len({len(curve) for curve in curves}) == 1 and bool(curves[0])
        return cls(
            teacher=records[0].teacher,
            group=group,
            facts=facts,
            inputs=student_inputs(space, members, statistics),
            accuracies=torch.tensor([r.validation_accuracy for r in records], dtype=torch.float64),
            trainings=torch.ones(len(records), dtype=torch.float64),
            curves=torch.tensor(curves, dtype=torch.float64) if whole else None,
        )

    @property
    def level(self) -> float:
        """Mean accuracy, a fraction."""
        return float(self.accuracies.mean())

    @property
    def spread(self) -> float:
        """Standard deviation of the accuracies."""
        return float(self.accuracies.std(correction=0))


def usable(students: Sequence[Students]) -> list[Students]:
    """Return the teachers that something can be learned from: enough students that differ."""
    return [s for s in students if len(s.accuracies) >= LEAST_STUDENTS and s.spread > 0]


def fit_surrogate(
    students: Sequence[Students], *, inducing: int = 128, widened: bool = True
) -> Surrogate:
    """Fit process, level, spread, fidelities and widening.

    Args:
        students: of labelled teachers.
        inducing: inputs that stand for all in the process.
        widened: whether intervals are made to hold, which takes long and changes no order.

    Raises:
        InvalidData: there are fewer than two teachers with enough students.
    """
    students = usable(students)
    if len(students) < 2:
        raise InvalidData(
            f"a surrogate must be fitted to two teachers or more with at least {LEAST_STUDENTS} "
            f"labelled students that differ, but got {len(students)}; label more"
        )
    centre, scale = standards_of(students)
    blocks = [_block(s, centre, scale) for s in students]
    process = fit_process(blocks, inducing=inducing)
    surrogate = Surrogate(
        process=process,
        level=level_of(students),
        centre=centre,
        scale=scale,
        fidelities=fidelities_of(students),
    )
    if not widened:
        return surrogate
    return replace(surrogate, widening=_widening(students, blocks, surrogate))


def standards_of(
    students: Sequence[Students],
) -> tuple[Float[Tensor, " d"], Float[Tensor, " d"]]:
    """Return mean and standard deviation of each input over all labels."""
    every = torch.cat([s.inputs for s in students])
    return every.mean(0), every.std(0).clamp(min=1e-6)


def _block(students: Students, centre: Tensor, scale: Tensor) -> Labelled:
    scores = (students.accuracies - students.level) / students.spread
    return Labelled((students.inputs - centre) / scale, scores, 1 / students.trainings)


def level_of(students: Sequence[Students]) -> LevelModel:
    """Fit level and spread to labelled teachers."""
    return fit_level(
        [s.facts for s in students],
        levels=[s.level for s in students],
        spreads=[s.spread for s in students],
        groups=[s.group for s in students],
    )


def fidelities_of(students: Sequence[Students]) -> Mapping[int, Fidelity]:
    """Return how accuracies after each epoch but the last relate to those after the last.

    Of teachers whose students have learning curves of one length; each counts the same.
    """
    curves = [s.curves.double().numpy() for s in students if s.curves is not None]
    longest = max((c.shape[1] for c in curves), default=0)
    curves = [c for c in curves if c.shape[1] == longest and c[:, -1].std() > 0]
    found = {}
    for epoch in range(1, longest):
        ratios, agreements = [], []
        for curve in curves:
            early, last = curve[:, epoch - 1], curve[:, -1]
            if early.std() > 0:
                ratios.append(math.log(early.std() / last.std()))
                agreements.append(float(np.corrcoef(early, last)[0, 1]))
        if ratios:
            agreement = min(max(float(np.mean(agreements)), 0.05), 0.999)
            found[epoch] = Fidelity(math.exp(float(np.median(ratios))), 1 / agreement**2 - 1)
    return found


def _widening(
    students: Sequence[Students], blocks: Sequence[Labelled], surrogate: Surrogate
) -> tuple[float, float]:
    """Return factors at which intervals hold their share of labels on groups left out.

    Every group counts the same. Hyperparameters are those of all: they are few.
    """
    groups = sorted({s.group for s in students})
    if len(groups) < 2:
        return 1.0, 1.0
    misses: dict[bool, list[np.ndarray]] = {False: [], True: []}
    weights: dict[bool, list[np.ndarray]] = {False: [], True: []}
    for group in groups:
        rest = [i for i, s in enumerate(students) if s.group != group]
        process = recondition(surrogate.process, [blocks[i] for i in rest])
        left = replace(surrogate, process=process, level=level_of([students[i] for i in rest]))
        own = [s for s in students if s.group == group]
        for one, some in product(own, (False, True)):
            missed = _missed(left, one, measured=CALIBRATED_WITH if some else 0)
            misses[some].append(missed)
            weights[some].append(np.full(len(missed), 1 / len(missed) / len(own)))
    return _factor(misses[False], weights[False]), _factor(misses[True], weights[True])


def _missed(surrogate: Surrogate, one: Students, *, measured: int) -> Float[np.ndarray, " n"]:
    """Return how many standard deviations labels lie off, some of them being measured."""
    conditioned = surrogate.conditioned(surrogate.level.expected(one.facts))
    rest = torch.arange(len(one.accuracies))
    if measured:
        order = torch.randperm(len(rest), generator=torch.Generator().manual_seed(0))
        known, rest = order[:measured], order[measured:]
        observed = Observed(one.inputs[known], one.accuracies[known], (0,) * len(known))
        conditioned = surrogate.conditioned(surrogate.level.expected(one.facts), observed)
    mean, std = conditioned.predict(one.inputs[rest])
    missed: np.ndarray = ((one.accuracies[rest] - mean).abs() / std).numpy()
    return missed


def _factor(misses: Sequence[np.ndarray], weights: Sequence[np.ndarray]) -> float:
    reach = np.quantile(
        np.concatenate(misses),
        LEVEL,
        weights=np.concatenate(weights),
        method="inverted_cdf",
    )
    return float(reach) / half_width(LEVEL)
