"""What a contest of one teacher's students came to: a table, gains with their spread, a page.

Knows nothing of how students were searched or trained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import ttest_ind

from dass.evaluation.plots import Series, scatter
from dass.evaluation.report import page
from dass.networks.teacher import Teacher
from dass.predictor.interval import LEVEL
from dass.predictor.records import StudentRecord
from dass.predictor.scorer import Scorer
from dass.searching.prediction import predictions
from dass.space.architecture import Architecture
from jobs import console
from jobs.planning.contenders import KINDS, Contender

HEAD = (
    "budget",
    "choice",
    "predicted",
    f"{LEVEL:.0%} interval",
    "measured (test)",
    "FLOPs",
    "architecture",
)
MARKERS = {"searched": "*", "largest in budget": "s", "random": "^"}
"""Matplotlib's, by kind of choice."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """Contenders of one teacher and the test accuracy of every training."""

    teacher: Teacher
    contenders: Sequence[Contender]
    accuracies: Mapping[str, float]
    """Test accuracy by the key of the record; fractions."""

    def rows(self) -> list[list[str]]:
        """Lay the contenders out under `HEAD`: mean and standard deviation over trainings."""
        return [
            [
                f"{c.fraction:.0%} of FLOPs",
                c.kind,
                f"{100 * c.prediction.accuracy:.1f} %",
                console.interval(c.prediction.interval(LEVEL)),
                _mean_and_spread(100 * c.measured(self.accuracies)),
                f"{c.prediction.flops / 1e6:.3g} M",
                str(c.prediction.architecture),
            ]
            for c in self.contenders
        ]

    def gains(self) -> list[str]:
        """Return in a line each what searching gained over each plain choice, in points."""
        lines = []
        for fraction in dict.fromkeys(c.fraction for c in self.contenders):
            values = {
                c.kind: 100 * c.measured(self.accuracies)
                for c in self.contenders
                if c.fraction == fraction
            }
            lines += [
                f"at {fraction:.0%} of the FLOPs, searched less {kind}: "
                + difference(values["searched"], values[kind])
                for kind in KINDS[1:]
            ]
        return lines

    def page(
        self, *, title: str, note: str, labelled: Sequence[StudentRecord], predictor: Scorer
    ) -> str:
        """Return the HTML page: note, table, and the contenders among labelled students.

        Args:
            title: of the page.
            note: what the reader should know first.
            labelled: students of this task that were measured before, one record each; the grey
                background of the plots.
            predictor: what predicts their accuracies.
        """
        return page(
            title,
            note=" ".join([note, *(f"{line}." for line in self.gains())]),
            head=HEAD,
            rows=self.rows(),
            plots=_plots(self, labelled, predictor),
        )


def difference(searched: np.ndarray, other: np.ndarray) -> str:
    """Write a difference of means of trainings with its 90 % interval (Welch's t).

    Args:
        searched: shape [seeds].
        other: shape [seeds].
    """
    gain = float(searched.mean() - other.mean())
    if len(searched) < 2 or searched.std() + other.std() == 0:
        return f"{gain:+.1f} points"
    ends = ttest_ind(searched, other, equal_var=False).confidence_interval(LEVEL)
    return f"{gain:+.1f} points ({LEVEL:.0%} interval {ends.low:+.1f} to {ends.high:+.1f})"


def _mean_and_spread(values: np.ndarray) -> str:
    spread = f" ± {values.std(ddof=1):.1f}" if len(values) > 1 else ""
    return f"{values.mean():.1f}{spread} %"


def _plots(
    outcome: Outcome, labelled: Sequence[StudentRecord], predictor: Scorer
) -> dict[str, bytes]:
    """Draw accuracy against FLOPs and against what was predicted."""
    measured = [100 * r.test_accuracy for r in labelled]
    known = [Architecture.parse(r.architecture) for r in labelled]
    predicted = predictions(predictor, outcome.teacher, known) if known else []
    label = "labelled before"
    by_cost = [Series(label=label, x=[r.flops / 1e6 for r in labelled], y=measured)]
    by_score = [Series(label=label, x=[100 * p.accuracy for p in predicted], y=measured)]
    for kind in KINDS:
        own = [c for c in outcome.contenders if c.kind == kind]
        means = [100 * float(c.measured(outcome.accuracies).mean()) for c in own]
        flops = [c.prediction.flops / 1e6 for c in own]
        scores = [100 * c.prediction.accuracy for c in own]
        by_cost.append(Series(label=kind, x=flops, y=means, marker=MARKERS[kind]))
        by_score.append(Series(label=kind, x=scores, y=means, marker=MARKERS[kind]))
    return {
        "Test accuracy against FLOPs": scatter(
            by_cost, x_label="FLOPs, millions", y_label="test accuracy, %", title="What it costs"
        ),
        "Test accuracy against what was predicted": scatter(
            by_score,
            x_label="predicted accuracy, %",
            y_label="test accuracy, %",
            title="What was predicted",
            diagonal=True,
        ),
    }
