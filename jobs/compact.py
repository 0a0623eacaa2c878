"""Merge a store's many small record files into one: fewer objects to list and to read.

    python -m jobs.compact small --store s3://bucket/prefix

Safe at any moment, killed at any moment, beside a running build too.
"""

from __future__ import annotations

import time

from dass.registry.registry import Registry
from dass.store.store import Store
from jobs import console
from jobs.configs.compact import CompactConfig


def main(config: CompactConfig) -> None:
    """Compact, and say how many records there are."""
    store = Store(config.store)
    number = Registry(store).compact_records(pause=lambda: time.sleep(config.grace_s))
    print(f"{number} records")
    console.finish(
        store.url("records"), next_line=f"pandas.read_parquet({store.url('records')!r})"
    )


if __name__ == "__main__":
    from jobs.cli import run_module

    run_module(__file__)
