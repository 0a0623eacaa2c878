"""A second look at the best of a search: with training images of the teacher's task."""

from __future__ import annotations

from jaxtyping import UInt8
from torch import Tensor

from dass.data.task import load_task
from dass.errors import InvalidConfig
from dass.networks.teacher import Teacher
from dass.predictor.informed import Informed
from dass.predictor.scorer import Scorer
from dass.searching.evolution import SecondLook


def second_look(
    predictor: Scorer,
    teacher: Teacher,
    images: UInt8[Tensor, "n 3 s s"] | None = None,
    *,
    students: int,
    data_root: str = "data",
) -> SecondLook:
    """Return who looks at the best `students` of a search with images, for `dass.search`.

    Args:
        predictor: the scorer of the search, or another.
        teacher: whose students are sought.
        images: training images of its task, at its space's size; `None` to load them.
        students: how many are looked at; some hundredths of a core-second each in `small`.
        data_root: folder of torchvision's datasets.

    Raises:
        InvalidConfig: images are neither given nor named by the teacher.
        InvalidData: its images cannot be read, or are too few.
    """
    if images is None:
        if teacher.task is None:
            raise InvalidConfig(
                f"teacher {teacher.name} must name its task for students to be looked at with "
                "images, but came without; give `images`, or search without looking"
            )
        size = teacher.network.space.image_size
        images = load_task(teacher.task, image_size=size, data_root=data_root).train.images
    return SecondLook(scorer=Informed.of(predictor, teacher, images), students=students)
