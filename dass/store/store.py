"""One root URL under which everything is published: a local folder or any fsspec URL (`s3://`).

A key is seen whole or not at all, by every reader at any moment. An artifact of several files
exists once its manifest does, since the manifest is written last. Knows nothing of what is stored.
"""

import errno
import os
import random
import re
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

from dass.errors import InvalidKey, MissingKey, ReadOnlyStore, StorageError, StoreUnavailable

T = TypeVar("T")

_PART = re.compile(r"[A-Za-z0-9._=+@,~-]+")
_SCRATCH = ".tmp"
_PERMANENT_ERRNOS = {
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EISDIR,
    errno.ENOTDIR,
    errno.ENAMETOOLONG,
}
_TRANSIENT_WORDS = (
    "slowdown",
    "reduce your request rate",
    "service unavailable",
    "serviceunavailable",
    "internalerror",
    "internal server error",
    "requesttimeout",
    "throttl",
    "timed out",
    "timeout",
    "connection",
    "(500)",
    "(502)",
    "(503)",
    "(504)",
)


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
        return f"{self.root}/{_checked(key)}"

    def exists(self, key: str) -> bool:
        """Tell whether something is published under the key."""
        _checked(key)
        return self._retried(f"look up {key}", lambda: self._backend().exists(key))

    def read(self, key: str) -> bytes:
        """Return what is published under the key.

        Raises:
            MissingKey: nothing is.
            StorageError: the store did not answer.
        """
        _checked(key)
        return self._retried(f"read {key}", lambda: self._backend().read(key))

    def write(self, key: str, data: bytes) -> None:
        """Publish bytes under a key: readers see the former content, or all of the new one.

        Raises:
            ReadOnlyStore: the store was opened for reading alone.
        """
        self._check_writable(key)
        self._retried(f"write {key}", lambda: self._backend().write(key, data))

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
            _checked(prefix)
        keys = self._retried(f"list {prefix or '/'}", lambda: self._backend().list(prefix))
        below = f"{prefix}/" if prefix else ""
        return sorted(key for key in keys if key.startswith(below) and _is_key(key))

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
        _checked(key)
        if self.read_only:
            raise ReadOnlyStore(
                f"{self.url(key)} is only read, and must not be changed; write to another store"
            )

    def _backend(self) -> "_Backend":
        return _connect(self.root, os.getpid())

    def _retried(self, action: str, operation: Callable[[], T]) -> T:
        for attempt in range(1, self.attempts + 1):
            try:
                return operation()
            except FileNotFoundError as error:
                raise MissingKey(
                    f"the key (or the bucket) must exist to {action} in {self.root}, but it does "
                    "not; list the store, or run the job that publishes it"
                ) from error
            except Exception as error:
                transient = is_transient(error)
                if attempt == self.attempts or not transient:
                    raise (StoreUnavailable if transient else StorageError)(
                        f"the store {self.root} must {action}, but after {attempt} of "
                        f"{self.attempts} tries it says {type(error).__name__}: {error}; check "
                        "the address, the credentials and the room left, then run the same line "
                        "again"
                    ) from error
            time.sleep(backoff_s(attempt, self.pause_s, random.random()))
        raise AssertionError("the last attempt returns or raises")


def backoff_s(attempt: int, pause_s: float, luck: float, ceiling_s: float = 10.0) -> float:
    """Return seconds to pause after failed try `attempt` (1, 2, ...): doubling, jittered, bounded.

    `luck` in [0, 1) spreads the pause over 0.5 to 1.5 of its mean, so that many workers that
    failed together do not come back together.
    """
    return float(min(ceiling_s, pause_s * 2.0 ** (attempt - 1)) * (0.5 + luck))


def is_transient(error: BaseException) -> bool:
    """Tell whether the same call may work a moment later: throttling, timeouts, lost connections.

    Remote stores wrap such errors in many types, some of them plain `OSError`: then the words and
    the chain of causes decide. What is forbidden, full or of a wrong type stays so.
    """
    if isinstance(error, PermissionError | IsADirectoryError | NotADirectoryError):
        return False
    if isinstance(error, ConnectionError | TimeoutError):
        return True
    if isinstance(error, OSError) and error.errno in _PERMANENT_ERRNOS:
        return False
    text = f"{type(error).__name__}: {error}".lower()
    if any(word in text for word in _TRANSIENT_WORDS):
        return True
    if isinstance(error, OSError) and error.errno in {errno.ESTALE, errno.EIO, errno.EBUSY}:
        return True
    cause = error.__cause__
    return cause is not None and is_transient(cause)


@runtime_checkable
class _Backend(Protocol):
    def exists(self, key: str) -> bool: ...
    def read(self, key: str) -> bytes: ...
    def write(self, key: str, data: bytes) -> None: ...
    def list(self, prefix: str) -> Iterable[str]: ...
    def delete(self, key: str) -> None: ...


class _Folder:
    """A local folder; atomic by renaming from ROOT/.tmp, which a killed writer may litter."""

    def __init__(self, root: str) -> None:
        self._root = Path(root)

    def exists(self, key: str) -> bool:
        return (self._root / key).is_file()

    def read(self, key: str) -> bytes:
        return (self._root / key).read_bytes()

    def write(self, key: str, data: bytes) -> None:
        target, scratch = self._root / key, self._root / _SCRATCH / uuid.uuid4().hex
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch.parent.mkdir(exist_ok=True)
        try:
            with scratch.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(scratch, target)
        finally:
            scratch.unlink(missing_ok=True)

    def list(self, prefix: str) -> Iterable[str]:
        for folder, _, names in os.walk(self._root / prefix):
            for name in names:
                yield (Path(folder) / name).relative_to(self._root).as_posix()

    def delete(self, key: str) -> None:
        (self._root / key).unlink(missing_ok=True)


class _Remote:
    """Any fsspec file system whose put is atomic, as that of every object store is."""

    def __init__(self, root: str) -> None:
        import fsspec

        protocol = root.split("://", 1)[0]
        options: dict[str, Any] = {}
        if protocol in {"s3", "s3a"}:
            # One retry loop, ours: a nest of three (ours, s3fs', botocore's) waits for minutes.
            options = {"config_kwargs": {"retries": {"mode": "standard", "total_max_attempts": 1}}}
        self._files = fsspec.filesystem(
            protocol, use_listings_cache=False, skip_instance_cache=True, **options
        )
        if options:
            self._files.retries = 1
        self._root = self._files._strip_protocol(root).rstrip("/")

    def exists(self, key: str) -> bool:
        try:
            return self._files.info(f"{self._root}/{key}")["type"] == "file"  # type: ignore[no-any-return]
        except FileNotFoundError:
            return False

    def read(self, key: str) -> bytes:
        return bytes(self._files.cat_file(f"{self._root}/{key}"))

    def write(self, key: str, data: bytes) -> None:
        self._files.pipe_file(f"{self._root}/{key}", data)

    def list(self, prefix: str) -> Iterable[str]:
        self._files.invalidate_cache()
        found = self._files.find(f"{self._root}/{prefix}" if prefix else self._root)
        return [path.removeprefix(f"{self._root}/") for path in found]

    def delete(self, key: str) -> None:
        # Deleting blindly is one request; looking first would be two, and a race.
        try:
            self._files.rm_file(f"{self._root}/{key}")
        except FileNotFoundError:
            return


@lru_cache(maxsize=64)
def _connect(root: str, process: int) -> _Backend:
    """Return this process's connection: event loops and sockets do not survive a fork."""
    del process
    return _Remote(root) if "://" in root else _Folder(root)


def _is_key(key: str) -> bool:
    parts = key.split("/")
    return parts[0] != _SCRATCH and all(
        _PART.fullmatch(part) and part not in {".", ".."} for part in parts
    )


def _checked(key: str) -> str:
    if not _is_key(key):
        raise InvalidKey(
            f"a key must be a relative path of parts made of letters, digits and ._=+@,~- (none "
            f"of them empty, '.' or '..', and the first not {_SCRATCH!r}), but got {key!r}; "
            "rename it, or use the hash of its name"
        )
    return key
