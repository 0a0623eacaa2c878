"""What students are judged by, and what may be said of it: accuracy, balanced accuracy, agreement.

Knows nothing of how a student is chosen or trained.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dass.data.task import Split
from dass.evaluation.class_scores import ClassScores, class_scores
from dass.networks.resnet import ResNet
from dass.pipeline.compression.asked import Asked
from dass.predictor.interval import LEVEL, half_width
from dass.training.inference import predict_logits

SEEN = (
    "Possibly seen by the teacher: the test part was divided out of your images, among which are "
    "perhaps the teacher's own training images, so that no gap to the teacher is claimed. Give "
    "unseen images (--test folder:PATH), or name those that it was trained on (--teacher-split "
    "FILE), for an honest one."
)
UNSEEN = "The test part was declared unseen (--test)."
LISTED = (
    "Unseen by the teacher: none of the {tested} test images is among the {listed} that it was "
    "declared to be trained on (--teacher-split)."
)
AGREEMENT = (
    "Agreement with the teacher, not accuracy: the images have no classes, so that what is "
    "measured is how often a network gives the teacher's own answer on images held out; whether "
    "that answer is right was not measured."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Measure:
    """What students are judged by."""

    name: str
    """`accuracy`, `balanced accuracy` or `agreement with the teacher`."""

    @property
    def balanced(self) -> bool:
        """Whether every class counts the same, however many images it has."""
        return self.name == "balanced accuracy"

    @property
    def agreement(self) -> bool:
        """Whether the labels are the teacher's own answers."""
        return self.name == "agreement with the teacher"

    def of(self, network: ResNet, part: Split) -> float:
        """Return how good a network is on all images of a part, a fraction."""
        predicted = predict_logits(network, part.images).argmax(1)
        return self.among(class_scores(predicted, part.labels, classes=network.num_classes))

    def among(self, scores: ClassScores) -> float:
        """Return the one of the scores that decides."""
        return scores.balanced if self.balanced else scores.accuracy

    def doubt(self, values: Sequence[float], *, images: int) -> str:
        """Return what to say where differences may be chance; nothing where they are clear.

        Args:
            values: of the students that the choice was among, fractions.
            images: that all of them were measured on. That they are the same images makes
                differences surer than this bound, by which they are taken as independent.
        """
        best, apart = max(values), max(values) - min(values)
        reach = half_width(LEVEL) * math.sqrt(2 * best * (1 - best) / images)
        if len(values) < 2 or apart > reach:
            return ""
        return (
            f"the choice is among {len(values)} students within {100 * apart:.1f} points of each "
            f"other, and {images} validation images tell differences of {100 * reach:.1f} "
            "for sure: it may be chance; more validation images (--val) would tell"
        )

    def told(self, value: float, part: str) -> str:
        """Write a value of this measure on the images of a part."""
        percent = f"{100 * value:.1f} %"
        if self.name == "accuracy":
            return f"{percent} of {part} images"
        return f"{self.name} {percent} on {part} images"


def measure_of(asked: Asked) -> Measure:
    """Return what students are judged by."""
    if asked.unlabelled:
        return Measure(name="agreement with the teacher")
    return Measure(name="balanced accuracy" if asked.balanced else "accuracy")


def first_line(asked: Asked, *, tested: int) -> str:
    """Return what a reader must know first: what the test part says, and what it does not.

    Args:
        asked: what was asked.
        tested: images of the test part.
    """
    note = SEEN
    if asked.task.test:
        note = UNSEEN
    elif asked.task.seen:
        note = LISTED.format(tested=tested, listed=len(set(asked.task.seen)))
    return f"{AGREEMENT} {note}" if asked.unlabelled else note
