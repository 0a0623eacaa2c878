"""Latency tables that a store keeps by name: milliseconds of students on somebody's device.

service/latency-tables/NAME.json    what `dass latency` wrote

A table comes from outside, so nothing is taken on trust. Knows nothing of searches, nor of
protocols.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from dass.errors import CorruptArtifact, DassError, InvalidConfig, MissingKey, UnknownName
from dass.networks.latency import LatencyModel, LatencyTable, pack_table, read_table
from dass.space.architecture import Architecture
from dass.space.space import Space
from dass.space.spaces import by_name
from dass.store.store import Store
from serve.latency_wire import LatencyPrices
from serve.latency_wire import LatencyTable as Facts
from serve.limits import AlreadyExists, InvalidUpload, Limits
from serve.names import check_name
from serve.scoring import Cache

logger = logging.getLogger(__name__)

PREFIX = "service/latency-tables"
REMEMBERED = 32
"""Tables that a process keeps in memory, by their bytes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Clock:
    """Predicts milliseconds of one teacher's students."""

    model: LatencyModel
    classes: int

    def __call__(self, architectures: Sequence[Architecture]) -> list[float]:
        """Return milliseconds of a pass through each."""
        found: list[float] = self.model.milliseconds(
            architectures, num_classes=self.classes
        ).tolist()
        return found


class LatencyTables:
    """The tables of one space in a store; threads may share one."""

    def __init__(self, store: Store, space: Space, limits: Limits) -> None:
        self.store, self.space, self.limits = store, space, limits
        self._known: Cache[bytes, LatencyTable] = Cache(lambda _: 1, max_bytes=REMEMBERED)

    def all(self) -> list[Facts]:
        """Return what is known of each table of the space, in order of their names."""
        found = []
        for name in self._names():
            try:  # one broken or just deleted table must not hide the others
                found.append(self.facts(name))
            except (CorruptArtifact, UnknownName, InvalidConfig) as error:
                logger.warning("latency table %r is left out of the list: %s", name, error)
        return found

    def facts(self, name: str) -> Facts:
        """Return what is known of a table.

        Raises:
            UnknownName: there is none of that name.
            CorruptArtifact: its file is broken.
            InvalidConfig: it is of another space.
        """
        return facts_of(name, self._get(name))

    def put(self, name: str, data: bytes) -> Facts:
        """Keep a table; the same one again is fine.

        Raises:
            InvalidUpload: it is no table; says why.
            InvalidConfig: it is of another space than the predictor's.
            AlreadyExists: another table has that name.
        """
        check_name(name, what="latency table")
        try:
            table = read_table(data, where=name)
            self._check(table, name)
            facts = facts_of(name, table)
        except CorruptArtifact as error:
            raise InvalidUpload(" ".join(str(error).split())[:600]) from error
        except DassError:
            raise
        # What JSON can say and no table can: numbers beyond any, or nested without end.
        except (ValueError, OverflowError, RecursionError) as error:
            raise InvalidUpload(
                "a latency table must be what `dass latency` writes, but is not: "
                + " ".join(str(error).split())[:300]
            ) from error
        kept = pack_table(table)
        names = self._names()
        if name not in names:
            self.limits.at_most("latency_tables", len(names) + 1)
        if not self.store.create(_key(name), kept) and self.store.read(_key(name)) != kept:
            raise AlreadyExists(
                f"a latency table's name must be free, but {name!r} stands for another one; "
                "delete that first, or choose another name"
            )
        return facts

    def delete(self, name: str) -> None:
        """Remove a table.

        Raises:
            UnknownName: there is none of that name.
        """
        check_name(name, what="latency table")
        if not self.store.exists(_key(name)):
            raise _unknown(name)
        self.store.delete(_key(name))

    def clock(self, name: str, *, batch: int, precision: str, classes: int) -> Clock:
        """Return what predicts milliseconds by a table, for students with so many classes.

        Raises:
            UnknownName: there is no such table.
            InvalidConfig: it has not measured that precision and batch.
        """
        table = self._get(name)
        try:
            model = table.at(batch=batch, precision=precision)
        except UnknownName as error:
            raise InvalidConfig(str(error)) from error
        return Clock(model=model, classes=classes)

    def _names(self) -> list[str]:
        return [key.split("/")[-1].removesuffix(".json") for key in self.store.list(PREFIX)]

    def _get(self, name: str) -> LatencyTable:
        check_name(name, what="latency table")
        try:
            data = self.store.read(_key(name))
        except MissingKey as error:  # its own words tell where the store is
            raise _unknown(name) from error
        where = f"latency table {name!r}"
        table = self._known.get(data, lambda: read_table(data, where=where))
        self._check(table, name)
        return table

    def _check(self, table: LatencyTable, name: str) -> None:
        if table.space != self.space.name:
            raise InvalidConfig(
                f"a latency table must be of space {self.space.name!r}, the predictor's, but "
                f"{name!r} is of {table.space!r}; measure one with `dass latency`"
            )
        self.limits.at_most("classes", table.num_classes)


def facts_of(name: str, table: LatencyTable) -> Facts:
    """Return what is known of a table without its measurements."""
    space, classes = by_name(table.space), table.num_classes
    prices = []
    for each in table.prices:
        model = LatencyModel(device=table.device, space=table.space, prices=each)
        slowest = model.milliseconds([space.largest], num_classes=classes)
        fastest = model.milliseconds(space.shallowest, num_classes=classes)
        prices.append(
            LatencyPrices(
                precision=each.precision,
                batch=each.batch,
                fastest_ms=float(fastest.min()),
                slowest_ms=float(slowest[0]),
                median_error=each.held_out.median,
                p95_error=each.held_out.p95,
            )
        )
    return Facts(
        name=name,
        device=table.device,
        cpu=table.cpu,
        onnxruntime=table.onnxruntime,
        space=table.space,
        classes=classes,
        prices=prices,
    )


def _key(name: str) -> str:
    return f"{PREFIX}/{name}.json"


def _unknown(name: str) -> UnknownName:
    return UnknownName(
        f"a latency table must have been posted, but {name!r} was not; list the tables for those "
        "that were"
    )
