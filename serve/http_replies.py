"""What HTTP answers beyond the messages of `dass.proto`: for the page, and for whoever compares.

Additions to replies, never other names. Knows nothing of how a reply is sent.
"""

from __future__ import annotations

from collections.abc import Sequence

from dass.searching.prediction import Prediction as Predicted
from serve import replies
from serve.latency_tables import Clock
from serve.wire import Model


class Choices(Model):
    """What one would take without a search, predicted like its answer."""

    largest: replies.Prediction
    """The student with the most FLOPs that a search finds in the budget."""
    random: replies.Prediction
    """A student in the budget, drawn by the seed."""
    teacher: replies.Prediction
    """The teacher's own architecture, distilled from itself; outside of the budget."""

    @classmethod
    def of(cls, found: Sequence[Predicted], clock: Clock | None) -> Choices:
        """Write the choices: the largest, one at random, the teacher's own."""
        largest, drawn, teacher = replies.Prediction.all_of(found, clock)
        return cls(largest=largest, random=drawn, teacher=teacher)
