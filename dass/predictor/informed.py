"""A scorer that looks at images: what it says of a student, and what the student inherits.

Both are standings among a sample of the space, and count the same: nothing is learned, so that it
serves any scorer in any space. A look takes some hundredths of a core-second a student in `small`:
it is for those that a search already likes. Knows nothing of where images come from.

Dimension letters: n students, a members of the sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from dass.errors import InvalidConfig
from dass.networks.inheritance import NAMES, Inherited, Shown, inheritance
from dass.networks.teacher import Teacher
from dass.predictor.ensemble import sample_of, standing
from dass.predictor.records import Measured
from dass.predictor.scorer import Scorer, Scores
from dass.space.architecture import Architecture


def standings(inherited: Inherited) -> tuple[Float[Tensor, " n"], Float[Tensor, " a"]]:
    """Return what students and the sample inherit in all: sums of standings among the sample."""
    students, sample = inherited.students.T.double(), inherited.sample.T.double()
    return standing(students, sample).sum(0), standing(sample, sample).sum(0)


def blended(
    said: Float[Tensor, " n"], of_sample: Float[Tensor, " a"], inherited: Inherited
) -> Float[Tensor, " n"]:
    """Return scores to which what students inherit has been added, in the scorer's units.

    Over the sample they have the mean and the spread that the scorer's have.

    Args:
        said: the scorer's, of students.
        of_sample: the scorer's, of the sample.
        inherited: of the same students and sample.
    """
    said, of_sample = said.double(), of_sample.double()
    each, beside = standings(inherited)
    total = standing(said, of_sample) + standing(each, beside)
    of_all = standing(of_sample, of_sample) + standing(beside, beside)
    spread = of_sample.std(correction=0)
    return of_sample.mean() + spread * standing(total, of_all)


@dataclass(frozen=True, slots=True, eq=False)
class Informed:
    """A `Scorer` of one teacher's students; what was measured of a student is kept."""

    scorer: Scorer
    teacher: Teacher
    shown: Shown
    _known: dict[Architecture, Float[Tensor, " 2"]] = field(default_factory=dict)

    @classmethod
    def of(cls, scorer: Scorer, teacher: Teacher, images: UInt8[Tensor, "n 3 s s"]) -> Informed:
        """Show some training images of the teacher's task.

        Raises:
            InvalidData: the images are too few.
        """
        return cls(scorer, teacher, Shown.of(teacher.network, images))

    def predict(
        self,
        teacher: Teacher,
        architectures: Sequence[Architecture],
        *,
        support: Sequence[Measured] = (),
    ) -> Scores:
        """Score students of the teacher whose images were shown; `std` is the scorer's own.

        Raises:
            InvalidConfig: it is another teacher.
        """
        if teacher is not self.teacher:
            raise InvalidConfig(
                f"students must be of {self.teacher.name}, whose images were shown, but are of "
                f"{teacher.name}; show images of that one"
            )
        sample = sample_of(teacher.network.space)
        every = [*sample, *architectures]
        mean, std = self.scorer.predict(teacher, every, support=support)
        rows, number = self._inherited(every), len(sample)
        inherited = Inherited(students=rows[number:], sample=rows[:number])
        found = blended(mean.cpu()[number:], mean.cpu()[:number], inherited)
        return Scores(found, None if std is None else std[number:])

    def _inherited(self, architectures: Sequence[Architecture]) -> Float[Tensor, "n 2"]:
        fresh = [one for one in dict.fromkeys(architectures) if one not in self._known]
        rows = inheritance(self.teacher.network, fresh, self.shown)
        self._known.update(zip(fresh, rows, strict=True))
        found = [self._known[one] for one in architectures]
        return torch.stack(found) if found else torch.zeros(0, len(NAMES), dtype=torch.float64)
