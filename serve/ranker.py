"""The Ranker: teachers, searches and scores over a store and a predictor.

Plain calls with plain values: it knows nothing of Ray, HTTP or gRPC, nor of who computes the
scores. Threads may share one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from dass.errors import CorruptArtifact, InvalidConfig, NameTaken, UnknownName
from dass.networks.teacher import Teacher
from dass.predictor.ensemble import Ensemble
from dass.registry.adoption import adopt_teacher, read_weights
from dass.registry.registry import Registry
from dass.searching.evolution import Generation, SearchConfig, search
from dass.searching.prediction import Prediction, predictions
from dass.space.architecture import Architecture
from dass.space.cost import Budget, check_fraction
from dass.space.space import Space
from dass.space.spaces import by_name
from serve.limits import AlreadyExists, InvalidRequest, InvalidUpload, Limits, Unavailable
from serve.scoring import Local, RemoteScorer, Scoring, Support, Teachers, version_of

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._=+@,~-]{0,127}")
"""Names of teachers: one part of a store's key, readable in a URL."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Registration:
    """A teacher to be: facts, and its weights or where in the store they are."""

    name: str
    space: str
    classes: int
    accuracy: float
    """On its validation images; a fraction in (0, 1]."""
    weights: bytes | None = None
    """A safetensors file with the parameter names of `dass.networks.resnet.ResNet`."""
    path: str | None = None
    """Key of such a file inside the store."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TeacherFacts:
    """What the registry says of a teacher without its weights."""

    name: str
    space: str
    classes: int
    accuracy: float
    """On its validation images, a fraction."""
    flops: int
    """Multiply-adds of the teacher, the largest member of its space."""
    parameters: int
    smallest_flops: int
    """Of the cheapest student."""
    smallest_parameters: int
    version: str = field(repr=False)
    """Changes with the weights."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchSpec:
    """What to search for: the plain values of a request."""

    teacher: str
    max_flops: int | None = None
    max_flops_share: float | None = None
    """The same as a fraction of the teacher's, in (0, 1]."""
    max_parameters: int | None = None
    config: SearchConfig = field(default_factory=SearchConfig)
    support: tuple[Support, ...] = ()


class Ranker:
    """Ranks the students of the teachers in a store."""

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
        self._teachers = Teachers(registry)

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

    def teachers(self) -> list[TeacherFacts]:
        """Return the teachers of the predictor's space, in order of their names."""
        found = []
        for name in self.registry.teachers():
            # One broken or just deleted teacher must not hide the others.
            try:
                facts = self.describe(name)
            except (CorruptArtifact, UnknownName):
                continue
            if facts.space == self.space.name:
                found.append(facts)
        return found

    def describe(self, name: str) -> TeacherFacts:
        """Return the facts of one teacher.

        Raises:
            UnknownName: there is none of that name.
            CorruptArtifact: its manifest is broken.
        """
        check_name(name)
        facts = self._facts(name)
        try:
            space, classes = by_name(facts["space"]), int(facts["num_classes"])
            members = [space.largest, space.smallest]
            flops = space.flops(members, num_classes=classes).tolist()
            parameters = space.parameters(members, num_classes=classes).tolist()
            accuracy = float(facts["accuracy"])
        except (KeyError, TypeError, ValueError, UnknownName) as error:
            raise CorruptArtifact(
                f"the manifest of teacher {name} is unusable: {error}"
            ) from error
        return TeacherFacts(
            name=name,
            space=space.name,
            classes=classes,
            accuracy=accuracy,
            flops=flops[0],
            parameters=parameters[0],
            smallest_flops=flops[1],
            smallest_parameters=parameters[1],
            version=version_of(facts),
        )

    def _facts(self, name: str) -> dict[str, Any]:
        try:
            return self.registry.teacher_facts(name)
        except UnknownName as error:  # the registry's own words tell where the store is
            raise UnknownName(
                f"a teacher must be registered, but {name!r} is not; list the teachers for those "
                "that are"
            ) from error

    def register(self, teacher: Registration) -> TeacherFacts:
        """Check a user's own teacher and publish it; the same one again is fine.

        Raises:
            InvalidUpload: the weights are no safetensors file of the space's largest member.
            AlreadyExists: another teacher has that name.
        """
        check_name(teacher.name)
        if teacher.space != self.space.name:
            raise InvalidConfig(
                f"`space` must be {self.space.name!r}, the predictor's, but got {teacher.space!r}"
            )
        self.limits.at_most("classes", teacher.classes)
        if teacher.classes < 2:
            raise InvalidConfig(f"`classes >= 2` must hold, but got {teacher.classes}")
        data = self._weights(teacher)
        self.limits.at_most("upload_bytes", len(data))
        try:
            network = read_weights(
                data, space=self.space, num_classes=teacher.classes, where=teacher.name
            )
        except CorruptArtifact as error:
            raise InvalidUpload(str(error)) from error
        made = Teacher(name=teacher.name, network=network, accuracy=teacher.accuracy)
        if not self.registry.has_teacher(teacher.name):
            self.limits.at_most("teachers", len(self.registry.teachers()) + 1)
        try:
            adopt_teacher(self.registry, made, data)
        except NameTaken as error:
            raise AlreadyExists(str(error)) from error
        return self.describe(teacher.name)

    def _weights(self, teacher: Registration) -> bytes:
        if (teacher.weights is None) == (teacher.path is None):
            raise InvalidRequest("exactly one of `weights` and `path` must be given")
        if teacher.weights is not None:
            return teacher.weights
        assert teacher.path is not None
        try:
            return self.registry.store.read(teacher.path)
        except (LookupError, ValueError) as error:
            raise InvalidUpload(
                f"`path` must be the key of a safetensors file inside the store: {error}"
            ) from error

    def delete(self, name: str) -> None:
        """Remove a teacher.

        Raises:
            UnknownName: there is none of that name.
        """
        check_name(name)
        self._facts(name)
        self.registry.drop_teacher(name)

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
        facts, made = self._teacher(teacher)
        self._check_support(support)
        members = [Architecture.parse(text) for text in architectures]
        for member in members:
            self.space.check(member)
        if not members:
            return []
        scorer = RemoteScorer(self.scoring, facts.version)
        return predictions(scorer, made, members, support=support)

    def search(self, spec: SearchSpec) -> Iterator[Generation]:
        """Search for students, generation by generation; the last one is the answer.

        Everything is checked before the first generation is asked for.

        Raises:
            InfeasibleBudget: no student fits.
            UnknownName: there is no such teacher.
        """
        self.limits.at_most("candidates", spec.config.candidates)
        self.limits.at_most("top", spec.config.top)
        facts, made = self._teacher(spec.teacher)
        self._check_support(spec.support)
        budget = self._budget(spec, facts)
        self.space.check_budget(budget, num_classes=facts.classes)
        scorer = RemoteScorer(self.scoring, facts.version)
        return search(scorer, made, budget, config=spec.config, support=spec.support)

    def in_distribution(self, teacher: str) -> bool:
        """Return whether the predictor can judge a teacher; if not, size gives the order.

        Raises:
            UnknownName: there is no such teacher.
        """
        return self.ensemble.in_distribution(self._teacher(teacher)[1])

    def _teacher(self, name: str) -> tuple[TeacherFacts, Teacher]:
        facts = self.describe(name)
        if facts.space != self.space.name:
            raise InvalidConfig(
                f"the teacher must be of space {self.space.name!r}, the predictor's, but "
                f"{name!r} is of {facts.space!r}"
            )
        return facts, self._teachers.get(name, facts.version)

    def _check_support(self, support: Sequence[Support]) -> None:
        self.limits.at_most("support", len(support))
        for student in support:
            self.space.check(Architecture.parse(student.architecture))
            if not 0 <= student.validation_accuracy <= 1:
                raise InvalidConfig(
                    "a measured accuracy must be a fraction in [0, 1], but got "
                    f"{student.validation_accuracy}"
                )

    def _budget(self, spec: SearchSpec, facts: TeacherFacts) -> Budget:
        fraction, flops = spec.max_flops_share, spec.max_flops
        if fraction is not None:
            if flops is not None:
                raise InvalidConfig(
                    "`max_flops` and `max_flops_share` must not both be given, but got "
                    f"{flops} and {fraction}"
                )
            check_fraction(fraction, "max_flops_share")
            flops = Budget.of(facts, flops=fraction).max_flops
        return Budget(max_flops=flops, max_parameters=spec.max_parameters)

    def check_ready(self) -> None:
        """Score one student of one teacher, if there is a teacher.

        Raises:
            Unavailable: the store or the scorers do not answer.
        """
        try:
            names = self.teachers()
            if names:
                self.score(names[0].name, [str(self.space.smallest)])
        except Exception as error:
            raise Unavailable(
                f"store and scorers must answer, but {type(error).__name__}: {error}"
            ) from error


def check_name(name: str) -> None:
    """Raise unless a teacher may be called that.

    Raises:
        InvalidRequest: says which names there may be.
    """
    if not NAME.fullmatch(name) or ".." in name:
        raise InvalidRequest(
            "a teacher's name must be 1 to 128 of the letters a-z, A-Z, digits and ._=+@,~-, the "
            f"first a letter or digit and no two dots in a row, but got {name[:80]!r}"
        )


def one_thread() -> None:
    """Compute on one thread: n replicas share n cores."""
    torch.set_num_threads(1)
