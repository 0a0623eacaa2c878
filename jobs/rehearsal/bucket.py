"""A bucket in memory that answers as S3 may: slowly, with 503, and with listings that lag.

An fsspec file system, so that the real `Store` with its retries and listings is what is rehearsed.
Time is simulated: a call takes none, and what it would have taken is asked for afterwards.
"""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import fsspec

from dass.store.retries import backoff_s

PROTOCOL = "rehearsal"
PAGE = 1000
"""Keys that one listing request of S3 returns at most."""
PAUSE_S = 0.25
"""Mean pause of `Store` after its first failed try: the simulated one."""

_buckets: dict[str, Bucket] = {}


@dataclass(frozen=True, kw_only=True, slots=True)
class Weather:
    """How the bucket answers."""

    latency_s: float = 0.05
    """Median seconds of a request; log-normal, with a deviation of 0.5 of the logarithm."""
    error_rate: float = 0.001
    """Probability of a 503 at any time."""
    outages: int = 3
    """Times of `outage_s` each, once every eight hours from the first hour on, of nothing but
    503."""
    outage_s: float = 90.0
    listing_lag_s: float = 5.0
    """Seconds until a new key is seen by listings. S3 has none since 2020; others may."""


class Bucket:
    """Keys, their bytes, and what was asked."""

    def __init__(self, weather: Weather, *, seed: int, now: Callable[[], float]) -> None:
        """Begin empty."""
        # Errors name it: the first free number, so that equal runs say equal things.
        self.name = next(name for i in itertools.count() if (name := f"bucket{i}") not in _buckets)
        self.requests: Counter[str] = Counter()
        self.refused = 0
        self.overwritten: Counter[str] = Counter()
        """Puts of a key that was there, by its first folder."""
        self.files: dict[str, tuple[float, bytes]] = {}
        self._weather, self._now, self._random = weather, now, random.Random(seed)
        self._spent, self._tries = 0.0, 0
        _buckets[self.name] = self

    @property
    def root(self) -> str:
        """Return the URL that a `Store` reaches it by."""
        return f"{PROTOCOL}://{self.name}"

    def close(self) -> None:
        """Forget it."""
        _buckets.pop(self.name, None)

    def spent(self) -> float:
        """Return the seconds that the requests since the last call would have taken."""
        seconds, self._spent = self._spent, 0.0
        return seconds

    def ask(self, kind: str, number: int = 1) -> None:
        """Count requests, and take their time.

        Raises:
            OSError: a 503, as s3fs puts it.
        """
        self.requests[kind] += number
        weather = self._weather
        luck = math.exp(self._random.gauss(0.0, 0.5))
        self._spent += number * weather.latency_s * luck
        if self._random.random() < weather.error_rate or self._out():
            self.refused += 1
            self._tries += 1
            self._spent += backoff_s(self._tries, pause_s=PAUSE_S, luck=self._random.random())
            raise OSError("SlowDown: Please reduce your request rate. (503)")
        self._tries = 0

    def _out(self) -> bool:
        """Return whether there is an outage at the moment that the simulated call has reached."""
        since = self._now() + self._spent - 3600
        number, second = divmod(since, 8 * 3600)
        return 0 <= number < self._weather.outages and second < self._weather.outage_s

    def listed(self, prefix: str) -> list[str]:
        """Return the keys below a prefix that a listing sees."""
        seen = self._now() + self._spent - self._weather.listing_lag_s
        below = f"{prefix.rstrip('/')}/"
        return [k for k, (at, _) in self.files.items() if k.startswith(below) and at <= seen]

    def put(self, path: str, data: bytes) -> None:
        """Keep bytes; the first moment of a key is the one that listings go by."""
        if path in self.files:
            self.overwritten[path.split("/")[1]] += 1
            at = self.files[path][0]
        else:
            at = self._now()
        self.files[path] = at, data


class _Files(fsspec.AbstractFileSystem):  # type: ignore[misc]
    """The bucket as fsspec sees it."""

    protocol = PROTOCOL
    cachable = False

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return path.removeprefix(f"{PROTOCOL}://")

    def _bucket(self, path: str) -> Bucket:
        return _buckets[path.split("/")[0]]

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        bucket = self._bucket(path)
        bucket.ask("HEAD")
        if path not in bucket.files:
            raise FileNotFoundError(path)
        return {"name": path, "type": "file", "size": len(bucket.files[path][1])}

    def cat_file(self, path: str, *_: Any, **__: Any) -> bytes:
        bucket = self._bucket(path)
        bucket.ask("GET")
        if path not in bucket.files:
            raise FileNotFoundError(path)
        return bucket.files[path][1]

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **_: Any) -> None:
        bucket = self._bucket(path)
        bucket.ask("PUT")
        if mode == "create" and path in bucket.files:
            raise FileExistsError(path)
        bucket.put(path, value)

    def find(self, path: str, *_: Any, **__: Any) -> list[str]:
        bucket = self._bucket(path)
        found = bucket.listed(path)
        for _page in range(max(1, math.ceil(len(found) / PAGE))):
            bucket.ask("LIST")
        return found

    def rm_file(self, path: str) -> None:
        bucket = self._bucket(path)
        bucket.ask("DELETE")
        bucket.files.pop(path, None)


fsspec.register_implementation(PROTOCOL, _Files, clobber=True)
