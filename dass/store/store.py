"""One root URL under which everything is published: a local folder or any fsspec URL (`s3://`).

A key is seen whole or not at all, by every reader at any moment. An artifact of several files
exists once its manifest does, since the manifest is written last. Knows nothing of what is stored.
"""

import errno
import itertools
import os
import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from dass.errors import InvalidKey, MissingKey, ReadOnlyStore, StorageError, StoreUnavailable
from dass.store.backends import Backend, connect
from dass.store.keys import checked, is_key
from dass.store.retries import backoff_s, is_transient

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Store:
    """Bytes under relative POSIX keys, below one root.

    Credentials and endpoint of a remote root come from its usual variables
    (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_ENDPOINT_URL`, ... for `s3://`).
    A store is a value: it holds no connection, pickles, and equals another of the same root.
    """

    root: str
    """A folder's path, or an fsspec URL such as `s3://bucket/prefix`."""
    attempts: int = 8
    """Tries of one operation before a transient error is final; >= 1."""
    pause_s: float = 0.25
    """Mean pause after the first failed try, in seconds; it doubles each time, up to 10 s."""
    read_only: bool = False
    """Refuse to write and to delete: for files that are shipped, or another's."""

    def __post_init__(self) -> None:
        if not self.root or self.attempts < 1 or self.pause_s < 0:
            raise InvalidKey(
                "a store needs a root that is not empty, attempts >= 1 and pause_s >= 0, but got "
                f"root={self.root!r}, attempts={self.attempts}, pause_s={self.pause_s}"
            )
        root = self.root.removeprefix("file://")
        root = root.rstrip("/") if "://" in root else str(Path(root).expanduser().absolute())
        object.__setattr__(self, "root", root)

    def url(self, key: str) -> str:
        """Return the full path or URL of a key, as pandas and fsspec take it."""
        return f"{self.root}/{checked(key)}"

    def exists(self, key: str) -> bool:
        """Return whether something is published under the key."""
        checked(key)
        return self._retried(f"look up {key}", lambda: self._backend().exists(key))

    def read(self, key: str) -> bytes:
        """Return what is published under the key.

        Raises:
            MissingKey: nothing is.
            StorageError: the store did not answer.
        """
        checked(key)
        return self._retried(f"read {key}", lambda: self._backend().read(key))

    def parts(self, key: str, *, most: int = 2**20) -> Iterator[bytes]:
        """Yield what is under a key in parts, for what is large and not written again meanwhile.

        Args:
            key: of something that is there.
            most: bytes of one part; >= 1.

        Raises:
            MissingKey: nothing is, or it was deleted meanwhile.
        """
        size = self.size(key)
        for start in range(0, size, most):
            end = min(start + most, size)
            yield self._retried(f"read {key}", partial(self._backend().read_part, key, start, end))

    def size(self, key: str) -> int:
        """Return how many bytes are published under the key, without reading them.

        Raises:
            MissingKey: nothing is.
        """
        checked(key)
        return self._retried(f"look up {key}", lambda: self._backend().size(key))

    def write(self, key: str, data: bytes) -> None:
        """Publish bytes under a key: readers see the former content, or all of the new one.

        Raises:
            ReadOnlyStore: the store was opened for reading alone.
        """
        self._check_writable(key)
        self._retried(f"write {key}", lambda: self._backend().write(key, data))

    def create(self, key: str, data: bytes) -> bool:
        """Publish bytes under a key that has none; of several at once exactly one does.

        Returns:
            Whether it did. After a try of unknown end, equal bytes under the key count as its own.

        Raises:
            ReadOnlyStore: the store was opened for reading alone.
        """
        self._check_writable(key)
        tries = itertools.count()

        def once() -> bool:
            again = next(tries) > 0
            return self._backend().create(key, data) or (again and self.read(key) == data)

        return self._retried(f"create {key}", once)

    def write_all(self, prefix: str, files: Mapping[str, bytes], manifest: str) -> None:
        """Publish an artifact: every file below the prefix, and the manifest among them last.

        The manifest's existence means that the artifact is complete. A second artifact under the
        same prefix replaces the first one file by file, so different contents need own prefixes.
        """
        if manifest not in files:
            raise InvalidKey(
                f"the manifest must be one of the files, but {manifest!r} is not among "
                f"{sorted(files)}; add it to the files"
            )
        for name in sorted(files, key=lambda name: (name == manifest, name)):
            self.write(f"{prefix}/{name}", files[name])

    def list(self, prefix: str = "") -> list[str]:
        """Return every key below a prefix folder, sorted, as it is now (never from a cache)."""
        if prefix:
            checked(prefix)
        keys = self._retried(f"list {prefix or '/'}", lambda: self._backend().list(prefix))
        below = f"{prefix}/" if prefix else ""
        return sorted(key for key in keys if key.startswith(below) and is_key(key))

    def delete(self, key: str) -> None:
        """Remove what is under a key; nothing under it is fine.

        Raises:
            ReadOnlyStore: the store was opened for reading alone.
        """
        self._check_writable(key)
        self._retried(f"delete {key}", lambda: self._backend().delete(key))

    def arrow(self, key: str) -> tuple[Any, str]:
        """Return a key as pyarrow's file system and path, for what writes files of its own."""
        from pyarrow import fs

        if "://" not in self.root:
            return fs.LocalFileSystem(), self.url(key)
        import fsspec

        files, path = fsspec.core.url_to_fs(self.url(key), use_listings_cache=False)
        return fs.PyFileSystem(fs.FSSpecHandler(files)), path

    def _check_writable(self, key: str) -> None:
        checked(key)
        if self.read_only:
            raise ReadOnlyStore(
                f"{self.url(key)} is only read, and must not be changed; write to another store"
            )

    def _backend(self) -> Backend:
        return connect(self.root, os.getpid())

    def _retried(self, action: str, operation: Callable[[], T]) -> T:
        for attempt in range(1, self.attempts + 1):
            try:
                return operation()
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
                raise MissingKey(
                    f"the key (or the bucket) must exist to {action} in {self.root}, but it does "
                    "not; list the store, or run the job that publishes it"
                ) from error
            except Exception as error:
                if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
                    raise InvalidKey(
                        f"a key must have parts as long as a file's name may be to {action}, but "
                        "has a longer one; shorten it"
                    ) from error
                transient = is_transient(error)
                if attempt == self.attempts or not transient:
                    raise (StoreUnavailable if transient else StorageError)(
                        f"the store {self.root} must {action}, but after {attempt} of "
                        f"{self.attempts} tries it says {type(error).__name__}: {error}; check "
                        "the address, the credentials and the room left, then run the same line "
                        "again"
                    ) from error
            time.sleep(backoff_s(attempt, pause_s=self.pause_s, luck=random.random()))
        raise AssertionError("the last attempt returns or raises")
