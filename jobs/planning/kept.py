"""What several jobs of a process share: made once, whoever asks first, and kept while in use.

Knows nothing of what is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

from cachetools import LRUCache

T = TypeVar("T")


class Kept(Generic[T]):
    """Values by key, the last used ones; threads that ask for the same wait for one to make it."""

    def __init__(self, most: int) -> None:
        """Keep so many."""
        self._values: LRUCache[Hashable, T] = LRUCache(most)
        self._making: dict[Hashable, Lock] = {}
        self._lock = Lock()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the value of a key, made now if it is not there; what `make` raises is not kept.

        Others are made meanwhile, where other threads ask for them.
        """
        with self._lock:
            if key in self._values:
                return self._values[key]
            own = self._making.setdefault(key, Lock())
        with own:
            with self._lock:
                if key in self._values:
                    return self._values[key]
            try:
                value = make()
                with self._lock:
                    self._values[key] = value
                return value
            finally:
                with self._lock:
                    self._making.pop(key, None)
