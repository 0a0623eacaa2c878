"""Remote files: a copy here of what an address such as `s3://bucket/photos` names.

A copy is kept under what its files are (names, sizes, times or tags), so that a changed source is
fetched again. Knows nothing of what the files hold.
"""

import hashlib
import json
import logging
import os
import shutil
import tempfile
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from dass.data.files import ignored
from dass.errors import InvalidData

logger = logging.getLogger(__name__)

FACTS = ("name", "size", "ETag", "etag", "LastModified", "mtime", "created", "url")
"""What tells one state of a file from another; each file system knows some of these."""


def is_remote(path: str) -> bool:
    """Return whether a path is an address rather than a place on this machine."""
    return "://" in path


def remote_name(url: str) -> str:
    """Return the last part of an address, without a query: `cats.npz` of `https://a/cats.npz?b`."""
    found = urlsplit(url)
    place = found.path if found.scheme in ("http", "https") else url.partition("://")[2]
    return unquote(PurePosixPath(place.rstrip("/")).name) or found.netloc


def fetch(url: str, cache: Path, *, folder: bool) -> Path:
    """Return a local copy of a file or of a folder, fetching it only if it is not there yet.

    Args:
        url: Anything that fsspec reaches.
        cache: Folder of all copies.
        folder: Whether the address is that of a folder.

    Raises:
        InvalidData: It cannot be reached, or there is nothing.
    """
    if folder and url.startswith(("http://", "https://")):
        raise InvalidData(
            f"`folder:PATH` must name a folder that can be listed, but {url} is a web address: "
            f"download it and write `folder:PATH`, or put its images into one file and write "
            f"`npz:{url.rstrip('/')}.npz`"
        )
    try:
        return _fetch(url, cache, folder=folder)
    except InvalidData:
        raise
    except Exception as error:  # each file system has errors of its own, of no common class
        raise InvalidData(
            f"{url} must be reachable from here, but got {type(error).__name__}: {error}. Check "
            f"address and credentials, install what fsspec needs for it (`pip install s3fs` for "
            f"s3://), or copy it to this machine and give the path"
        ) from error


def _fetch(url: str, cache: Path, *, folder: bool) -> Path:
    import fsspec

    files, root = fsspec.core.url_to_fs(url, use_listings_cache=False)
    if folder:
        found = files.find(root, detail=True)
    else:
        found = {root: files.info(root)} if files.exists(root) else {}
    found = {path: facts for path, facts in found.items() if facts.get("type") != "directory"}
    places = {path: _place(path, root, folder=folder) for path in found}
    if not places:
        raise InvalidData(
            f"{url} must name {'a folder with files' if folder else 'a file'}, but nothing is "
            f"there: correct the address"
        )
    home = cache / _digest(url, list(found.values()))
    target = home / (remote_name(url) or "images")
    if target.exists():
        return target
    cache.mkdir(parents=True, exist_ok=True)
    wanted = {path: place for path, place in places.items() if not _left_behind(place)}
    passed = len(places) - len(wanted)
    logger.warning(
        "fetch %s to %s: %d files, without %d that systems and editors left",
        *(url, target, len(wanted), passed),
    )
    with tempfile.TemporaryDirectory(dir=cache, prefix=".part-") as scratch:
        whole = Path(scratch) / "home"
        for path, place in wanted.items():
            here = whole / target.name / place if folder else whole / target.name
            here.parent.mkdir(parents=True, exist_ok=True)
            files.get_file(path, str(here))
        try:
            os.rename(whole, home)
        except OSError:  # another process was faster
            if not target.exists():
                shutil.rmtree(home, ignore_errors=True)
                os.rename(whole, home)
    return target


def _left_behind(place: str) -> bool:
    return any(ignored(part) for part in PurePosixPath(place).parts)


def _place(path: str, root: str, *, folder: bool) -> str:
    """Return where a file lies below the root; never above it."""
    place = path.removeprefix(root).lstrip("/") if folder else PurePosixPath(path).name
    if ".." in PurePosixPath(place).parts:
        raise InvalidData(f"Files of {root} must lie below it, but got {path!r}: rename it")
    return place


def _digest(url: str, facts: list[dict[str, Any]]) -> str:
    told = [[str(each.get(fact)) for fact in FACTS] for each in facts]
    return hashlib.sha256(json.dumps([url, sorted(told)]).encode()).hexdigest()[:16]
