"""The meta-dataset: measured facts, and the tensors a meta-step makes of them.

A record is plain scalars and one list of them, so that pandas alone reads the Parquet files.
Where they are stored is not known here. Pandas is imported by the functions that make tables: a
search reads none.

Dimension letters: n query students, m support students, d code length, c h w an embedding.
"""

from __future__ import annotations

import hashlib
import io
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from dass.errors import CorruptArtifact

if TYPE_CHECKING:
    import pandas


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
    """Seed of order, augmentation and views."""

    @property
    def key(self) -> str:
        """Name of the record in a store."""
        # Of these fields only: a record is found under the identity it was planned with.
        text = "\n".join(f"{name}={getattr(self, name)}" for name in _IDENTITY)
        return hashlib.sha256(text.encode()).hexdigest()[:24]


_IDENTITY = tuple(field.name for field in fields(Identity))


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
    curve: tuple[float, ...] = ()
    """Validation accuracy after each epoch, a fraction: one training is a label at several
    fidelities. Empty in records of before it was kept."""
    validation_half_accuracy: float | None = None
    """Accuracy on every second validation image, the first one included: whether the other half
    orders students alike tells how much of a label is noise. `None` in older records."""


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


LATER = ("curve", "validation_half_accuracy")
"""Fields that tables of before do not have."""


def to_frame(records: Iterable[StudentRecord]) -> pandas.DataFrame:
    """Lay records out as a table, with a `key` column first."""
    import pandas

    rows = [{"key": record.key} | asdict(record) for record in records]
    columns = ["key", *(field.name for field in fields(StudentRecord))]
    return pandas.DataFrame(rows, columns=columns)


def from_frame(frame: pandas.DataFrame) -> list[StudentRecord]:
    """Read records out of a table, each identity once; a `key` column is not needed.

    Raises:
        CorruptArtifact: a column is missing.
    """
    names = [field.name for field in fields(StudentRecord) if field.name not in LATER]
    missing = sorted(set(names) - set(frame.columns))
    if missing:
        raise CorruptArtifact(f"a table of records must have the columns {missing}, but has not")
    unique = frame.drop_duplicates([field.name for field in fields(Identity)])
    rows = zip(*(unique[name].tolist() for name in names), strict=True)
    later = zip(*(_column(unique, name) for name in LATER), strict=True)
    return [
        StudentRecord(
            **dict(zip(names, row, strict=True)),
            curve=_curve(curve),
            validation_half_accuracy=None if half is None or math.isnan(half) else float(half),
        )
        for row, (curve, half) in zip(rows, later, strict=True)
    ]


def _column(frame: pandas.DataFrame, name: str) -> list[Any]:
    return frame[name].tolist() if name in frame else [None] * len(frame)


def _curve(cell: Any) -> tuple[float, ...]:
    """Return a table's cell as a curve: a list, or nothing in old rows of a joined table."""
    return tuple(map(float, cell)) if isinstance(cell, Iterable) else ()


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
    import pandas

    try:
        frame = pandas.read_parquet(io.BytesIO(data))
    except (OSError, ValueError, KeyError, TypeError, NotImplementedError) as error:
        raise CorruptArtifact(
            f"a record must be a whole Parquet file, but got: {error}"
        ) from error
    return from_frame(frame)


def mean_over_seeds(records: Sequence[StudentRecord]) -> list[StudentRecord]:
    """Merge the trainings of each architecture into one record of mean accuracies."""
    groups: dict[str, list[StudentRecord]] = defaultdict(list)
    for record in records:
        groups[record.architecture].append(record)
    return [
        replace(
            group[0],
            validation_accuracy=float(np.mean([r.validation_accuracy for r in group])),
            test_accuracy=float(np.mean([r.test_accuracy for r in group])),
            curve=_mean_curve([r.curve for r in group]),
            validation_half_accuracy=_mean_half([r.validation_half_accuracy for r in group]),
        )
        for _, group in sorted(groups.items())
    ]


def _mean_curve(curves: Sequence[tuple[float, ...]]) -> tuple[float, ...]:
    """Return the mean of curves of one length; nothing where one is missing."""
    if len({len(curve) for curve in curves}) > 1:
        return ()
    return tuple(float(np.mean(values)) for values in zip(*curves, strict=True))


def _mean_half(halves: Sequence[float | None]) -> float | None:
    """Return the mean; nothing where one is missing."""
    known = [half for half in halves if half is not None]
    return float(np.mean(known)) if len(known) == len(halves) else None


FIRST_CLOSED_LOOP_SEED = 1000
"""Seeds from here on belong to closed loops: never one of the meta-dataset's."""
