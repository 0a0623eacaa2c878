"""The Ranker: teachers, searches and scores over a store and a predictor.

Plain calls with plain values; threads may share one. Knows nothing of Ray, HTTP or gRPC, nor of
who computes the scores.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch

from dass.baselines.choices import largest_in_budget, random_in_budget
from dass.errors import InvalidConfig
from dass.networks.teacher import Teacher
from dass.predictor.ensemble import Ensemble
from dass.registry.registry import Registry
from dass.searching.evolution import Generation, search
from dass.searching.prediction import Prediction, predictions
from dass.space.architecture import Architecture
from dass.space.cost import Budget
from dass.space.space import Space
from dass.space.spaces import by_name
from serve.catalogue import Catalogue
from serve.latency_tables import LatencyTables
from serve.limits import Limits, Unavailable
from serve.runs import Runs
from serve.scoring import Chunk, Local, RemoteScorer, Scoring, Support, check_finite
from serve.search_spec import SearchSpec as SearchSpec
from serve.search_spec import budget_of, timed
from serve.students import MeasuredStudents
from serve.teacher_facts import Registration, TeacherFacts

logger = logging.getLogger(__name__)


class Ranker:
    """Ranks the students of the teachers in a store: all that a protocol asks for."""

    def __init__(
        self,
        registry: Registry,
        ensemble: Ensemble,
        card: Mapping[str, Any],
        *,
        limits: Limits | None = None,
        scoring: Scoring | None = None,
    ) -> None:
        self.registry, self.ensemble, self.card = registry, ensemble, dict(card)
        self.limits = limits or Limits()
        self.scoring = scoring or Local(registry, ensemble)
        self.space: Space = by_name(ensemble.config.space)
        """The one space whose students the predictor ranks."""
        self._catalogue = Catalogue(registry, self.space, self.limits)
        self._measured = MeasuredStudents(registry.store, self.limits)
        self.runs = Runs(registry.store)
        self.latency = LatencyTables(registry.store, self.space, self.limits)

    @classmethod
    def open(
        cls,
        registry: Registry,
        *,
        predictor: str = "predictor",
        limits: Limits | None = None,
        scoring: Scoring | None = None,
    ) -> Ranker:
        """Make a ranker of a registry's predictor and teachers.

        Raises:
            UnknownName: it has no such predictor.
        """
        ensemble, card = registry.predictor(predictor)
        return cls(registry, ensemble, card, limits=limits, scoring=scoring)

    # --- teachers --------------------------------------------------------------------------

    def teachers(self, *, deleted: bool = False) -> list[TeacherFacts]:
        """Return the teachers of the predictor's space, in order of their names.

        Args:
            deleted: whether those follow that were deleted and can be restored, latest first.
        """
        return self._catalogue.teachers() + (self._catalogue.deleted() if deleted else [])

    def facts(self, name: str) -> TeacherFacts:
        """Return the facts of one teacher; raises as `Catalogue.facts`."""
        return self._catalogue.facts(name)

    def register(self, teacher: Registration) -> TeacherFacts:
        """Check a user's own teacher and publish it; raises as `Catalogue.register`."""
        return self._catalogue.register(teacher, check=self._judge)

    def check_registration(self, teacher: Registration) -> None:
        """Raise unless all but its weights is as it must be; raises as `Catalogue.check`."""
        self._catalogue.check(teacher)

    def delete(self, name: str, *, purge: bool = False) -> None:
        """Remove a teacher, to be restored or for good; raises as `Catalogue.delete`."""
        (self._catalogue.purge if purge else self._catalogue.delete)(name)
        if purge:
            self._measured.purge(name)

    def restore(self, name: str) -> TeacherFacts:
        """Restore a deleted teacher; raises as `Catalogue.restore`."""
        return self._catalogue.restore(name)

    # --- measured students -----------------------------------------------------------------

    def students(self, teacher: str) -> tuple[Support, ...]:
        """Return the measured students of a teacher; raises as `facts`."""
        return self._measured.of(teacher, self.facts(teacher).identity)

    def add_students(self, teacher: str, students: Sequence[Support]) -> tuple[Support, ...]:
        """Keep measured students, which later scores and searches are conditioned on; return all.

        Raises:
            InvalidArchitecture: one is not a member of the space.
            TooLarge: there would be more than may be.
            UnknownName: there is no such teacher.
        """
        self.limits.at_most("students", len(students))
        facts, _ = self._catalogue.get(teacher)
        self._check_students(students)
        self._measured.add(teacher, facts.identity, students)
        return self._measured.of(teacher, facts.identity)

    def remove_student(self, teacher: str, architecture: str) -> None:
        """Forget a measured student of a teacher.

        Raises:
            UnknownName: there is none, or no such teacher.
        """
        self._measured.remove(teacher, self.facts(teacher).identity, architecture)

    # --- students --------------------------------------------------------------------------

    def score(
        self, teacher: str, architectures: Sequence[str], *, support: Sequence[Support] = ()
    ) -> list[Prediction]:
        """Predict students in the given spec.

        Raises:
            InvalidArchitecture: one is not a member of the space.
            UnknownName: there is no such teacher.
        """
        self.limits.at_most("architectures", len(architectures))
        facts, made = self._catalogue.get(teacher)
        measured = self._support(facts, support)
        members = [Architecture.parse(text) for text in architectures]
        for member in members:
            self.space.check(member)
        if not members:
            return []
        scorer = RemoteScorer(self.scoring, facts.version)
        return predictions(scorer, made, members, support=measured)

    def search(self, spec: SearchSpec) -> Iterator[Generation]:
        """Search for students, generation by generation; the last one is the answer.

        Everything is checked before the first generation is asked for.

        Raises:
            InfeasibleBudget: no student fits.
            UnknownName: there is no such teacher.
        """
        spec = self.timed(spec)
        scorer, made, budget, support = self._prepared(spec)
        return search(scorer, made, budget, config=spec.config, support=support, costs=spec.clock)

    def check_search(self, spec: SearchSpec) -> None:
        """Raise what `search` would."""
        self._prepared(self.timed(spec))

    def timed(self, spec: SearchSpec) -> SearchSpec:
        """Return a search with what predicts its milliseconds; raises as `search_spec.timed`."""
        return timed(spec, self.latency, self.facts)

    def choices(self, spec: SearchSpec) -> tuple[Prediction, Prediction, Prediction]:
        """Predict what one would take without a search, to compare its answer with.

        Returns:
            The largest student in the budget, as a search by FLOPs alone finds it; one drawn at
            random; and the teacher's own architecture, distilled from itself.

        Raises:
            InfeasibleBudget: no student fits.
            UnknownName: there is no such teacher.
        """
        scorer, made, budget, support = self._prepared(self.timed(spec))
        largest = largest_in_budget(made, budget, config=spec.config)
        drawn = random_in_budget(made, budget, seed=spec.config.seed)
        members = [largest, drawn, self.space.largest]
        first, second, third = predictions(scorer, made, members, support=support)
        return first, second, third

    def _prepared(
        self, spec: SearchSpec
    ) -> tuple[RemoteScorer, Teacher, Budget, Sequence[Support]]:
        """Check a search; return its scorer, teacher, budget and measured students."""
        self.limits.at_most("candidates", spec.config.candidates)
        self.limits.at_most("top", spec.config.top)
        facts, made = self._catalogue.get(spec.teacher)
        support = self._support(facts, spec.support)
        budget = budget_of(spec, facts)
        self.space.check_budget(budget, num_classes=facts.classes)
        return RemoteScorer(self.scoring, facts.version), made, budget, support

    def in_distribution(self, teacher: str) -> bool:
        """Return whether the predictor can judge a teacher; if not, size gives the order.

        Raises:
            UnknownName: there is no such teacher.
        """
        return self.ensemble.in_distribution(self._catalogue.get(teacher)[1])

    def known(self, spec: SearchSpec) -> tuple[Support, ...]:
        """Return the measured students that a search is conditioned on; raises as `search`."""
        return self._support(self.facts(spec.teacher), spec.support)

    def _support(self, facts: TeacherFacts, asked: Sequence[Support]) -> tuple[Support, ...]:
        """Return what was measured of a teacher: what is kept, and before it what a request says.

        Checks what a request says.
        """
        self.limits.at_most("support", len(asked))
        self._check_students(asked)
        own = {(student.architecture, student.epochs) for student in asked}
        kept = self._measured.of(facts.name, facts.identity)
        return (*(s for s in kept if (s.architecture, s.epochs) not in own), *asked)

    def _check_students(self, students: Sequence[Support]) -> None:
        for student in students:
            self.space.check(Architecture.parse(student.architecture))
            if not 0 <= student.validation_accuracy <= 1:
                raise InvalidConfig(
                    "a measured accuracy must be a fraction in [0, 1], but got "
                    f"{student.validation_accuracy}"
                )

    def _judge(self, teacher: Teacher) -> None:
        """Raise unless the cheapest student and the teacher itself get finite scores."""
        members = [self.space.smallest, self.space.largest]
        check_finite(self.ensemble.predict(teacher, members), teacher.name)

    def check_ready(self) -> None:
        """Ask store and scorers whether they answer; of no teacher, since these are users' own.

        Raises:
            Unavailable: one does not. Which, and why, only the log says: anybody may ask.
        """
        for what, asked in (
            ("store", self.registry.teachers),
            ("scorers", lambda: self.scoring(Chunk(teacher="", version="", architectures=()))),
        ):
            try:
                asked()
            except Exception as error:
                logger.exception("the %s must answer", what)
                raise Unavailable(
                    f"store and scorers must answer, but the {what} did not; ask again later"
                ) from error


def one_thread() -> None:
    """Compute on one thread: n replicas share n cores."""
    torch.set_num_threads(1)
