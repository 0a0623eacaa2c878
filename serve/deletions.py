"""Teachers that were deleted and can be restored: for how long, and how many.

Knows nothing of protocols.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from dass.errors import CorruptArtifact, MissingKey, NameTaken, UnknownName
from dass.registry import deleted_teachers
from dass.registry.deleted_teachers import Deleted
from dass.store.store import Store
from serve.limits import AlreadyExists, Limits

logger = logging.getLogger(__name__)


def now() -> datetime:
    """Return the time, in UTC."""
    return datetime.now(UTC)


class Deletions:
    """The deleted teachers of a store; threads may share one."""

    def __init__(
        self, store: Store, limits: Limits, *, clock: Callable[[], datetime] = now
    ) -> None:
        self.store, self.limits, self.clock = store, limits, clock

    def delete(self, name: str) -> None:
        """Put a teacher aside, and remove for good those whose time is over.

        Raises:
            UnknownName: there is none of that name.
        """
        try:
            deleted_teachers.put_aside(self.store, name, at=self.clock())
        except MissingKey as error:
            raise UnknownName(f"a teacher must be registered, but {name!r} is not") from error
        every = deleted_teachers.deleted(self.store)
        kept = self._kept(every)
        for one in every:
            if one not in kept:
                deleted_teachers.purge(self.store, one)

    def kept(self, name: str | None = None) -> list[Deleted]:
        """Return those that can be restored, the latest first."""
        found = self._kept(deleted_teachers.deleted(self.store))
        return [one for one in found if name in (None, one.name)]

    def _kept(self, every: Sequence[Deleted]) -> list[Deleted]:
        """Return those of all, the latest first, that are neither too old nor too many."""
        since = self.clock() - timedelta(days=self.limits.deleted_days)
        return [one for one in every[: self.limits.deleted] if one.at > since]

    def facts(self, one: Deleted) -> dict[str, Any] | None:
        """Return what is written about one; none where it is gone or broken."""
        try:
            return deleted_teachers.facts(self.store, one)
        except (MissingKey, CorruptArtifact) as error:
            logger.warning("deleted teacher %r is left out of the list: %s", one.name, error)
            return None

    def restore(self, name: str) -> None:
        """Make the one of a name that was deleted last a teacher again.

        Raises:
            UnknownName: none of that name can be restored.
            AlreadyExists: another has the name by now.
        """
        try:
            deleted_teachers.restore(self.store, self.kept(name)[0])
        except NameTaken as error:
            raise AlreadyExists(str(error)) from error
        except (IndexError, MissingKey) as error:
            raise UnknownName(
                f"a teacher must have been deleted within {self.limits.deleted_days:g} days to be "
                f"restored, but none called {name!r} was; list those with `deleted`"
            ) from error

    def purge(self, name: str) -> bool:
        """Remove all deleted ones of a name for good; return whether there were any."""
        found = deleted_teachers.deleted(self.store, name)
        for one in found:
            deleted_teachers.purge(self.store, one)
        return bool(found)
