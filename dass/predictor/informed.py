"""The informed predictor: an ensemble that is shown images of its teacher's task.

What a student inherits of its teacher is read beside its size, its shape and the teacher, by a
surrogate of its own. That takes some hundredths of a core-second a student, so it is for those
that a search already likes. Knows nothing of searching or of where images come from.

Dimension letters: n students, d inputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from dass.errors import InvalidConfig
from dass.networks.inheritance import NAMES, Shown, inheritance
from dass.networks.teacher import Teacher
from dass.predictor.ensemble import Ensemble, conditioned
from dass.predictor.records import Measured
from dass.predictor.scorer import Scores
from dass.space.architecture import Architecture


@dataclass(frozen=True, slots=True, eq=False)
class Informed:
    """A `Scorer` of one teacher's students; what was measured of a student is kept."""

    ensemble: Ensemble
    """One with a surrogate that is `informed`."""
    teacher: Teacher
    shown: Shown
    _known: dict[Architecture, Float[Tensor, " 2"]] = field(default_factory=dict)

    @classmethod
    def of(
        cls, ensemble: Ensemble, teacher: Teacher, images: UInt8[Tensor, "n 3 s s"]
    ) -> Informed:
        """Show some training images of the teacher's task.

        Raises:
            InvalidConfig: the ensemble did not learn what an inheritance is worth.
            InvalidData: the images are too few.
        """
        if ensemble.informed is None:
            raise InvalidConfig(
                "a predictor that looks at images must have learned what students inherit, but "
                "this one did not; train it from a store that has teachers and images, or search "
                "without looking"
            )
        return cls(ensemble, teacher, Shown.of(teacher.network, images))

    def predict(
        self,
        teacher: Teacher,
        architectures: Sequence[Architecture],
        *,
        support: Sequence[Measured] = (),
    ) -> Scores:
        """Predict students of the teacher whose images were shown, given measured ones.

        Raises:
            InvalidConfig: it is another teacher.
        """
        if teacher is not self.teacher:
            raise InvalidConfig(
                f"students must be of {self.teacher.name}, whose images were shown, but are of "
                f"{teacher.name}; show images of that one"
            )
        surrogate = self.ensemble.informed
        assert surrogate is not None, "checked when images were shown"
        adapted = self.ensemble.adapt(teacher)

        def inputs(members: Sequence[Architecture]) -> Float[Tensor, "n d"]:
            return torch.cat([adapted.described(members), self._inherited(members)], 1)

        own = conditioned(surrogate, teacher, support, inputs=inputs)
        return Scores(*own.predict(inputs(architectures)))

    def _inherited(self, architectures: Sequence[Architecture]) -> Float[Tensor, "n 2"]:
        fresh = [one for one in dict.fromkeys(architectures) if one not in self._known]
        rows = inheritance(self.teacher.network, fresh, self.shown)
        self._known.update(zip(fresh, rows, strict=True))
        found = [self._known[one] for one in architectures]
        return torch.stack(found) if found else torch.zeros(0, len(NAMES), dtype=torch.float64)
