"""A Gaussian process over the students of many teachers: what all share, and what each has alone.

The standing of a student among its teacher's students is a function that all teachers share, plus
one of that teacher's own, plus noise. Both functions are Gaussian processes over inputs that
describe a student; the second is drawn anew for every teacher, so that a few measured students
say where this one departs from the rest. The shared function stands on inducing points (FITC:
Snelson and Ghahramani, NIPS 2006), teachers' own are integrated out teacher by teacher: thousands
of labels cost some milliseconds a step. Knows nothing of networks, accuracies or stores.

Dimension letters: n students, d inputs, m inducing points, f = m + d weights.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from jaxtyping import Float
from torch import Tensor

from dass.errors import InvalidData

JITTER = 1e-6
"""Added to variances, in units of the scores' own: keeps factorisations defined."""

USUAL_LENGTH, LENGTH_SPREAD = math.log(4.0), 2.0
"""Prior of a log length scale, normal: inputs are standardised, and most matter little."""

USUAL_SLOPE, SLOPE_SPREAD = math.log(0.01), 2.0
"""The same of the log variance of a plane's slope."""

NO_SLOPE = math.log(1e-12)
"""Log variance of a slope that is not there."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """The labelled students of one teacher."""

    inputs: Float[Tensor, "n d"]
    """What describes each, standardised."""
    scores: Float[Tensor, " n"]
    """How each stands among them: mean 0 and standard deviation 1 or so."""
    noise: Float[Tensor, " n"]
    """How noisy each score is relative to others: 1 of one training, 0.5 of a mean of two."""


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """Of both kernels and of the noise; logarithms, so that all values are allowed."""

    shared_lengths: Float[Tensor, " d"]
    own_lengths: Float[Tensor, " d"]
    shared_slopes: Float[Tensor, " d"]
    own_slopes: Float[Tensor, " d"]
    shared_variance: Float[Tensor, ""]
    own_variance: Float[Tensor, ""]
    noise_variance: Float[Tensor, ""]

    @classmethod
    def usual(cls, inputs: int) -> Hyperparameters:
        """Return where fitting starts."""
        lengths = torch.full((inputs,), USUAL_LENGTH, dtype=torch.float64)
        slopes = torch.full((inputs,), USUAL_SLOPE, dtype=torch.float64)
        variances = (torch.tensor(math.log(v), dtype=torch.float64) for v in (0.5, 0.3, 0.05))
        return cls(lengths, lengths.clone(), slopes, slopes.clone(), *variances)

    def tensors(self) -> dict[str, Tensor]:
        """Return them by name, as they are saved."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def shared(self, a: Float[Tensor, "n d"], b: Float[Tensor, "m d"]) -> Float[Tensor, "n m"]:
        """Return the covariances of the smooth rest of the function that all teachers share."""
        return _rbf(a, b, self.shared_lengths, variance=self.shared_variance)

    def own(self, a: Float[Tensor, "n d"], b: Float[Tensor, "m d"]) -> Float[Tensor, "n m"]:
        """Return the covariances of a teacher's own function."""
        smooth = _rbf(a, b, self.own_lengths, variance=self.own_variance)
        return smooth + (a * self.own_slopes.exp()) @ b.T

    def own_variances(self, inputs: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """Return the diagonal of the same."""
        return self.own_variance.exp() + inputs.square() @ self.own_slopes.exp()


def _rbf(
    a: Float[Tensor, "n d"],
    b: Float[Tensor, "m d"],
    log_lengths: Float[Tensor, " d"],
    *,
    variance: Float[Tensor, ""],
) -> Float[Tensor, "n m"]:
    scale = (-log_lengths).exp()
    a, b = a * scale, b * scale
    squares = a.square().sum(1)[:, None] + b.square().sum(1)[None] - 2 * a @ b.T
    covariances: Tensor = (variance - 0.5 * squares.clamp(min=0.0)).exp()
    return covariances


@dataclass(frozen=True, slots=True)
class Process:
    """The process after it has seen its labels."""

    hyperparameters: Hyperparameters
    inducing: Float[Tensor, "m d"]
    """Inputs at which the shared function is kept."""
    mean: Float[Tensor, " f"]
    """Of the shared function: at those inputs, whitened by the prior's Cholesky factor, then its
    slopes in units of their prior."""
    factor: Float[Tensor, "f f"]
    """Cholesky factor of the precision of the same."""

    def means(self, inputs: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """Return expected scores of a new teacher's students."""
        return _whitened(self.hyperparameters, self.inducing, inputs)[0] @ self.mean

    def covariance(self, a: Float[Tensor, "n d"], b: Float[Tensor, "k d"]) -> Float[Tensor, "n k"]:
        """Return covariances between scores of a new teacher's students, without noise."""
        shared: Tensor = self._explained(a).T @ self._explained(b)
        return shared + self.hyperparameters.own(a, b)

    def variances(self, inputs: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """Return the diagonal of the same, with what inducing points miss of it."""
        kernel = self.hyperparameters
        missed = _whitened(kernel, self.inducing, inputs)[1]
        return self._explained(inputs).square().sum(0) + missed + kernel.own_variances(inputs)

    def _explained(self, inputs: Float[Tensor, "n d"]) -> Float[Tensor, "f n"]:
        whitened, _ = _whitened(self.hyperparameters, self.inducing, inputs)
        solved: Tensor = torch.linalg.solve_triangular(self.factor, whitened.T, upper=False)
        return solved

    @property
    def noise(self) -> float:
        """Variance of one training's score around the student's own."""
        return float(self.hyperparameters.noise_variance.exp())


def _whitened(
    kernel: Hyperparameters, inducing: Float[Tensor, "m d"], inputs: Float[Tensor, "n d"]
) -> tuple[Float[Tensor, "n f"], Float[Tensor, " n"]]:
    """Return features whose products are the shared covariances, and the variance missed."""
    prior = kernel.shared(inducing, inducing)
    prior = prior + JITTER * torch.eye(len(inducing), dtype=prior.dtype)
    lower = torch.linalg.cholesky(prior)
    cross = kernel.shared(inducing, inputs)
    features = torch.linalg.solve_triangular(lower, cross, upper=False).T
    missed = kernel.shared_variance.exp() - features.square().sum(1)
    plane = inputs * (0.5 * kernel.shared_slopes).exp()
    return torch.cat([features, plane], 1), missed.clamp(min=0.0)


def fit_process(
    teachers: Sequence[Labelled],
    *,
    inducing: int = 128,
    steps: int = 40,
    seed: int = 0,
    planes: bool = True,
) -> Process:
    """Fit hyperparameters by marginal likelihood, and condition on all labels.

    Args:
        teachers: labelled students, teacher by teacher.
        inducing: most inducing points; drawn among the inputs.
        steps: iterations of L-BFGS.
        seed: of that draw.
        planes: whether both functions have planes, which go on rising beyond all labels.

    Raises:
        InvalidData: there are fewer than two teachers with two students or more.
    """
    teachers = [one for one in teachers if len(one.scores) > 1]
    if len(teachers) < 2:
        raise InvalidData(
            "a process over teachers must be fitted to two teachers or more, each with at least "
            f"two labelled students, but got {len(teachers)}"
        )
    unique = torch.unique(torch.cat([one.inputs for one in teachers]), dim=0)
    drawn = torch.randperm(len(unique), generator=torch.Generator().manual_seed(seed))[:inducing]
    points = unique[drawn]
    kernel = _most_likely(teachers, points, steps=steps, planes=planes)
    return _known(kernel, points, teachers)


def recondition(process: Process, teachers: Sequence[Labelled]) -> Process:
    """Return the process as other labels would have it, its hyperparameters as they are."""
    return _known(process.hyperparameters, process.inducing, teachers)


@torch.no_grad()
def _known(
    kernel: Hyperparameters, points: Float[Tensor, "m d"], teachers: Sequence[Labelled]
) -> Process:
    mean, factor, _ = _conditioned(kernel, points, teachers)
    return Process(kernel, points, mean, factor)


def _most_likely(
    teachers: Sequence[Labelled], points: Float[Tensor, "m d"], *, steps: int, planes: bool
) -> Hyperparameters:
    start = Hyperparameters.usual(points.shape[1])
    slopes = (start.shared_slopes, start.own_slopes)
    if not planes:
        for value in slopes:
            value.fill_(NO_SLOPE)
    every = list(start.tensors().values())
    values = [v.requires_grad_() for v in every if planes or not any(v is s for s in slopes)]
    optimizer = torch.optim.LBFGS(
        values, max_iter=steps, history_size=20, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        optimizer.zero_grad()
        surprise = _conditioned(start, points, teachers)[2]
        for lengths in (start.shared_lengths, start.own_lengths):
            surprise = surprise + ((lengths - USUAL_LENGTH) / LENGTH_SPREAD).square().sum() / 2
        for value in slopes:
            surprise = surprise + ((value - USUAL_SLOPE) / SLOPE_SPREAD).square().sum() / 2
        surprise.backward()  # type: ignore[no-untyped-call]
        return surprise

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    return Hyperparameters(*(value.detach() for value in every))


def _conditioned(
    kernel: Hyperparameters, points: Float[Tensor, "m d"], teachers: Sequence[Labelled]
) -> tuple[Float[Tensor, " f"], Float[Tensor, "f f"], Float[Tensor, ""]]:
    """Return whitened mean and precision factor of the shared function, and the labels' surprise.

    Surprise is the negative log marginal likelihood, up to a constant. Given the shared function
    teachers are independent, so that each adds its own term to one precision.
    """
    size = sum(points.shape)  # a weight for each point and each slope
    precision = torch.eye(size, dtype=points.dtype)
    pull = torch.zeros(size, dtype=points.dtype)
    surprise = torch.zeros((), dtype=points.dtype)
    for one in teachers:
        features, missed = _whitened(kernel, points, one.inputs)
        noise = kernel.noise_variance.exp() * one.noise
        around = kernel.own(one.inputs, one.inputs) + torch.diag(missed + noise + JITTER)
        lower = torch.linalg.cholesky(around)
        both = torch.cat([features, one.scores[:, None]], 1)
        white = torch.linalg.solve_triangular(lower, both, upper=False)
        features, scores = white[:, :-1], white[:, -1]
        precision = precision + features.T @ features
        pull = pull + features.T @ scores
        surprise = surprise + scores.square().sum() / 2 + lower.diagonal().log().sum()
    factor = torch.linalg.cholesky(precision)
    mean = torch.cholesky_solve(pull[:, None], factor)[:, 0]
    return mean, factor, surprise - pull @ mean / 2 + factor.diagonal().log().sum()
