"""What a client may ask: the requests of both protocols, checked, and as the ranker takes them.

Knows nothing of how a request came, nor of what is answered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from dass.searching.evolution_config import SearchConfig
from serve import scoring, teacher_facts
from serve.search_spec import SearchSpec
from serve.wire import (
    Base64,
    Batch,
    ClassName,
    Count,
    Dataset,
    Epochs,
    Fraction,
    Id,
    Milliseconds,
    Model,
    Name,
    Note,
    PageSize,
    SearchName,
    StoreKey,
)


class Support(Model):
    """A student of the teacher that was distilled and measured."""

    architecture: Id
    """Its id, such as 5_14-10_20-32: block widths joined by '-', stages by '_'."""
    validation_accuracy: Annotated[float, Field(ge=0, le=1)]
    """On validation images; a fraction."""
    epochs: Epochs = 0
    """How long it was trained; 0 is the whole recipe."""

    @classmethod
    def of(cls, student: scoring.Support) -> Support:
        """Write what the ranker has."""
        return cls(**asdict(student))


class SearchRequest(Model):
    """Whose students, how cheap, and how to search for them."""

    teacher: Name
    """Name of a registered teacher."""
    max_flops: Count | None = None
    """Most multiply-adds of one forward pass."""
    max_flops_share: Fraction | None = None
    """The same as a fraction of the teacher's; not both."""
    max_parameters: Count | None = None
    """Most trainable parameters."""
    candidates: Count = 1000
    """Distinct architectures to score."""
    k: Count = 5
    """Best predictions to return."""
    algorithm: Literal["evolution", "random"] = "evolution"
    """Regularised evolution, or independent draws."""
    seed: Annotated[int, Field(ge=0, le=2**53)] = 0
    """Equal seeds, equal answers."""
    support: list[Support] = Field(default=[])
    """Measured students to adapt on, beside the teacher itself."""
    max_latency_ms: Milliseconds | None = None
    """Most milliseconds of one pass, as `latency_table` predicts them."""
    latency_table: Name | None = None
    """Name of the table; with it students have milliseconds, and the Pareto front is over them."""
    precision: Literal["float32", "int8"] = "float32"
    """Of weights and activations in that pass."""
    batch: Batch = 1
    """Images of that pass."""

    def plain(self) -> SearchSpec:
        """Return the search as the ranker takes it."""
        return SearchSpec(
            teacher=self.teacher,
            max_flops=self.max_flops,
            max_flops_fraction=self.max_flops_share,
            max_parameters=self.max_parameters,
            config=SearchConfig(
                algorithm=self.algorithm, candidates=self.candidates, top=self.k, seed=self.seed
            ),
            support=measured(self.support),
            max_latency_ms=self.max_latency_ms,
            latency_table=self.latency_table,
            precision=self.precision,
            batch=self.batch,
        )


class StreamedSearchRequest(SearchRequest):
    """A search over HTTP, whose progress may be streamed."""

    stream: bool = False
    """Answer with a line of JSON after every generation (NDJSON); the last one has `done`."""

    @classmethod
    def own(cls) -> list[str]:
        """Return the fields that say how to answer, not what to search for."""
        return [name for name in cls.model_fields if name not in SearchRequest.model_fields]


class SearchId(Model):
    """Which search that the service keeps."""

    id: SearchName


class ListSearchesRequest(Model):
    """Which page of the searches, newest first."""

    limit: PageSize = 20
    """Most of one page."""
    after: SearchName | None = None
    """`next` of the page before."""


class ScoreRequest(Model):
    """Which students to predict."""

    teacher: Name
    """Name of a registered teacher."""
    architectures: list[Id]
    """Ids of students, repeated or not."""
    support: list[Support] = Field(default=[])
    """Measured students to adapt on."""


class Registration(Model):
    """A teacher to be."""

    name: Name
    """Name it is asked for by."""
    space: Annotated[str, Field(min_length=1, max_length=80)]
    """Name of the search space whose largest member it is."""
    classes: Count
    """Number of classes; >= 2."""
    accuracy: Fraction
    """On validation images it was not trained on; a fraction in (0, 1]."""
    weights: Base64 | None = None
    """A safetensors file with torchvision's names, in base64; exactly one of this and `path`."""
    path: StoreKey | None = None
    """Key of such a file inside the service's store."""
    dataset: Dataset | None = None
    """Name of what it was trained on."""
    class_names: list[ClassName] = Field(default=[])
    """Of its outputs, in their order; all of them or none."""
    note: Note | None = None
    """Its owner's; kept as it was first written."""

    def plain(self) -> teacher_facts.Registration:
        """Return the registration as the ranker takes it."""
        return teacher_facts.Registration(
            **{name: getattr(self, name) for name in type(self).model_fields}
        )


class Facts(BaseModel):
    """What is said of a teacher whose weights are the body: text, so numbers are read from it."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)

    space: Annotated[str, Field(min_length=1, max_length=80)]
    """Name of the search space whose largest member it is."""
    classes: Count
    """Number of classes; >= 2."""
    accuracy: Fraction
    """On validation images it was not trained on; a fraction in (0, 1]."""
    dataset: Dataset | None = None
    """Name of what it was trained on."""
    class_names: list[ClassName] = Field(default=[])
    """Of its outputs, in their order, the name of the field once for each; all or none."""
    note: Note | None = None
    """Its owner's; kept as it was first written."""

    def plain(self, name: str) -> teacher_facts.Registration:
        """Return the registration as the ranker takes it, without weights yet."""
        return teacher_facts.Registration(name=name, **self.model_dump())


class ListTeachersRequest(Model):
    """Which teachers."""

    deleted: bool = False
    """Whether those follow that were deleted and can be restored."""


class MeasuredStudent(Model):
    """A student of a teacher that was distilled and measured, as the service keeps it."""

    architecture: Id
    """Its id, such as 5_14-10_20-32: block widths joined by '-', stages by '_'."""
    accuracy: Annotated[float, Field(ge=0, le=1)]
    """On validation images; a fraction."""
    epochs: Epochs = 0
    """How long it was trained; 0 is the whole recipe."""


class StudentList(Model):
    """Measured students of one teacher, as they are posted and listed."""

    students: list[MeasuredStudent]

    def plain(self) -> tuple[scoring.Support, ...]:
        """Return them as the ranker takes them."""
        return tuple(
            scoring.Support(
                architecture=s.architecture, validation_accuracy=s.accuracy, epochs=s.epochs
            )
            for s in self.students
        )

    @classmethod
    def of(cls, students: Sequence[scoring.Support]) -> StudentList:
        """Write what the ranker has."""
        return cls(
            students=[
                MeasuredStudent(
                    architecture=s.architecture, accuracy=s.validation_accuracy, epochs=s.epochs
                )
                for s in students
            ]
        )


class AddStudentsRequest(Model):
    """Measured students to keep, and whose they are."""

    teacher: Name
    students: list[MeasuredStudent]


class StudentId(Model):
    """Which measured student of which teacher."""

    teacher: Name
    architecture: Id


class TeacherName(Model):
    """Which teacher."""

    name: Name


def measured(support: Sequence[Support]) -> tuple[scoring.Support, ...]:
    """Return measured students as the ranker takes them."""
    return tuple(
        scoring.Support(
            architecture=s.architecture,
            validation_accuracy=s.validation_accuracy,
            epochs=s.epochs,
        )
        for s in support
    )
