"""The surrogate: order by a process, level and spread by two lines, measured students by Bayes.

An accuracy is `level + spread · score`. What is known of the three is Gaussian given the spread;
the spread itself is summed over a grid. With nothing measured this is the expectation over
teachers; a few measured students fix level and spread and bend the order; a student that was
trained for fewer epochs counts as far as such accuracies order students. Knows nothing of
networks, stores or searching.

Dimension letters: n students, k measured students, d inputs, g values of the spread, s samples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from dass.predictor.level import Expected, LevelModel
from dass.predictor.process import JITTER, Process
from dass.predictor.records import Measured

GRID = 21
"""Values of the spread that are summed over, out to three standard deviations."""

RIVALS, SAMPLES = 128, 256
"""The best students among which the best is sought when a choice's regret is expected; joint draws
of their accuracies for each value of the spread."""

FREE = 1.0
"""Standard deviation of the level of a shorter training, a fraction: nothing is known of it."""


@dataclass(frozen=True, slots=True)
class Fidelity:
    """How accuracies after a shorter training relate to those after the whole."""

    ratio: float
    """Their spread over the whole training's."""
    noise: float
    """Variance around the score of the whole training, in its units."""


WHOLE = Fidelity(1.0, 0.0)


@dataclass(frozen=True, slots=True)
class Observed:
    """Measured students of one teacher."""

    inputs: Float[Tensor, "k d"]
    accuracies: Float[Tensor, " k"]
    """Validation accuracies, fractions."""
    epochs: tuple[int, ...]
    """How long each was trained; 0 stands for the whole recipe."""
    images: int | None = None
    """Validation images behind each accuracy, where known: on others the level is another."""

    @classmethod
    def of(
        cls,
        inputs: Float[Tensor, "k d"],
        support: Sequence[Measured],
        *,
        images: int | None = None,
    ) -> Observed:
        """Take measured students as they come; one that says no `epochs` was trained whole."""
        accuracies = [one.validation_accuracy for one in support]
        return cls(
            inputs,
            torch.tensor(accuracies, dtype=torch.float64),
            tuple(getattr(one, "epochs", 0) for one in support),
            images,
        )


@dataclass(frozen=True, slots=True)
class Surrogate:
    """What is learned from all labelled teachers."""

    process: Process
    level: LevelModel
    centre: Float[Tensor, " d"]
    """Mean of each input over the labels."""
    scale: Float[Tensor, " d"]
    """Standard deviation of each input over the labels."""
    fidelities: Mapping[int, Fidelity] = field(default_factory=dict)
    """By epochs of training; what is not there counts as the nearest shorter one that is."""
    widening: tuple[float, float] = (1.0, 1.0)
    """Factors on standard deviations at which intervals hold on origins left out: with nothing
    measured, when a teacher's level and spread are guesses, and with some students measured."""

    def fidelity(self, epochs: int) -> Fidelity:
        """Return how a training of so many epochs relates to the whole; 0 is the whole."""
        if epochs == 0 or not self.fidelities:
            return WHOLE
        shorter = [e for e in self.fidelities if e <= epochs]
        return self.fidelities[max(shorter, default=min(self.fidelities))]

    def standardised(self, inputs: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """Return inputs as the process was fitted to them."""
        return (inputs - self.centre) / self.scale

    def conditioned(self, expected: Expected, observed: Observed | None = None) -> Conditioned:
        """Return the surrogate of one teacher, given its measured students."""
        return Conditioned(self, expected, observed)


class Conditioned:
    """The surrogate of one teacher: predicts any of its students."""

    def __init__(
        self, surrogate: Surrogate, expected: Expected, observed: Observed | None
    ) -> None:
        self._surrogate, self._expected = surrogate, expected
        reach = 3 * expected.log_spread_std
        grid = torch.linspace(-reach, reach, GRID, dtype=torch.float64) + expected.log_spread
        self._spreads = grid.exp()
        prior = -0.5 * ((grid - expected.log_spread) / expected.log_spread_std).square()
        self._observed = observed if observed is not None and len(observed.accuracies) else None
        if self._observed is None:
            self._weights = prior.softmax(0)
        else:
            self._solve(self._observed, prior)

    def _solve(self, observed: Observed, prior: Float[Tensor, " g"]) -> None:
        """Factor the covariance of the measured students for every spread, and weigh spreads."""
        process, expected = self._surrogate.process, self._expected
        inputs = self._surrogate.standardised(observed.inputs)
        fidelities = [self._surrogate.fidelity(e) for e in observed.epochs]
        ratio = torch.tensor([f.ratio for f in fidelities], dtype=torch.float64)
        noise = torch.tensor([f.noise for f in fidelities], dtype=torch.float64) + process.noise
        epochs = torch.tensor(observed.epochs)
        whole = (epochs == 0).double()
        same = (epochs[:, None] == epochs[None]).double()
        # Students of one fidelity share its level; only that of the whole training is expected.
        levels = same * (FREE**2 * (1 - whole) + expected.level_std**2 * whole)
        centre = torch.stack([observed.accuracies[epochs == e].mean() for e in epochs])
        base = whole * expected.level + (1 - whole) * centre
        scores = process.means(inputs)
        covariance = process.covariance(inputs, inputs)
        scaled = ratio * self._spreads[:, None]  # g k
        joint = scaled[:, :, None] * scaled[:, None] * (covariance + torch.diag(noise))
        joint = joint + levels + 1e-8 * torch.eye(len(scores), dtype=torch.float64)
        lower = torch.linalg.cholesky(joint)
        off = (observed.accuracies - base - scaled * scores)[..., None]
        white = torch.linalg.solve_triangular(lower, off, upper=False)
        logs = lower.diagonal(dim1=1, dim2=2).log().sum(1)
        self._weights = (prior - white.square().sum((1, 2)) / 2 - logs).softmax(0)
        self._lower, self._white, self._scaled, self._whole = lower, white, scaled, whole
        self._measured = inputs

    def predict(
        self, inputs: Float[Tensor, "n d"]
    ) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
        """Return mean and standard deviation of one training's accuracy, fractions."""
        process, expected = self._surrogate.process, self._expected
        inputs = self._surrogate.standardised(inputs)
        spreads = self._spreads[:, None]
        means = expected.level + spreads * process.means(inputs)  # g n
        variances = spreads**2 * (process.variances(inputs) + process.noise)
        variances = variances + expected.level_std**2
        if self._observed is not None:
            gain, pulled = self._learned(inputs)
            means = means + pulled
            variances = variances - gain.square().sum(1) + self._other_images()
        weights = self._weights[:, None]
        mean = (weights * means).sum(0)
        spread = (weights * (variances + (means - mean).square())).sum(0)
        widening = self._surrogate.widening[self._observed is not None]
        return mean, spread.clamp(min=0.0).sqrt() * widening

    @torch.no_grad()
    def expected_regret(self, inputs: Float[Tensor, "n d"], *, choice: int) -> float:
        """Return how far the best of some students is expected to be above one of them.

        Each is trained once; what all share, the level, does not matter, what they share of the
        order does. Students beyond the first `RIVALS` by mean are passed over.

        Args:
            inputs: of the students.
            choice: place of the one that is taken.

        Returns:
            A difference of accuracies, a fraction, >= 0.
        """
        mean, _ = self.predict(inputs)
        mean[choice] = torch.inf  # it comes first
        means, covariances = self._jointly(inputs[mean.argsort(descending=True)[:RIVALS]])
        lower = torch.linalg.cholesky(covariances)
        generator = torch.Generator().manual_seed(0)
        shape = (SAMPLES, means.shape[1])
        normal = torch.randn(shape, generator=generator, dtype=torch.float64)
        drawn = means[:, None] + normal @ lower.mT  # g s n
        regrets = drawn.amax(2) - drawn[:, :, 0]
        return float(self._weights @ regrets.mean(1))

    def _jointly(
        self, inputs: Float[Tensor, "n d"]
    ) -> tuple[Float[Tensor, "g n"], Float[Tensor, "g n n"]]:
        """Return means and covariances of one training's accuracies, for every spread."""
        process, expected = self._surrogate.process, self._expected
        inputs = self._surrogate.standardised(inputs)
        spreads = self._spreads[:, None]
        means = expected.level + spreads * process.means(inputs)
        scores = process.covariance(inputs, inputs)
        alone = process.variances(inputs) - scores.diagonal() + process.noise
        scores = scores + torch.diag(alone.clamp(min=JITTER))
        covariances = spreads[:, :, None] ** 2 * scores + expected.level_std**2
        if self._observed is not None:
            gain, pulled = self._learned(inputs)
            means, covariances = means + pulled, covariances - gain.mT @ gain
        return means, covariances

    def _learned(
        self, inputs: Float[Tensor, "n d"]
    ) -> tuple[Float[Tensor, "g k n"], Float[Tensor, "g n"]]:
        """Return what measured students take off covariances, as a root, and add to means."""
        spreads, level = self._spreads[:, None, None], self._expected.level_std
        cross = self._surrogate.process.covariance(self._measured, inputs)  # k n
        joint = self._scaled[:, :, None] * spreads * cross + level**2 * self._whole[:, None]
        gain = torch.linalg.solve_triangular(self._lower, joint, upper=False)
        return gain, (gain * self._white).sum(1)

    def _other_images(self) -> float:
        """Return the variance of a mean accuracy between these validation images and others."""
        assert self._observed is not None, "without measured students the level is a guess anyway"
        if self._observed.images is None:
            return 0.0
        level = float(self._observed.accuracies.mean())
        return max(level * (1 - level), 0.0) / self._observed.images
