"""Records as files of a store: one each, or many compacted into one; read while both go on.

records/KEY.parquet         one record
records/pack-HASH.parquet   many of them; nothing else is below records/
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from dass.predictor.records import StudentRecord, from_parquet, to_parquet
from dass.store.store import Store

PACK = "pack-"
"""Begins the names of compacted files; no key of a record does."""


def keys(store: Store) -> set[str]:
    """Return the keys of all records; of these only compacted ones are read."""
    names = {
        key.removeprefix("records/").removesuffix(".parquet") for key in store.list("records")
    }
    packs = {name for name in names if name.startswith(PACK)}
    found = names - packs
    for name in packs:
        found |= {record.key for record in read(store, f"records/{name}.parquet")}
    return found


def read(store: Store, key: str) -> list[StudentRecord]:
    """Read the records of one file; none if it was compacted away since it was listed."""
    try:
        data = store.read(key)
    except LookupError:
        return []
    return from_parquet(data)


def read_all(store: Store) -> list[StudentRecord]:
    """Read all records, each once, in the order of their keys."""
    found: dict[str, StudentRecord] = {}
    known: set[str] = set()
    # A compaction deletes files that were listed, once its own is there: look again.
    while new := set(store.list("records")) - known:
        known |= new
        found |= {r.key: r for key in sorted(new) for r in read(store, key)}
    return [found[key] for key in sorted(found)]


def compact(store: Store, *, pause: Callable[[], None]) -> int:
    """Merge all records into one file; return how many it holds.

    The merged file is published before what it replaces is deleted, so every reader sees every
    record at any moment, some of them twice for a while. Killed between, the next call does the
    rest. Builds may run meanwhile.

    Args:
        store: where they are.
        pause: called before anything is deleted: gives readers time to end what they began.
    """
    former = store.list("records")
    found = {r.key: r for key in former for r in read(store, key)}
    if len(former) < 2:
        return len(found)
    data = to_parquet([found[key] for key in sorted(found)])
    name = f"records/{PACK}{hashlib.sha256(data).hexdigest()[:16]}.parquet"
    store.write(name, data)
    pause()
    for key in former:
        if key != name:
            store.delete(key)
    return len(found)
