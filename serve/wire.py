"""What requests and answers look like: dass <-> pydantic, and one table of errors.

The pydantic models are the JSON of HTTP and the fields of `dass.proto`, one for one. Knows
nothing of who sends them.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any, Literal

import grpc
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
)

from dass import errors
from dass.errors import StorageError
from dass.searching.evolution import Generation, SearchConfig
from dass.searching.prediction import Prediction as Predicted
from serve import limits
from serve.ranker import Ranker, SearchSpec, TeacherFacts
from serve.ranker import Registration as NewTeacher
from serve.scoring import Support as Measured

Code = grpc.StatusCode
STATUS: dict[type[Exception], tuple[int, grpc.StatusCode]] = {
    errors.UnknownName: (404, Code.NOT_FOUND),
    errors.InvalidArchitecture: (422, Code.INVALID_ARGUMENT),
    errors.InvalidConfig: (422, Code.INVALID_ARGUMENT),
    errors.InfeasibleBudget: (422, Code.FAILED_PRECONDITION),
    errors.CorruptArtifact: (500, Code.DATA_LOSS),
    limits.InvalidRequest: (422, Code.INVALID_ARGUMENT),
    limits.InvalidUpload: (422, Code.INVALID_ARGUMENT),
    limits.AlreadyExists: (409, Code.ALREADY_EXISTS),
    limits.TooLarge: (413, Code.OUT_OF_RANGE),
    limits.Unauthenticated: (401, Code.UNAUTHENTICATED),
    limits.TookTooLong: (408, Code.DEADLINE_EXCEEDED),
    limits.Overloaded: (503, Code.RESOURCE_EXHAUSTED),
    limits.Unavailable: (503, Code.UNAVAILABLE),
    StorageError: (503, Code.UNAVAILABLE),
}
"""The one table: what an error is over HTTP and over gRPC."""


def status(error: Exception) -> tuple[int, grpc.StatusCode]:
    """Return the statuses of an error; what no table foresees is the service's own fault."""
    for kind in type(error).__mro__:
        if kind in STATUS:
            return STATUS[kind]
    return 500, Code.INTERNAL


def explain(error: Exception) -> Error:
    """Return what a client is told. Of a fault of our own it is told that it is one."""
    if status(error)[1] is Code.INTERNAL:
        return Error(error="InternalError", message="the service failed; its log says how")
    return Error(error=type(error).__name__, message=str(error))


def readable(problems: Sequence[Any]) -> str:
    """Put pydantic's findings into one line."""
    lines = []
    for problem in problems[:5]:
        where = ".".join(str(part) for part in problem["loc"] if part != "body")
        lines.append(f"{where or 'the request'}: {problem['msg']}")
    more = f" and {len(problems) - 5} more" if len(problems) > 5 else ""
    return "the request must have its documented form, but " + "; ".join(lines) + more


class _Model(BaseModel):
    model_config = ConfigDict(
        extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


def _decoded(value: Any) -> Any:
    """Return bytes (of proto) as they are, and text (of JSON) decoded from base64."""
    if not isinstance(value, str):
        return value
    try:
        return base64.b64decode(value, validate=True)
    except ValueError as error:
        raise ValueError(f"must be base64, but {error}") from error


Base64 = Annotated[
    bytes,
    BeforeValidator(_decoded),
    WithJsonSchema({"type": "string", "format": "byte", "contentEncoding": "base64"}),
]
Whole = Annotated[int, Field(ge=1, le=2**53)]
Fraction = Annotated[float, Field(gt=0, le=1)]
Name = Annotated[str, Field(min_length=1, max_length=128, examples=["digits"])]
Id = Annotated[str, Field(min_length=1, max_length=400)]


class Error(_Model):
    """Why a request was refused."""

    error: str
    """Name of the error."""
    message: str
    """What must hold, what was got, what to do."""


class Support(_Model):
    """A student of the teacher that was distilled and measured."""

    architecture: Id
    """Its id, such as 5_14-10_20-32: block widths joined by '-', stages by '_'."""
    validation_accuracy: Annotated[float, Field(ge=0, le=1)]
    """On validation images; a fraction."""


class SearchRequest(_Model):
    """Whose students, how cheap, and how to search for them."""

    teacher: Name
    """Name of a registered teacher."""
    max_flops: Whole | None = None
    """Most multiply-adds of one forward pass."""
    max_flops_share: Fraction | None = None
    """The same as a fraction of the teacher's; not both."""
    max_parameters: Whole | None = None
    """Most trainable parameters."""
    candidates: Whole = 1000
    """Distinct architectures to score."""
    k: Whole = 5
    """Best predictions to return."""
    algorithm: Literal["evolution", "random"] = "evolution"
    """Regularised evolution, or independent draws."""
    seed: Annotated[int, Field(ge=0, le=2**53)] = 0
    """Equal seeds, equal answers."""
    support: list[Support] = []
    """Measured students to adapt on, beside the teacher itself."""

    def plain(self) -> SearchSpec:
        """Return the search as the ranker takes it."""
        return SearchSpec(
            teacher=self.teacher,
            max_flops=self.max_flops,
            max_flops_share=self.max_flops_share,
            max_parameters=self.max_parameters,
            config=SearchConfig(
                algorithm=self.algorithm, candidates=self.candidates, top=self.k, seed=self.seed
            ),
            support=measured(self.support),
        )


class StreamedSearchRequest(SearchRequest):
    """A search over HTTP, whose progress may be streamed."""

    stream: bool = False
    """Answer with a line of JSON after every generation (NDJSON); the last one has `done`."""


class ScoreRequest(_Model):
    """Which students to predict."""

    teacher: Name
    """Name of a registered teacher."""
    architectures: list[Id]
    """Ids of students, repeated or not."""
    support: list[Support] = []
    """Measured students to adapt on."""


class Registration(_Model):
    """A teacher to be."""

    name: Name
    """Name it is asked for by."""
    space: Annotated[str, Field(min_length=1, max_length=40)]
    """Name of the search space whose largest member it is."""
    classes: Whole
    """Number of classes; >= 2."""
    accuracy: Fraction
    """On validation images it was not trained on; a fraction in (0, 1]."""
    weights: Base64 | None = None
    """A safetensors file with torchvision's names, in base64; exactly one of this and `path`."""
    path: Annotated[str, Field(min_length=1, max_length=400)] | None = None
    """Key of such a file inside the service's store."""

    def plain(self) -> NewTeacher:
        """Return the registration as the ranker takes it."""
        return NewTeacher(**{name: getattr(self, name) for name in type(self).model_fields})


class TeacherName(_Model):
    """Which teacher."""

    name: Name


class Teacher(_Model):
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

    @classmethod
    def of(cls, facts: TeacherFacts) -> Teacher:
        """Write a teacher's facts."""
        return cls(**{name: getattr(facts, name) for name in cls.model_fields})


class TeacherList(_Model):
    """The teachers whose students can be ranked."""

    teachers: list[Teacher]


class Prediction(_Model):
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

    @classmethod
    def of(cls, prediction: Predicted) -> Prediction:
        """Write a prediction."""
        return cls(
            architecture=str(prediction.architecture),
            accuracy=prediction.accuracy,
            uncertainty=prediction.std,
            flops=prediction.flops,
            parameters=prediction.parameters,
        )


class ScoreReply(_Model):
    """Predictions in the order of the request."""

    predictions: list[Prediction]


class SearchReply(_Model):
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
    """Those that no candidate beats in both FLOPs and accuracy, cheapest first."""
    by_size: bool
    """Whether size alone gave the order: the teacher is out of distribution."""

    @classmethod
    def of(
        cls, spec: SearchSpec, found: Generation, *, done: bool, seconds: float, by_size: bool
    ) -> SearchReply:
        """Write a generation."""
        return cls(
            teacher=spec.teacher,
            done=done,
            scored=found.scored,
            candidates=spec.config.candidates,
            seconds=seconds,
            top=[Prediction.of(p) for p in found.top],
            pareto=[Prediction.of(p) for p in found.pareto],
            by_size=by_size,
        )


class Stage(_Model):
    """Blocks of one resolution."""

    options: list[int]
    """Widths that a block may have, ascending."""
    stride: int
    """Stride of the first block."""


class Space(_Model):
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
            depth=space.depth,
            image_size=space.image_size,
            largest=str(space.largest),
            smallest=str(space.smallest),
        )


class Limit(_Model):
    """A bound of requests."""

    name: str
    most: float


class Predictor(_Model):
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


def measured(support: Sequence[Support]) -> tuple[Measured, ...]:
    """Return measured students as the ranker takes them."""
    return tuple(
        Measured(architecture=s.architecture, validation_accuracy=s.validation_accuracy)
        for s in support
    )
