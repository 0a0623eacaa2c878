"""Where the bytes of a store are: a local folder, or whatever fsspec reaches.

Knows nothing of retries, nor of which keys are allowed.
"""

import contextlib
import os
import uuid
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from dass.store.keys import SCRATCH


@runtime_checkable
class Backend(Protocol):
    """What a store needs of where its bytes are; errors are those of the system."""

    def exists(self, key: str) -> bool: ...
    def read(self, key: str) -> bytes: ...
    def read_part(self, key: str, start: int, end: int) -> bytes: ...
    def size(self, key: str) -> int: ...
    def write(self, key: str, data: bytes) -> None: ...
    def create(self, key: str, data: bytes) -> bool: ...
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

    def read_part(self, key: str, start: int, end: int) -> bytes:
        with (self._root / key).open("rb") as file:
            file.seek(start)
            return file.read(end - start)

    def size(self, key: str) -> int:
        if not self.exists(key):
            raise FileNotFoundError(key)
        return (self._root / key).stat().st_size

    def write(self, key: str, data: bytes) -> None:
        with self._written(key, data) as scratch:
            os.replace(scratch, self._root / key)

    def create(self, key: str, data: bytes) -> bool:
        # Linking fails where something is, as renaming does not; and is as atomic.
        with self._written(key, data) as scratch:
            try:
                os.link(scratch, self._root / key)
            except FileExistsError:
                return False
        return True

    @contextlib.contextmanager
    def _written(self, key: str, data: bytes) -> Iterator[Path]:
        target, scratch = self._root / key, self._root / SCRATCH / uuid.uuid4().hex
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch.parent.mkdir(exist_ok=True)
        try:
            with scratch.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            yield scratch
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

    def read_part(self, key: str, start: int, end: int) -> bytes:
        return bytes(self._files.cat_file(f"{self._root}/{key}", start=start, end=end))

    def size(self, key: str) -> int:
        if not self.exists(key):
            raise FileNotFoundError(key)
        return int(self._files.info(f"{self._root}/{key}")["size"])

    def write(self, key: str, data: bytes) -> None:
        self._files.pipe_file(f"{self._root}/{key}", data)

    def create(self, key: str, data: bytes) -> bool:
        # On S3 a put on the condition that nothing is there.
        try:
            self._files.pipe_file(f"{self._root}/{key}", data, mode="create")
        except FileExistsError:
            return False
        except OSError as error:
            text = f"{error} {error.__cause__}".lower()
            if "precondition" in text:
                return False
            if "conditionalrequestconflict" in text:  # of two at once: who won is known later
                raise ConnectionError(str(error)) from error
            raise
        return True

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
def connect(root: str, process: int) -> Backend:
    """Return this process's connection: event loops and sockets do not survive a fork."""
    del process
    return _Remote(root) if "://" in root else _Folder(root)
