"""What each input of the surrogate brings: it is fitted without it, or told another teacher's.

Knows nothing of how scores are kept or shown.

Dimension letters: n students, d inputs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from dass.predictor.level import Facts
from dass.predictor.relative import feature_names
from dass.predictor.surrogate import Surrogate
from dass.predictor.surrogate_fit import Students, fit_surrogate

WRONG = "surrogate told another teacher"
"""The whole surrogate, given accuracy, classes and statistics of a teacher of another origin."""

_SIZE = ("FLOPs", "parameters")


def without() -> Mapping[str, tuple[str, ...]]:
    """Return by ablation which inputs are taken away; `teacher` stands for its statistics."""
    shape = tuple(name for name in feature_names() if name not in _SIZE)
    return {
        "surrogate without size": _SIZE,
        "surrogate without shape": shape,
        "surrogate without the teacher": ("teacher",),
    }


@dataclass(frozen=True, slots=True)
class Ablation:
    """A surrogate that reads some of the inputs."""

    surrogate: Surrogate
    columns: tuple[int, ...]
    """Of all inputs, which are left."""

    def predict(
        self, inputs: Float[Tensor, "n d"], facts: Facts
    ) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
        """Return mean and standard deviation, with nothing measured."""
        expected = self.surrogate.level.expected(facts)
        return self.surrogate.conditioned(expected).predict(inputs[:, list(self.columns)])


def ablations(labelled: Sequence[Students]) -> dict[str, Ablation]:
    """Fit a surrogate without each part of its inputs.

    Raises:
        InvalidData: there are too few labelled teachers.
    """
    return {name: _without(labelled, taken) for name, taken in without().items()}


def _without(labelled: Sequence[Students], taken: Sequence[str]) -> Ablation:
    inputs = labelled[0].inputs.shape[1]
    names = [*feature_names(), *["teacher"] * (inputs - len(feature_names()))]
    columns = tuple(i for i, name in enumerate(names) if name not in taken)
    students = [replace(one, inputs=one.inputs[:, list(columns)]) for one in labelled]
    return Ablation(fit_surrogate(students), columns)


def told_another(one: Students, other: Students) -> tuple[Float[Tensor, "n d"], Facts]:
    """Return a teacher's students as if they were another's: its statistics and its facts."""
    told = other.inputs[:1, len(feature_names()) :]
    own = one.inputs[:, : len(feature_names())]
    return torch.cat([own, told.expand(len(own), -1)], 1), other.facts


def another(one: Students, among: Sequence[Students]) -> Students | None:
    """Return the next one's students whose origin is another, in order and round again."""
    place = next(i for i, each in enumerate(among) if each is one)
    later = [*among[place + 1 :], *among[:place]]
    return next((e for e in later if e.group != one.group), None)
