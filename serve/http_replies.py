"""What HTTP answers beyond the messages of `dass.proto`: for the page, and for whoever compares.

Additions to replies, never other names. Knows nothing of how a reply is sent.
"""

from __future__ import annotations

from dass.searching.prediction import Prediction as Predicted
from serve import replies
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
    def of(cls, largest: Predicted, drawn: Predicted, teacher: Predicted) -> Choices:
        """Write the choices."""
        of = replies.Prediction.of
        return cls(largest=of(largest), random=of(drawn), teacher=of(teacher))
