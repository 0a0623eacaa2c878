"""At equal time: a search by prediction against training students for one epoch each.

One epoch of distillation orders students well, but dearly: in the time of a search it sees only a
few of them. So it is compared on the few that it can afford, drawn at random within the budget.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from dass.space.cost import BUDGETS

CANDIDATES = 2000
"""Students that a search scores."""

VERIFIED = 5
"""Students that are distilled in full after a search, to keep the best."""

DRAWS = 1000
"""Random choices of the students that can be afforded."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Competitor:
    """One task: measured students, what one epoch says of them, and what things cost."""

    measured: Float[np.ndarray, " n"]
    """Accuracies, fractions."""
    epoch: Float[np.ndarray, " n"]
    """Scores after one epoch."""
    fractions: Float[np.ndarray, " n"]
    """FLOPs over the teacher's."""
    search_s: float
    """Seconds of a search."""
    epoch_s: float
    """Seconds of one epoch of one student."""
    training_s: float
    """Seconds of a whole distillation."""

    def regret(self, affordable: int, *, seed: int = 0) -> float:
        """Return the mean regret of the best by one epoch among random affordable students."""
        generator = np.random.default_rng(seed)
        losses = []
        for fraction in BUDGETS:
            inside = np.flatnonzero(self.fractions <= fraction)
            if not len(inside):
                continue
            best = self.measured[inside].max()
            number = max(1, min(affordable, len(inside)))
            order = generator.permuted(np.tile(inside, (DRAWS, 1)), axis=1)[:, :number]
            rows = np.arange(DRAWS)
            chosen = order[rows, self.epoch[order].argmax(1)]
            losses.append(float((best - self.measured[chosen]).mean()))
        return float(np.mean(losses)) if losses else float("nan")


def compare(
    tasks: pd.DataFrame, competitors: Sequence[tuple[str, Competitor]], scorer: str
) -> pd.DataFrame:
    """Compare a scorer's regrets with what one epoch reaches in the same time.

    Args:
        tasks: metrics per scorer and teacher, all architectures.
        competitors: teachers and what one epoch knows of their students.
        scorer: name of the predictor in `tasks`.

    Returns:
        A row per way of spending time: seconds, students that one epoch affords, regrets.
    """
    own = tasks[(tasks["scorer"] == scorer) & (tasks["group"] == "all")].set_index("teacher")
    found = []
    for title, verified, column in (
        ("the search alone", 0, "regret1"),
        (f"and {VERIFIED} students distilled", VERIFIED, "regret5"),
    ):
        seconds, affords, theirs, ours = [], [], [], []
        for name, competitor in competitors:
            spent = competitor.search_s + verified * competitor.training_s
            affordable = int(spent / competitor.epoch_s)
            seconds.append(spent)
            affords.append(affordable)
            theirs.append(competitor.regret(affordable))
            ours.append(own[column].to_dict()[name])
        found.append(
            {
                "time of": title,
                "seconds": np.mean(seconds),
                "students of one epoch": np.mean(affords),
                "regret of one epoch": np.mean(theirs),
                "regret of the predictor": np.mean(ours),
            }
        )
    return pd.DataFrame(found)
