"""An ensemble of predictors: one prediction with an interval, for any students of a teacher.

With a surrogate its members are advisers: how they order a student may be one of its inputs.
Without one their mean is the prediction, and how sure it is comes from what they disagree
on and from validation tasks. Knows nothing of how members are trained.

Dimension letters: n students.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from dass.errors import InvalidConfig
from dass.networks.teacher import Teacher
from dass.predictor.embed import embed
from dass.predictor.episode import Episode, episode
from dass.predictor.interval import LEVEL, half_width
from dass.predictor.level import Facts
from dass.predictor.network import Predictor, Weights
from dass.predictor.network_config import PredictorConfig
from dass.predictor.ood import STATISTICS, Reference, statistics
from dass.predictor.records import Measured
from dass.predictor.relative import feature_names, student_inputs
from dass.predictor.scorer import Scores
from dass.predictor.surrogate import Conditioned, Observed, Surrogate
from dass.space.architecture import Architecture
from dass.space.sampling import stratified
from dass.space.space import Space

SAMPLE = 24
"""Members of a space, stratified by FLOPs, among which an opinion of a student is a standing."""


def standing(
    predicted: Float[Tensor, "*m n"], among: Float[Tensor, "*m k"]
) -> Float[Tensor, "*m n"]:
    """Return predictions in standard deviations from the mean of what is said of a sample."""
    spread = among.std(-1, correction=0, keepdim=True).clamp(min=1e-9)
    return (predicted - among.mean(-1, keepdim=True)) / spread


@cache
def sample_of(space: Space) -> tuple[Architecture, ...]:
    """Return the members of a space among which standings are taken; drawn once for a process."""
    return tuple(stratified(space, SAMPLE, seed=0))


@dataclass(frozen=True, slots=True)
class Ensemble:
    """Predictors whose mean is the prediction. An ensemble is a `Scorer`.

    One predictor is an ensemble of one; without `noise` it has no uncertainty.
    """

    members: tuple[Predictor, ...]
    noise: float = 0.0
    """Standard deviation of a label that the members do not see in their disagreement, a
    fraction; `calibrated` sets it."""
    reference: Reference | None = None
    """The teachers of meta-training; without it every teacher is taken as in distribution."""
    surrogate: Surrogate | None = None
    """What predicts, given the members' opinions; without it their mean does."""

    def __post_init__(self) -> None:
        made_for = {(member.config.space, member.config.recipe) for member in self.members}
        if len(made_for) != 1:
            raise InvalidConfig(
                "members of an ensemble must be made for one space and recipe, "
                f"but got {sorted(made_for)}"
            )
        if not 0 <= self.noise < float("inf"):
            raise InvalidConfig(f"`noise >= 0` must hold and be finite, but got {self.noise}")

    @property
    def config(self) -> PredictorConfig:
        """Configuration of the first member; space and recipe are everyone's."""
        return self.members[0].config

    @property
    def hears(self) -> bool:
        """Whether what members say of a student has a part in its prediction."""
        if self.surrogate is None:
            return True
        return len(self.surrogate.centre) > len(feature_names()) + STATISTICS

    def predict_episode(self, task: Episode, weights: Sequence[Weights] | None = None) -> Scores:
        """Predict an episode's students, as if its teacher were in distribution.

        Args:
            task: teacher, support and students.
            weights: each member's `adapted` of the same teacher and support, if at hand.
        """
        weights = weights or [member.adapted(task) for member in self.members]
        pairs = zip(self.members, weights, strict=True)
        each = torch.stack([member.predict_episode(task, own) for member, own in pairs])
        mean = each.mean(0)
        if len(each) == 1 and not self.noise:
            return Scores(mean)
        # By hand: `std` warns where there is no student to have a spread.
        spread = (each - mean).square().sum(0) / max(1, len(each) - 1)
        return Scores(mean, (spread + self.noise**2).sqrt())

    def in_distribution(self, teacher: Teacher) -> bool:
        """Return whether the teacher is like one of meta-training; else intervals are wider."""
        (feature_map,) = embed(teacher.network, [teacher.network.space.largest])
        return self._in_distribution(teacher, feature_map)

    def _in_distribution(self, teacher: Teacher, feature_map: Float[Tensor, "c h w"]) -> bool:
        """Return the same, of a teacher whose feature map is at hand."""
        return self.reference is None or self.reference.in_distribution(
            statistics(feature_map, teacher.accuracy, teacher.network.num_classes)
        )

    def adapt(self, teacher: Teacher, *, support: Sequence[Measured] = ()) -> Adapted:
        """Adapt to a teacher and its measured students, for many calls to come."""
        own = () if self.surrogate else support  # then it is the surrogate that is conditioned
        task = episode(teacher, [], [], support=own)
        inside = self._in_distribution(teacher, task.teacher_feature_map)
        weights = tuple(member.adapted(task) for member in self.members) if self.hears else ()
        adapted = Adapted(self, teacher, task, weights, inside)
        if self.surrogate is None:
            return adapted
        return replace(adapted, conditioned=self._conditioned(adapted, support))

    def _conditioned(self, adapted: Adapted, support: Sequence[Measured]) -> Conditioned:
        """Return the surrogate of a teacher, given its measured students."""
        assert self.surrogate is not None, "asked of an ensemble with a surrogate only"
        teacher = adapted.teacher
        facts = Facts(teacher.accuracy, teacher.network.num_classes)
        observed = None
        if support:
            members = [Architecture.parse(one.architecture) for one in support]
            images = min(getattr(one, "validation_images", 0) for one in support) or None
            observed = Observed.of(adapted.inputs(members), support, images=images)
        return self.surrogate.conditioned(self.surrogate.level.expected(facts), observed)

    def predict(
        self,
        teacher: Teacher,
        architectures: Sequence[Architecture],
        *,
        support: Sequence[Measured] = (),
    ) -> Scores:
        """Predict students of a teacher, adapted to measured ones too."""
        return self.adapt(teacher, support=support).predict(architectures)


@dataclass(frozen=True, slots=True)
class Adapted:
    """An ensemble after its inner step on one teacher: it predicts any students of it."""

    ensemble: Ensemble
    teacher: Teacher
    task: Episode
    """Teacher and support, without students."""
    weights: tuple[Weights, ...]
    """Of each member; none where nobody hears them."""
    in_distribution: bool
    """Whether the teacher is like one of meta-training; else intervals are wider."""
    conditioned: Conditioned | None = None
    """The surrogate of this teacher, given its measured students; `None` without one."""

    def predict(self, architectures: Sequence[Architecture]) -> Scores:
        """Return predicted accuracies and, where there is an opinion, their std."""
        if self.conditioned is not None:
            return Scores(*self.conditioned.predict(self.inputs(architectures)))
        students = self._students(architectures)
        scores = self.ensemble.predict_episode(students, self.weights)
        return scores if self.in_distribution else self._widened(scores, students.encodings[:, -1])

    def inputs(self, architectures: Sequence[Architecture]) -> Float[Tensor, "n d"]:
        """Return what a surrogate reads: size, shape, teacher, and how members order students.

        A member's opinion is where it places a student among a fixed sample of the space, so that
        it does not depend on what else is asked.
        """
        network = self.teacher.network
        space = network.space
        told = statistics(
            self.task.teacher_feature_map, self.teacher.accuracy, network.num_classes
        )
        features = student_inputs(space, architectures, told)
        if not self.ensemble.hears:
            return features
        if not architectures:
            return torch.cat([features, features[:, :1]], 1)
        sample = sample_of(space)
        students = self._students([*sample, *architectures])
        pairs = zip(self.ensemble.members, self.weights, strict=True)
        each = torch.stack([m.predict_episode(students, w) for m, w in pairs]).double().cpu()
        opinion = standing(each, each[:, : len(sample)]).mean(0)[len(sample) :]
        return torch.cat([features, opinion[:, None]], 1)

    def _students(self, architectures: Sequence[Architecture]) -> Episode:
        feature_maps = embed(self.teacher.network, architectures)
        return replace(
            self.task,
            feature_maps=feature_maps,
            encodings=self.teacher.network.space.encode(architectures).to(feature_maps.device),
            accuracies=feature_maps.new_zeros(len(feature_maps)),
        )

    def _widened(self, scores: Scores, fractions: Float[Tensor, " n"]) -> Scores:
        """Return the same means, as uncertain as what size alone predicts is far from them.

        Two opinions that were formed apart: where they agree the network may be believed, where
        they do not the label may be as far off as either says.
        """
        assert self.ensemble.reference is not None, "all teachers are in distribution without it"
        line, around = self.ensemble.reference.by_size(self.teacher.accuracy, fractions)
        own = torch.zeros_like(scores.mean) if scores.std is None else scores.std
        apart = (scores.mean - line).square() + around.square()
        return Scores(scores.mean, (own.square() + apart).sqrt())


def calibrated(ensemble: Ensemble, validation: Sequence[Episode]) -> Ensemble:
    """Return the ensemble with the least `noise` at which intervals hold 90 % of the labels.

    Every validation teacher counts the same, however many students it has.
    """
    plain = replace(ensemble, noise=0.0)
    lacking, weights = [], []
    for task in validation:
        mean, spread = plain.predict_episode(task)
        wanted = ((mean - task.accuracies) / half_width(LEVEL)).square()
        lack = wanted if spread is None else wanted - spread.square()
        lacking.append(lack.clamp(min=0.0).sqrt().double().cpu().numpy())
        weights.append(np.full(len(mean), 1 / len(mean)))
    noise = np.quantile(
        np.concatenate(lacking),
        LEVEL - 1e-9,  # weights sum to the level with an error of rounding
        weights=np.concatenate(weights),
        method="inverted_cdf",
    )
    return replace(ensemble, noise=float(noise))
