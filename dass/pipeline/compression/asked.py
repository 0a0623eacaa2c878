"""What is asked of a compression, as a value: images, budget, time.

Knows nothing of how it is done.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from dass.data.source_names import canonical
from dass.data.task_config import TaskConfig
from dass.errors import InvalidConfig
from dass.networks.latency import LatencyModel
from dass.searching.evolution_config import Algorithm
from dass.space.cost import Budget, Costed, Latency, check_fraction

DEFAULT_FRACTION = 0.5
"""Of the largest student's FLOPs, where no limit is given."""

LATER = ("max_latency_ms", "latency", "latency_precision", "latency_batch", "balanced",
         "unlabelled", "algorithm")  # fmt: skip
"""Fields that folders of before do not have."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """Which images, what a student may cost, and how long it may take."""

    task: TaskConfig
    """The images and how they are divided."""
    max_flops: int | None = None
    """Most multiply-adds of one forward pass at the student's image size; > 0."""
    max_flops_fraction: float | None = None
    """The same as a fraction of the largest student's, in (0, 1]; a half without any limit. Of
    several sizes it is the largest student of the largest size, for all of them."""
    max_parameters: int | None = None
    """Most trainable parameters; > 0."""
    max_latency_ms: float | None = None
    """Most milliseconds of one pass on one thread; > 0. Here, where no `latency` is given."""
    latency: Latency | tuple[Latency, ...] | None = None
    """Predicts them of another device: a table's `at(batch=1)`; of several sizes one of each."""
    latency_precision: Literal["float32", "int8"] = "float32"
    """Of weights and activations in that pass."""
    latency_batch: int = 1
    """Images of that pass; >= 1."""
    student_size: int | Sequence[int] | None = None
    """Rows and columns of the student's images; None for the smaller of the pictures' and 64.
    Several are searched and verified together, within one budget."""
    minutes: float = 15.0
    """What it may take; sets how many students are verified and how long the last training is."""
    verify: int | None = None
    """Students that are trained briefly before one is chosen; None for as many as time allows."""
    epochs: int | None = None
    """Epochs of the last training; None for as many as time allows."""
    views: int | None = None
    """Augmented copies of each picture that the teacher is asked about; None by time, 1 to 4."""
    rivals: bool = False
    """Train the largest student in the budget, one slimmed alike and a random one as well."""
    candidates: int = 1000
    """Students that the search scores; >= 1."""
    algorithm: Algorithm = "evolution"
    """How they are sought."""
    seed: int = 0
    """Equal seeds, equal answers."""
    balanced: bool = False
    """Weigh classes by the inverse of their number of images, and judge by balanced accuracy."""
    unlabelled: bool = False
    """The images are a folder of pictures without classes: learn from the teacher alone, and
    measure agreement with its answers."""
    data_root: str = "data"
    """Folder of torchvision's datasets."""

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            InvalidConfig: one is out of range, or two contradict each other.
        """
        self._normalise()
        if self.max_flops is not None and self.max_flops_fraction is not None:
            raise InvalidConfig(
                "`max_flops` and `max_flops_fraction` must not both be given, but got "
                f"{self.max_flops} and {self.max_flops_fraction}: leave one out"
            )
        check_fraction(self.max_flops_fraction, "max_flops_fraction")
        Budget(max_flops=self.max_flops, max_parameters=self.max_parameters)
        self._check_latency()
        if not 0 < self.minutes < 1e5:
            raise InvalidConfig(f"`minutes > 0` must hold, but got {self.minutes}: give 15, say")
        sizes = [size for size in self.sizes if size is not None]
        if min(sizes, default=8) < 8:
            raise InvalidConfig(f"`student_size >= 8` must hold, but got {min(sizes)}: raise it")
        least = {"verify": len(sizes) if len(sizes) > 1 else 0, "epochs": 1, "views": 1,
                 "candidates": 1, "latency_batch": 1}  # fmt: skip
        for name, lowest in least.items():
            value = getattr(self, name)
            if value is not None and value < lowest:
                raise InvalidConfig(f"`{name} >= {lowest}` must hold, but got {value}: raise it")
        if self.unlabelled:
            self._check_unlabelled()

    @property
    def sizes(self) -> tuple[int | None, ...]:
        """The sizes of students' images; None for one that the pictures decide."""
        return self.student_size if isinstance(self.student_size, tuple) else (self.student_size,)

    def _normalise(self) -> None:
        """Let one of several be one, and several be in order."""
        if isinstance(self.student_size, list | tuple):
            sizes = tuple(sorted(set(self.student_size)))
            object.__setattr__(
                self, "student_size", sizes[0] if len(sizes) == 1 else sizes or None
            )
        if isinstance(self.latency, list | tuple):
            tables = tuple(self.latency)
            object.__setattr__(self, "latency", tables[0] if len(tables) == 1 else tables or None)

    def of_size(self, size: int, *, space: str, largest: Costed) -> Asked:
        """Return what is asked of the students of one of several sizes, in absolute numbers.

        Args:
            size: rows and columns of their images.
            space: in which they are sought.
            largest: the largest student of all sizes, of whose FLOPs a fraction is one.

        Raises:
            InvalidConfig: milliseconds of another device are limited, and no table is of the
                space.
        """
        latency = self.latency
        if latency is not None:
            given = latency if isinstance(latency, tuple) else (latency,)
            latency = next((table for table in given if table.space == space), None)
            if latency is None:
                raise InvalidConfig(
                    f"there must be a latency table for each of several sizes, but none is of "
                    f"{space!r}: {', '.join(repr(table.space) for table in given)} were given; "
                    f"measure it there, `dass latency small --space {space} --pack pack`, or "
                    f"leave `student_size` {size} out"
                )
        return replace(
            self,
            student_size=size,
            max_flops=self._max_flops(largest),
            max_flops_fraction=None,
            latency=latency,
        )

    def _check_unlabelled(self) -> None:
        if self.balanced:
            raise InvalidConfig(
                "`balanced` must be off for images without classes, whose labels are not learned "
                "from, but both are set: leave one out"
            )
        task = self.task
        for place in (task.source, task.validation, task.test):
            if place and canonical(place)[0] != "folder":
                raise InvalidConfig(
                    f"images without classes must be a folder of pictures, but got {place!r}: "
                    f"write `folder:PATH`, or leave `unlabelled` out"
                )
        if task.classes is not None or task.only or task.exclude:
            raise InvalidConfig(
                "`classes`, `only` and `exclude` must be left out for images without classes, but "
                f"got {task.classes}, {task.only} and {task.exclude}"
            )

    def _check_latency(self) -> None:
        limit = self.max_latency_ms
        if limit is None and self.latency is not None:
            first = self.latency[0] if isinstance(self.latency, tuple) else self.latency
            raise InvalidConfig(
                f"`latency`, a table of {first.device!r}, must come with `max_latency_ms`, "
                "but got none: give the most milliseconds of a pass"
            )
        if isinstance(self.latency, tuple) and len(self.sizes) == 1:
            raise InvalidConfig(
                f"`latency` must be one table for one size of pictures, but got "
                f"{len(self.latency)}: leave others out, or give several `student_size`"
            )
        if limit is not None and not 0 < limit < math.inf:
            raise InvalidConfig(f"`max_latency_ms > 0` must hold, but got {limit}: give 1.0, say")

    def budget(self, largest: Costed) -> Budget:
        """Return the budget in absolute numbers; `largest` is the largest student.

        Without what is limited by a table that must be measured first. Of one size.
        """
        return Budget(
            max_flops=self._max_flops(largest),
            max_parameters=self.max_parameters,
            max_latency_ms=None if self.latency is None else self.max_latency_ms,
            latency=self.table,
        )

    @property
    def table(self) -> Latency | None:
        """What predicts milliseconds of another device, for one size."""
        assert not isinstance(self.latency, tuple), "each size has its own table"
        return self.latency

    def _max_flops(self, largest: Costed) -> int | None:
        """Return the limit of FLOPs in absolute numbers."""
        fraction = self.max_flops_fraction
        limits = (self.max_flops, fraction, self.max_parameters, self.max_latency_ms)
        if limits == (None,) * 4:
            fraction = DEFAULT_FRACTION
        flops = self.max_flops
        if fraction is not None:
            flops = Budget.of(largest, flops=fraction).max_flops
        return flops

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as values of JSON; of `LATER` those that are not at their default.

        So a run of an earlier version goes on.
        """
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        for field in dataclasses.fields(self):
            if field.name in LATER and fields[field.name] == field.default:
                del fields[field.name]
        if self.latency is not None:
            tables = self.latency if isinstance(self.latency, tuple) else (self.latency,)
            names = [_named(table) for table in tables]
            fields["latency"] = names if isinstance(self.latency, tuple) else names[0]
        plain: dict[str, Any] = json.loads(json.dumps(fields | {"task": self.task.to_dict()}))
        return plain


def limits_of(budget: Budget | float | None, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that a budget stands for; a half of the FLOPs where nothing is limited."""
    if budget is None:
        limited = settings.get("max_latency_ms") is not None
        return {} if limited else {"max_flops_fraction": DEFAULT_FRACTION}
    if not isinstance(budget, Budget):
        return {"max_flops_fraction": budget}
    limits: dict[str, Any] = {
        "max_flops": budget.max_flops,
        "max_parameters": budget.max_parameters,
    }
    if budget.max_latency_ms is not None:
        limits |= {"max_latency_ms": budget.max_latency_ms, "latency": budget.latency}
    if isinstance(budget.latency, LatencyModel):
        prices = budget.latency.prices
        limits |= {"latency_precision": prices.precision, "latency_batch": prices.batch}
    return limits


def _named(latency: Latency) -> str:
    """Name what predicts milliseconds, so that another one is told apart."""
    named = f"{latency.device}, {latency.space}"
    if not isinstance(latency, LatencyModel):
        return named
    prices = json.dumps(dataclasses.asdict(latency.prices), sort_keys=True)
    return f"{named}, {hashlib.sha256(prices.encode()).hexdigest()[:16]}"
