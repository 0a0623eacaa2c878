"""The verified choice of a closed loop, played from records: what it is, or what it still needs.

Students are trained for the whole recipe, whose learning curves say what shorter trainings would
have measured. Knows nothing of stores or of workers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from dass.networks.teacher import Teacher
from dass.predictor.scorer import Scorer
from dass.searching.evolution import run
from dass.searching.evolution_config import SearchConfig
from dass.searching.prediction import Prediction
from dass.searching.verification import Short, verify
from dass.space.architecture import Architecture
from dass.space.cost import Budget
from dass.training.recipe import Recipe
from jobs.planning.contenders import trainings
from jobs.planning.plan import StudentPlan

VERIFIED = "verified"
TOP = 200
"""Students that a search returns, among which those to verify are chosen."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Verification:
    """One teacher and budget, and how a student is chosen by short trainings."""

    predictor: Scorer
    teacher: Teacher
    fraction: float
    """Budget, a fraction of the teacher's FLOPs."""
    recipe: Recipe
    """Of the trainings; the best few have all of its epochs."""
    students: int
    """How many are trained; >= 1."""
    search: SearchConfig

    def played(
        self, curves: Mapping[str, Sequence[float]]
    ) -> tuple[Prediction | None, list[StudentPlan]]:
        """Go as far as the records reach.

        Args:
            curves: validation accuracy after each epoch, by the key of the record.

        Returns:
            The choice, or None with the trainings that are needed to go on.
        """
        missing: dict[str, StudentPlan] = {}
        choice: Prediction | None = None
        for ended in verify(
            self._ordered,
            self.teacher.network.space,
            students=self.students,
            longest=self.recipe.epochs,
            measure=lambda architecture, epochs: self._looked_up(
                architecture, epochs, curves=curves, missing=missing
            ),
        ):
            if missing:
                return None, list(missing.values())
            choice = ended.checked[0].prediction
        return choice, []

    def _ordered(self, support: Sequence[Short]) -> list[Prediction]:
        budget = Budget.of(self.teacher, flops=self.fraction)
        config = replace(self.search, top=TOP)
        return list(run(self.predictor, self.teacher, budget, config=config, support=support).top)

    def _looked_up(
        self,
        architecture: Architecture,
        epochs: int,
        *,
        curves: Mapping[str, Sequence[float]],
        missing: dict[str, StudentPlan],
    ) -> float:
        (plan,) = trainings(self.teacher, architecture, recipe=self.recipe, seeds=range(1))
        key = plan.identity.key
        if key not in curves:
            missing[key] = plan
            return 0.0
        return curves[key][epochs - 1]
