"""The meta-dataset: measured facts, and the tensors a meta-step makes of them.

A record is plain scalars, so that pandas alone reads the Parquet files. Where they are stored is
not known here.

Dimension letters: n query students, m support students, d code length, c h w an embedding.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Protocol, runtime_checkable

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from dass.embed import embed
from dass.errors import CorruptArtifact
from dass.space import Architecture
from dass.teacher import Teacher


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """What a student training is: the same identity gives the same label on the same machine."""

    space: str
    """Name of the search space."""
    task: str
    """Name of the task."""
    teacher: str
    """Name of the teacher."""
    architecture: str
    """The student, as `str(Architecture)`."""
    recipe: str
    """Name of the training recipe."""
    seed: int
    """Of order, augmentation and views."""

    @property
    def key(self) -> str:
        """Name of the record in a store."""
        # Of these fields only: a record is found under the identity it was planned with.
        names = [field.name for field in fields(Identity)]
        text = "\n".join(f"{name}={getattr(self, name)}" for name in names)
        return hashlib.sha256(text.encode()).hexdigest()[:24]


@dataclass(frozen=True, kw_only=True, slots=True)
class StudentRecord(Identity):
    """One measured fact: how accurate a distilled student was after its last epoch."""

    validation_accuracy: float
    """Fraction; what meta-training, adaptation and selection read."""
    test_accuracy: float
    """Fraction; what reports read, and nothing else."""
    test_half_accuracy: float
    """The same on every second test image, the first one included: seeds compared on different
    images tell how much of a label is noise."""
    validation_images: int
    """Images behind `validation_accuracy`."""
    test_images: int
    """Images behind `test_accuracy`."""
    flops: int
    """Multiply-adds of one forward pass at the space's image size, classifier included."""
    parameters: int
    """Trainable parameters."""
    seconds: float
    """Cost of the training: processor time on a CPU, which others share; else wall time."""
    device: str
    """Where it ran: `cpu`, or the accelerator's name."""


@runtime_checkable
class Measured(Protocol):
    """What adaptation reads of a measured student; a `StudentRecord` has it and more."""

    @property
    def architecture(self) -> str:
        """The student, as `str(Architecture)`."""
        ...

    @property
    def validation_accuracy(self) -> float:
        """Its accuracy after distillation, a fraction."""
        ...


def to_frame(records: Iterable[StudentRecord]) -> pd.DataFrame:
    """Lay records out as a table, with a `key` column first."""
    rows = [{"key": record.key} | asdict(record) for record in records]
    columns = ["key", *(field.name for field in fields(StudentRecord))]
    return pd.DataFrame(rows, columns=columns)


def from_frame(frame: pd.DataFrame) -> list[StudentRecord]:
    """Read records out of a table, each identity once; a `key` column is not needed.

    Raises:
        CorruptArtifact: a column is missing.
    """
    names = [field.name for field in fields(StudentRecord)]
    missing = sorted(set(names) - set(frame.columns))
    if missing:
        raise CorruptArtifact(f"a table of records must have the columns {missing}, but has not")
    unique = frame.drop_duplicates([field.name for field in fields(Identity)])
    rows = zip(*(unique[name].tolist() for name in names), strict=True)
    return [StudentRecord(**dict(zip(names, row, strict=True))) for row in rows]


def to_parquet(records: Iterable[StudentRecord]) -> bytes:
    """Write records as one Parquet file."""
    buffer = io.BytesIO()
    to_frame(records).to_parquet(buffer, index=False)
    return buffer.getvalue()


def from_parquet(data: bytes) -> list[StudentRecord]:
    """Read what `to_parquet` wrote.

    Raises:
        CorruptArtifact: the bytes are no Parquet table of records.
    """
    try:
        frame = pd.read_parquet(io.BytesIO(data))
    except (OSError, ValueError, KeyError, TypeError, NotImplementedError) as error:
        raise CorruptArtifact(
            f"a record must be a whole Parquet file, but got: {error}"
        ) from error
    return from_frame(frame)


@dataclass(frozen=True, kw_only=True, slots=True)
class Episode:
    """What the predictor sees of one teacher: students to order, and support to adapt on.

    The support is the teacher itself, as its own student, and any measured students after it.
    """

    teacher_map: Float[Tensor, "c h w"]
    maps: Float[Tensor, "n c h w"]
    codes: Float[Tensor, "n d"]
    accuracies: Float[Tensor, " n"]
    support_maps: Float[Tensor, "m c h w"]
    support_codes: Float[Tensor, "m d"]
    support_accuracies: Float[Tensor, " m"]

    def to(self, device: str) -> Episode:
        """Return the episode on another device."""
        return Episode(**{f.name: getattr(self, f.name).to(device) for f in fields(Episode)})


def episode(
    teacher: Teacher,
    students: Sequence[Architecture],
    accuracies: Sequence[float],
    *,
    support: Sequence[Measured] = (),
) -> Episode:
    """Embed and encode the students and the support of a teacher.

    Args:
        teacher: the distillation-aware task.
        students: architectures to order.
        accuracies: their validation accuracies; fractions (zeros where they are to be predicted).
        support: measured students of this very teacher, beside the teacher itself.
    """
    space = teacher.network.space
    known = [space.largest, *(Architecture.parse(record.architecture) for record in support)]
    maps = embed(teacher.network, [*known, *students])
    codes = space.encode([*known, *students]).to(maps.device)
    measured = [teacher.accuracy, *(record.validation_accuracy for record in support)]
    m = len(known)
    return Episode(
        teacher_map=maps[0],
        maps=maps[m:],
        codes=codes[m:],
        accuracies=torch.tensor(accuracies, device=maps.device, dtype=torch.float32),
        support_maps=maps[:m],
        support_codes=codes[:m],
        support_accuracies=torch.tensor(measured, device=maps.device, dtype=torch.float32),
    )
