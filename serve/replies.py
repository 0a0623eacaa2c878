"""What a client is answered: the replies of both protocols, written from the ranker's values.

Knows nothing of how a reply is sent, nor of what was asked.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Literal

from pydantic import Field

from dass.searching.evolution import Generation
from dass.searching.prediction import Prediction as Predicted
from serve.latency_tables import Clock
from serve.ranker import Ranker
from serve.refusals import Problem
from serve.requests import SearchRequest
from serve.search_spec import SearchSpec
from serve.teacher_facts import TeacherFacts
from serve.wire import Model


class Teacher(Model):
    """The facts of a teacher."""

    name: str
    space: str
    classes: int
    accuracy: float
    """On its validation images; a fraction."""
    flops: int
    """Multiply-adds of one forward pass."""
    parameters: int
    """Trainable parameters."""
    smallest_flops: int
    """Multiply-adds of the cheapest student: the least possible `max_flops`."""
    smallest_parameters: int
    """Parameters of the cheapest student."""
    dataset: str | None = None
    """Name of what it was trained on; none where nothing says so."""
    class_names: list[str] = Field(default=[])
    """Of its outputs, in their order; empty where they are not known."""
    note: str | None = None
    """Its owner's."""
    created: str | None = None
    """When it was registered: ISO 8601, in UTC."""
    deleted: str | None = None
    """When it was deleted, where it was and can be restored."""

    @classmethod
    def of(cls, facts: TeacherFacts) -> Teacher:
        """Write a teacher's facts."""
        told = {name: getattr(facts, name) for name in cls.model_fields}
        return cls(**told | {"class_names": list(facts.class_names)})


class TeacherList(Model):
    """The teachers whose students can be ranked."""

    teachers: list[Teacher]


class Prediction(Model):
    """What is predicted of one student."""

    architecture: str
    """Its id."""
    accuracy: float
    """Predicted accuracy after distillation; a fraction."""
    uncertainty: float | None = None
    """Standard deviation over the ensemble; none where it has one member."""
    flops: int
    """Multiply-adds of one forward pass."""
    parameters: int
    """Trainable parameters."""
    milliseconds: float | None = None
    """Of one pass on the device of the request's latency table; none without a table."""

    @classmethod
    def of(cls, prediction: Predicted, milliseconds: float | None = None) -> Prediction:
        """Write a prediction."""
        return cls(
            architecture=str(prediction.architecture),
            accuracy=prediction.accuracy,
            uncertainty=prediction.std,
            flops=prediction.flops,
            parameters=prediction.parameters,
            milliseconds=milliseconds,
        )

    @classmethod
    def all_of(cls, found: Sequence[Predicted], clock: Clock | None) -> list[Prediction]:
        """Write predictions, with their milliseconds where there is a clock."""
        if clock is None:
            return [cls.of(p) for p in found]
        times = clock([p.architecture for p in found])
        return [cls.of(p, time) for p, time in zip(found, times, strict=True)]


class ScoreReply(Model):
    """Predictions in the order of the request."""

    predictions: list[Prediction]


class SearchReply(Model):
    """A ranking: the answer, or how it stands."""

    teacher: str
    done: bool
    """Whether this is the answer, or progress."""
    scored: int
    """Distinct candidates scored so far."""
    candidates: int
    """Candidates asked for."""
    seconds: float
    """Since the request was taken up."""
    top: list[Prediction]
    """The best so far, best first."""
    pareto: list[Prediction]
    """Those that no candidate beats in both FLOPs and accuracy, cheapest first; with a latency
    table in both milliseconds and accuracy, fastest first."""
    by_size: bool = False
    """Always false: size alone gives no order any more. For clients of before."""
    out_of_distribution: bool
    """Whether the teacher is unlike all of meta-training: intervals are wider."""

    @classmethod
    def of(
        cls,
        spec: SearchSpec,
        found: Generation,
        *,
        done: bool,
        seconds: float,
        out_of_distribution: bool,
    ) -> SearchReply:
        """Write a generation."""
        return cls(
            teacher=spec.teacher,
            done=done,
            scored=found.scored,
            candidates=spec.config.candidates,
            seconds=seconds,
            top=Prediction.all_of(found.top, spec.clock),
            pareto=Prediction.all_of(found.pareto, spec.clock),
            out_of_distribution=out_of_distribution,
        )


SearchState = Literal["queued", "running", "done", "failed"]


class SearchProgress(Model):
    """How far a search is."""

    scored: int
    """Distinct candidates scored so far."""
    candidates: int
    """Candidates asked for."""
    seconds: float
    """That it took so far, its wait included."""

    @classmethod
    def none(cls, request: SearchRequest) -> SearchProgress:
        """Return the progress of a search that has not begun."""
        return cls(scored=0, candidates=request.candidates, seconds=0.0)

    @classmethod
    def of(cls, reply: SearchReply) -> SearchProgress:
        """Write how far a search is."""
        return cls(scored=reply.scored, candidates=reply.candidates, seconds=reply.seconds)


class SearchSummary(Model):
    """A search that the service keeps, without what came of it."""

    id: str
    state: SearchState
    created: str
    """When it was posted: ISO 8601, in UTC."""
    teacher: str
    request: SearchRequest


class SearchList(Model):
    """A page of the searches, newest first."""

    searches: list[SearchSummary]
    next: str | None = None
    """What to give as `after` for the next page; none where this is the last."""


class StoredSearch(Model):
    """A search that the service keeps, how it stands and what came of it."""

    id: str
    state: SearchState
    created: str
    """When it was posted: ISO 8601, in UTC."""
    request: SearchRequest
    progress: SearchProgress
    result: SearchReply | None = None
    """The answer, once the state is `done`."""
    error: Problem | None = None
    """Why there is none, where the state is `failed`."""


class Stage(Model):
    """Blocks of one resolution."""

    options: list[int]
    """Widths that a block may have, ascending."""
    stride: int
    """Stride of the first block."""


class Space(Model):
    """Which students there are."""

    name: str
    stages: list[Stage]
    depth: int
    """Most blocks of a stage; at least 1."""
    image_size: int
    """Rows and columns of an image."""
    largest: str
    """Id of the teacher's architecture."""
    smallest: str
    """Id of the cheapest student."""

    @classmethod
    def of(cls, ranker: Ranker) -> Space:
        """Write the ranker's space."""
        space = ranker.space
        rows = zip(space.options.tolist(), space.strides, strict=True)
        return cls(
            name=space.name,
            stages=[Stage(options=options, stride=stride) for options, stride in rows],
            depth=max(space.depths),
            image_size=space.image_size,
            largest=str(space.largest),
            smallest=str(space.smallest),
        )


class Limit(Model):
    """A bound of requests."""

    name: str
    most: float


class Predictor(Model):
    """The predictor's purpose and card, and the limits of requests."""

    space: str
    recipe: str
    """Name of the student recipe that its predictions hold for."""
    members: int
    """Predictors in the ensemble."""
    card: str
    """As JSON: what it was trained on and reached."""
    limits: list[Limit]

    @classmethod
    def of(cls, ranker: Ranker) -> Predictor:
        """Write the ranker's predictor."""
        return cls(
            space=ranker.ensemble.config.space,
            recipe=ranker.ensemble.config.recipe,
            members=len(ranker.ensemble.members),
            card=json.dumps(ranker.card),
            limits=[Limit(name=n, most=float(v)) for n, v in asdict(ranker.limits).items()],
        )
