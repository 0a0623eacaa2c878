"""Members of cross-fitting: each meta-trained without one fold of origins, and kept in the store.

A member that the store has is read, so that the same line goes on after any stop, and comparisons
that leave out the same origins share it. Knows nothing of surrogates.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict

from dass.predictor.crossfit import Fold, Lesson, train_without
from dass.predictor.ensemble import Ensemble
from dass.predictor.meta_config import MetaConfig
from dass.predictor.network import Predictor
from dass.registry.predictors import pack_ensemble, unpack_ensemble
from dass.store.store import Store
from jobs import console

Fresh = Callable[[int], Predictor]
"""Returns an untrained predictor by its seed."""


class Members:
    """Predictors by the origins that they never saw."""

    def __init__(
        self, store: Store, lessons: Sequence[Lesson], fresh: Fresh, *, config: MetaConfig
    ) -> None:
        self._store, self._lessons, self._fresh, self._config = store, lessons, fresh, config

    def __call__(self, left_out: Fold) -> Predictor:
        """Return the predictor trained without these groups: from the store, or trained now."""
        prefix = f"folds/{self._name(left_out)}"
        files = ("weights.safetensors", "config.json")
        if self._store.exists(f"{prefix}/{files[-1]}"):
            found = {name: self._store.read(f"{prefix}/{name}") for name in files}
            ensemble, _ = unpack_ensemble(found, where=self._store.url(prefix))
            return ensemble.members[0]
        predictor = self._trained(left_out)
        for name, data in pack_ensemble(Ensemble((predictor,)), {}).items():
            self._store.write(f"{prefix}/{name}", data)
        return predictor

    def _trained(self, left_out: Fold) -> Predictor:
        predictor = self._fresh(self._config.seed)
        title = f"meta-training without {', '.join(sorted(left_out))}"
        with console.bar(total=self._config.episodes, title=title, unit="episodes") as bar:
            for _ in train_without(self._lessons, left_out, predictor, config=self._config):
                bar.update()
        return predictor.eval()

    def _name(self, left_out: Fold) -> str:
        """Return a name that changes with all that a member is trained on, and how."""
        kept = [one.students for one in self._lessons if one.students.group not in left_out]
        facts = {
            "shape": asdict(self._fresh(0).config),
            "meta": asdict(self._config),
            "students": sorted((one.teacher, float(one.accuracies.sum())) for one in kept),
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
