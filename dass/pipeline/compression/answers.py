"""Images of a compression at the sizes of students and of the teacher; where they have no classes,
the teacher's answers are their labels.

Knows nothing of students.

Letters in shapes: n images.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace

from jaxtyping import Int64
from torch import Tensor

from dass.data.task import Split, Task, load_task
from dass.errors import InvalidConfig, UnfitTeacher
from dass.networks.oracles.oracle import Classifier
from dass.pipeline.compression.asked import Asked
from dass.pipeline.compression.folder import Folder
from dass.pipeline.teacher_check import order_outputs

ALIKE = 0.98
"""Share of the training images at which one answer is no knowledge of them any more."""

PARTS = ("train", "validation", "test")


def tasks_of(
    asked: Asked,
    oracle: Classifier,
    *,
    sizes: Sequence[int],
    folder: Folder,
    say: Callable[[str], object],
) -> tuple[list[Task], Task, Classifier]:
    """Load the images at the students' sizes and at the oracle's, and order its outputs alike.

    Args:
        asked: which images.
        oracle: the teacher.
        sizes: rows and columns of the students' images, in pixels.
        folder: where the teacher's answers are kept.
        say: takes a line for the user.

    Raises:
        InvalidConfig: there is but one class, or the teacher has other ones.
        UnfitTeacher: images have no classes, and the teacher answers the same to nearly all.
    """
    *smalls, large = (
        load_task(asked.task, image_size=each, data_root=asked.data_root,
                  unlabelled=asked.unlabelled)
        for each in (*sizes, oracle.preprocessing.resize)
    )  # fmt: skip
    small = smalls[0]
    if not asked.unlabelled:
        if small.num_classes < 2:
            raise InvalidConfig(
                f"images must be of two classes or more, but {asked.task.source} has "
                f"{', '.join(small.class_names)} alone: add a folder for each class"
            )
        return smalls, large, order_outputs(oracle, small.class_names)
    named = oracle.class_names or tuple(str(number) for number in range(oracle.num_classes))
    say(f"{oracle.name} is asked for its answers, since the images have no classes")
    answers = {part: _answers(oracle, getattr(large, part), folder) for part in PARTS}
    _check_spread(oracle, answers["train"], names=named)
    *smalls, large = (
        replace(
            task,
            class_names=named,
            train=Split(task.train.images, answers["train"]),
            validation=Split(task.validation.images, answers["validation"]),
            test=Split(task.test.images, answers["test"]),
        )
        for task in (*smalls, large)
    )
    return smalls, large, oracle.with_outputs(range(oracle.num_classes), class_names=named)


def commonest(labels: Int64[Tensor, " n"]) -> tuple[int, float]:
    """Return the label that most images have, and their share."""
    counts = labels.bincount()
    return int(counts.argmax()), int(counts.max()) / len(labels)


def _answers(oracle: Classifier, part: Split, folder: Folder) -> Int64[Tensor, " n"]:
    """Return the class that a teacher sees in each image; it is asked once."""
    digest = hashlib.sha256(f"{oracle.identity} {tuple(part.images.shape)}".encode())
    digest.update(part.images.contiguous().numpy().tobytes())
    key = f"work/answers/{digest.hexdigest()[:16]}.safetensors"
    kept = folder.read_tensors(key)
    if kept is None:
        kept = {"answers": oracle.logits(part.images).argmax(1).to(part.labels.device)}
        folder.write_tensors(key, kept)
    return kept["answers"]


def _check_spread(
    oracle: Classifier, answers: Int64[Tensor, " n"], *, names: tuple[str, ...]
) -> None:
    label, share = commonest(answers)
    if len(names) < 2 or share > ALIKE:
        before = oracle.preprocessing
        raise UnfitTeacher(
            f"Its pixels may be normalised otherwise than in its training, or its head not be "
            f"trained, or the images be of one class alone: a teacher of images without classes "
            f"must tell them apart, but {oracle.name} answers {names[label]!r} to "
            f"{100 * share:.1f} % of {len(answers)} training images. Give what it was trained "
            f"with in place of size {before.size}, mean {before.mean}, std {before.std}, "
            f"{before.channels} (`--size`, `--mean`, `--std`, `--channels`), weights with the "
            f"head that was trained, or images of several of its classes"
        )
