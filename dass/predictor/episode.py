"""Episodes: the tensors that a meta-step makes of one teacher and its measured students.

Knows nothing of where records are stored or how a predictor learns.

Dimension letters: n query students, m support students, d encoding length, c h w a feature map.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from jaxtyping import Float
from torch import Tensor

from dass.networks.teacher import Teacher
from dass.predictor.embed import embed
from dass.predictor.records import Measured
from dass.space.architecture import Architecture


@dataclass(frozen=True, kw_only=True, slots=True)
class Episode:
    """What the predictor sees of one teacher: students to order, and support to adapt on.

    The support is the teacher itself, as its own student, and any measured students after it.
    """

    teacher_feature_map: Float[Tensor, "c h w"]
    feature_maps: Float[Tensor, "n c h w"]
    encodings: Float[Tensor, "n d"]
    accuracies: Float[Tensor, " n"]
    support_feature_maps: Float[Tensor, "m c h w"]
    support_encodings: Float[Tensor, "m d"]
    support_accuracies: Float[Tensor, " m"]

    def to(self, device: str) -> Episode:
        """Return the episode on another device."""
        return Episode(**{f.name: getattr(self, f.name).to(device) for f in fields(Episode)})


def episode(
    teacher: Teacher,
    students: Sequence[Architecture],
    accuracies: Sequence[float],
    *,
    support: Sequence[Measured] = (),
) -> Episode:
    """Embed and encode the students and the support of a teacher.

    Args:
        teacher: the distillation-aware task.
        students: architectures to order.
        accuracies: their validation accuracies; fractions (zeros where they are to be predicted).
        support: measured students of this very teacher, beside the teacher itself.
    """
    space = teacher.network.space
    known = [space.largest, *(Architecture.parse(record.architecture) for record in support)]
    feature_maps = embed(teacher.network, [*known, *students])
    encodings = space.encode([*known, *students]).to(feature_maps.device)
    measured = [teacher.accuracy, *(record.validation_accuracy for record in support)]
    m = len(known)
    return Episode(
        teacher_feature_map=feature_maps[0],
        feature_maps=feature_maps[m:],
        encodings=encodings[m:],
        accuracies=torch.tensor(accuracies, device=feature_maps.device, dtype=torch.float32),
        support_feature_maps=feature_maps[:m],
        support_encodings=encodings[:m],
        support_accuracies=torch.tensor(measured, device=feature_maps.device, dtype=torch.float32),
    )
