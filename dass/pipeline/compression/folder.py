"""The folder of a compression: what each step found, networks, and the time that it took.

A step is done when its file is there, which is written last; a step that was stopped begins
again from what it kept. Knows nothing of what the steps are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import Tensor

from dass.errors import InvalidConfig, NameTaken
from dass.networks.weights import tensors
from dass.store.store import Store

PLAN = "work/plan.json"
LEDGER = "ledger.json"


class Folder:
    """A result folder; what is not for the user lies below `work/` in it."""

    def __init__(self, into: str, *, part: str = "") -> None:
        """Open it; it need not exist.

        Args:
            into: a folder of this machine.
            part: one of several parts whose steps are apart, the size of pictures say.

        Raises:
            InvalidConfig: it is no local folder.
        """
        if not into or "://" in into.removeprefix("file://"):
            raise InvalidConfig(
                f"`into` must be a folder of this machine, since a stopped run goes on from files "
                f"there, but got {into!r}: write runs/mine, say, and copy that when it is done"
            )
        self.store = Store(into)
        self.part = part
        self.work = f"work/{part}" if part else "work"

    def of(self, part: str) -> Folder:
        """Return the same folder, as a part of it sees it."""
        return Folder(self.store.root, part=part)

    def named(self, name: str) -> str:
        """Return the name of a file for the user that each part has: `latency-64px.json`."""
        stem, dot, suffix = name.partition(".")
        return f"{stem}-{self.part}{dot}{suffix}" if self.part else name

    def path(self, key: str) -> Path:
        """Return the path of a key, for what writes files of its own."""
        return Path(self.store.url(key))

    # --- values of JSON --------------------------------------------------------------------

    def read(self, key: str) -> dict[str, Any] | None:
        """Return what is kept under a key; None if nothing is."""
        if not self.store.exists(key):
            return None
        found: dict[str, Any] = json.loads(self.store.read(key))
        return found

    def write(self, key: str, facts: Mapping[str, Any]) -> None:
        """Keep values of JSON under a key."""
        self.store.write(key, json.dumps(facts, indent=2, allow_nan=False).encode())

    def found(self, step: str) -> dict[str, Any] | None:
        """Return what a step found; None if it is not done."""
        return self.read(f"{self.work}/steps/{step}.json")

    def finish(self, step: str, facts: Mapping[str, Any]) -> None:
        """Say that a step is done."""
        self.write(f"{self.work}/steps/{step}.json", facts)

    def spend(self, step: str, seconds: float) -> None:
        """Add to what a step has taken; what was stopped counts too."""
        ledger = self.read(LEDGER) or {"seconds": {}}
        before = ledger["seconds"].get(step, 0.0)
        ledger["seconds"][step] = round(before + seconds, 2)
        ledger["total_seconds"] = round(sum(ledger["seconds"].values()), 2)
        self.write(LEDGER, ledger)

    def keep_plan(self, asked: Mapping[str, Any], plan: Mapping[str, Any]) -> None:
        """Keep what was asked, and how it is done."""
        self.write(PLAN, {"asked": dict(asked), "plan": dict(plan)})

    def plan(self, asked: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return how what is asked is done here; None where nothing was asked yet.

        Raises:
            NameTaken: something else was asked here.
        """
        kept = self.read(PLAN)
        if kept is None:
            return None
        other = sorted(k for k in {*asked, *kept["asked"]} if asked.get(k) != kept["asked"].get(k))
        if other:
            raise NameTaken(
                f"{self.store.root} must hold what is asked now, but was begun with another "
                f"{', '.join(other)}: give another `--into`, or the former settings to go on"
            )
        plan: dict[str, Any] = kept["plan"]
        return plan

    # --- tensors ---------------------------------------------------------------------------

    def read_tensors(self, key: str) -> dict[str, Tensor] | None:
        """Return the tensors under a key; None if there are none."""
        return tensors(self.store.read(key), where=key) if self.store.exists(key) else None

    def write_tensors(self, key: str, named: Mapping[str, Tensor]) -> None:
        """Keep tensors under a key, all or none."""
        plain = {name: tensor.detach().cpu().contiguous() for name, tensor in named.items()}
        self.store.write(key, save(plain))
