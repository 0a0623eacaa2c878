"""Surrogates that never see a teacher: regressions on a student's size and shape alone.

Targets are standardised teacher by teacher: what is learned is which students are better than
others of the same teacher, in units of how much those differ. Knows nothing of searching.

Dimension letters: n architectures, f features.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from jaxtyping import Float
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel

from dass.baselines.fitted import predicted
from dass.errors import InvalidData
from dass.networks.teacher import Teacher
from dass.predictor.features import student_features
from dass.predictor.records import Measured, StudentRecord
from dass.predictor.scorer import Scores
from dass.space.architecture import Architecture
from dass.space.space import Space

LENGTHS = (1e-1, 1e3)
"""Bounds of a length scale, in standard deviations of a feature: 1000 makes it irrelevant."""


def features_of(space: Space, architectures: Sequence[Architecture]) -> Float[np.ndarray, "n f"]:
    """Return size and shape of students, standardised over the space."""
    return student_features(space, space.encode(architectures)).double().numpy()


def standardised(records: Iterable[StudentRecord]) -> list[tuple[str, float]]:
    """Return each record's architecture and accuracy, standardised among its teacher's students.

    Teachers whose students do not differ say nothing, and are left out.

    Raises:
        InvalidData: nothing is left.
    """
    groups: dict[str, list[StudentRecord]] = defaultdict(list)
    for record in records:
        groups[record.teacher].append(record)
    rows = []
    for group in groups.values():
        values = np.array([record.validation_accuracy for record in group])
        if len(group) > 1 and values.std() > 0:
            scores = (values - values.mean()) / values.std()
            rows += [(r.architecture, float(s)) for r, s in zip(group, scores, strict=True)]
    if not rows:
        raise InvalidData(
            "a surrogate must have records to learn from, several students of a teacher that "
            "differ in accuracy, but got none"
        )
    return rows


class GaussianProcess:
    """A Gaussian process with one length scale per feature, by marginal likelihood.

    An architecture that several teachers share is one point, the mean of its scores, whose noise
    shrinks with their number: the same posterior as of all scores apart, at a fraction of the
    cost. The noise of one score is what scores of the same architecture differ by.
    """

    def __init__(self, space: Space, records: Iterable[StudentRecord], *, seed: int = 0) -> None:
        groups: dict[str, list[float]] = defaultdict(list)
        for architecture, score in standardised(records):
            groups[architecture].append(score)
        members = [Architecture.parse(text) for text in groups]
        counts = np.array([len(scores) for scores in groups.values()])
        means = np.array([np.mean(scores) for scores in groups.values()])
        inputs = features_of(space, members)
        kernel = ConstantKernel(1.0, (1e-2, 1e2)) * RBF(np.ones(inputs.shape[1]), LENGTHS)
        self._process = GaussianProcessRegressor(
            kernel, alpha=noise_of(list(groups.values())) / counts, random_state=seed
        )
        with warnings.catch_warnings():  # that a feature is irrelevant is a finding
            warnings.simplefilter("ignore", ConvergenceWarning)
            self._process.fit(inputs, means)

    def predict(
        self,
        teacher: Teacher,
        architectures: Sequence[Architecture],
        *,
        support: Sequence[Measured] = (),
    ) -> Scores:
        """Return standardised accuracies and how uncertain the process is of them."""
        if not architectures:
            return Scores(torch.zeros(0, dtype=torch.float64))
        mean, std = self._process.predict(
            features_of(teacher.network.space, architectures), return_std=True
        )
        return Scores(torch.from_numpy(mean), torch.from_numpy(std))


def noise_of(groups: Sequence[Sequence[float]]) -> float:
    """Return the variance of scores of the same architecture, pooled; 0.1 where none repeats."""
    squares = sum(float(np.var(scores)) * len(scores) for scores in groups)
    freedom = sum(len(scores) - 1 for scores in groups)
    return max(squares / freedom, 1e-6) if freedom else 0.1


class ExtraTrees:
    """Extremely randomised trees (Geurts et al., 2006) on size and shape."""

    def __init__(
        self, space: Space, records: Iterable[StudentRecord], *, trees: int = 300
    ) -> None:
        rows = standardised(records)
        inputs = features_of(space, [Architecture.parse(text) for text, _ in rows])
        self._trees = ExtraTreesRegressor(trees, min_samples_leaf=3, random_state=0)
        self._trees.fit(inputs, np.array([score for _, score in rows]))

    def predict(
        self,
        teacher: Teacher,
        architectures: Sequence[Architecture],
        *,
        support: Sequence[Measured] = (),
    ) -> Scores:
        """Return standardised accuracies."""
        inputs = features_of(teacher.network.space, architectures)
        return Scores(torch.from_numpy(predicted(self._trees, inputs)))
