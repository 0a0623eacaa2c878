"""Do labels of one space order students of another? What they teach, applied there as it is.

Inputs of a surrogate are relative to the teacher, so they mean the same in every space. Knows
nothing of stores, nor of how scores are kept or shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from dass.evaluation.left_out import Judged, belongs, conditioned
from dass.predictor.crossfit import Fold, Lesson
from dass.predictor.surrogate import Surrogate
from dass.predictor.surrogate_fit import Students, fit_surrogate

SHIPPED, THERE, BOTH = "shipped for {space}", "labels of {space}", "labels of both spaces"
"""The other space's predictor as it is; the same fitted without the origin; and with this space's
labels of other origins beside."""


def transferred(
    judged: Sequence[Judged],
    lessons: Sequence[Lesson],
    elsewhere: Sequence[Students],
    *,
    folds: Sequence[Fold],
    shipped: Surrogate,
    space: str,
) -> Iterator[pd.DataFrame]:
    """Yield scores of each fold, as `left_out.scores_of` does; intervals are not widened.

    Args:
        judged: whose students are scored; those of no fold are scored by what all folds teach.
        lessons: of this space, all that may be learned from.
        elsewhere: labelled students of the other space, the same.
        folds: of groups; each is left out in turn, in both spaces.
        shipped: fitted to the other space's labels, those of the same origins among them.
        space: name of the other one.
    """
    for left_out in (*folds, Fold()):
        own = [one for one in judged if belongs(one, left_out, folds)]
        if not own:
            continue
        there = [one for one in elsewhere if one.group not in left_out]
        here = [one.students for one in lessons if one.students.group not in left_out]
        surrogates = {
            SHIPPED: shipped,
            THERE: fit_surrogate(there, widened=False),
            BOTH: fit_surrogate([*there, *here], widened=False),
        }
        for one in own:
            for name, surrogate in surrogates.items():
                inputs = one.lesson.students.inputs
                yield from conditioned(one, name.format(space=space), surrogate, inputs=inputs)
