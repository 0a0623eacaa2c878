"""Teachers against images: what is mixed up is told with the option that mends it."""

import re
import shlex
from dataclasses import replace

import numpy as np
import pytest
import torch

from dass.data.task import Split, Task, TaskConfig
from dass.errors import InvalidConfig, UnfitTeacher
from dass.networks.oracles.oracle import classifier_of
from dass.networks.oracles.preprocessing import Preprocessing, adjusted
from dass.pipeline.teacher_check import best_order, check_teacher, order_outputs

NAMES = tuple(sorted(f"class{number}" for number in range(12)))
"""As folders sort them: class0, class1, class10, class11, class2, ..."""

BEFORE = Preprocessing(size=6, resize=6)


def levels(label):
    """The colour of a class: different in every channel, red far from blue."""
    return torch.tensor([20 + 18 * label, 20 + 18 * (label * 5 % 12), 20 + 18 * (11 - label)])


def part(count, seed):
    """Pictures of their class's colour and some noise."""
    labels = torch.arange(count) % len(NAMES)
    noise = torch.randint(-6, 7, (count, 3, 6, 6), generator=torch.Generator().manual_seed(seed))
    images = torch.stack([levels(int(label)) for label in labels])[:, :, None, None] + noise
    return Split(images.clamp(0, 255).to(torch.uint8), labels)


@pytest.fixture(scope="module")
def task():
    parts = {"train": part(600, 0), "validation": part(240, 1), "test": part(24, 2)}
    return Task(config=TaskConfig(source="folder:none"), class_names=NAMES, **parts)


def teacher(before=BEFORE, *, trained=BEFORE, names=None):
    """A teacher that knows the colours as its training showed them; the nearest is its answer."""
    known = torch.stack([trained(levels(c).to(torch.uint8)[None, :, None, None].repeat(1, 1, 6, 6))
                         for c in range(len(NAMES))]).mean((1, 3, 4))  # fmt: skip

    def network(x):
        return -torch.cdist(x.mean((2, 3)), known).square()

    return classifier_of(network, name="mine", preprocessing=before, class_names=names)


def options(error):
    """Return the flags that an error gives, as settings."""
    words = shlex.split(re.search(r"give `(--[^`]+)`", str(error))[1])
    found, name = {}, ""
    for word in words:
        if word.startswith("--"):
            found[name := word.removeprefix("--")] = []
        else:
            found[name].append(word)
    return {name: values[0] if name == "channels" else tuple(map(float, values))
            for name, values in found.items()}  # fmt: skip


def test_a_good_teacher_passes_with_its_interval(task):
    found = check_teacher(teacher(), task)
    assert found.accuracy == 1 and found.images == 240 and found.chance == 20 / 240
    assert 0.97 < found.low < 1 and found.high == 1
    assert "of 240 validation images" in str(found)


@pytest.mark.parametrize(
    "wrong",
    [{"mean": (0.5,) * 3, "std": (0.5,) * 3}, {"mean": (0.0,) * 3, "std": (1.0,) * 3},
     {"mean": (0.0,) * 3, "std": (1 / 255,) * 3}, {"channels": "BGR"}],
)  # fmt: skip
def test_wrong_pixels_are_told_with_the_flags_that_mend_them(task, wrong):
    with pytest.raises(UnfitTeacher, match="normalised otherwise") as refused:
        check_teacher(teacher(adjusted(BEFORE, **wrong)), task)
    mended = adjusted(adjusted(BEFORE, **wrong), **options(refused.value))
    assert check_teacher(teacher(mended), task).accuracy > 0.95


@pytest.mark.parametrize(
    ("order", "cause"),
    [(sorted(NAMES, key=lambda name: int(name[5:])), "order of their numbers"),
     (tuple(reversed(NAMES)), "another order than the images'")],
)  # fmt: skip
def test_another_order_is_told_with_the_names_that_mend_it(task, order, cause):
    right = teacher()
    mixed = replace(right.with_outputs([NAMES.index(name) for name in order]), class_names=None)
    with pytest.raises(UnfitTeacher, match=cause) as refused:
        check_teacher(order_outputs(mixed, NAMES), task)
    _, *lines = str(refused.value).splitlines()
    assert lines == list(order)
    mended = order_outputs(replace(mixed, class_names=tuple(lines)), NAMES)
    assert check_teacher(mended, task).accuracy == 1


def test_the_validation_part_decides_no_order_and_no_normalisation(task):
    """With validation labels turned, what is told is chance, not an order that would mend them."""
    turned = Split(task.validation.images, (task.validation.labels + 1) % len(NAMES))
    with pytest.raises(UnfitTeacher, match="better than chance"):
        check_teacher(teacher(), replace(task, validation=turned))


def test_a_teacher_that_knows_nothing_is_near_chance_and_finds_no_order_by_luck(task):
    """102 classes and 300 images: some order fits a guesser far better than 5 points."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(306) % 102
    images = torch.randint(0, 256, (306, 3, 6, 6), generator=generator, dtype=torch.uint8)
    weights = torch.randn(108, 102, generator=generator)
    guesser = classifier_of(lambda x: x.flatten(1) @ weights, preprocessing=BEFORE, name="mine")
    predicted = guesser.logits(images).argmax(1).numpy()
    lucky = best_order(predicted, labels.numpy(), classes=102)[labels.numpy()] == predicted
    assert lucky.mean() > 0.15
    many = replace(task, class_names=tuple(f"class{number}" for number in range(102)),
                   train=Split(images, labels), validation=Split(images, labels))  # fmt: skip
    with pytest.raises(UnfitTeacher, match=r"^Its classes may be in another order.*head not tr"):
        check_teacher(guesser, many)


def test_the_best_order_is_the_one_that_brute_force_finds():
    from itertools import permutations

    generator = np.random.default_rng(0)
    for _ in range(20):
        predicted, labels = generator.integers(0, 5, (2, 40))
        best = max((np.array(order)[labels] == predicted).sum()
                   for order in permutations(range(5)))  # fmt: skip
        found = best_order(predicted, labels, classes=5)
        assert (found[labels] == predicted).sum() == best and len(set(found)) == 5


def test_names_decide_whatever_their_order_and_spelling(task):
    shuffled = list(reversed(NAMES))
    spelled = tuple(name.replace("class", "Class ") for name in shuffled)
    mixed = teacher().with_outputs([NAMES.index(n) for n in shuffled], class_names=spelled)
    ordered = order_outputs(mixed, NAMES)
    assert ordered.class_names == NAMES and check_teacher(ordered, task).accuracy == 1
    few = order_outputs(mixed, ("class3", "class1"))
    assert few.num_classes == 2
    assert few.logits(task.test.images).equal(ordered.logits(task.test.images)[:, [5, 1]])


def test_outputs_that_are_not_the_classes_are_refused(task):
    with pytest.raises(InvalidConfig, match=r"each of the 3\s.*has 12.*--classes FILE"):
        order_outputs(teacher(), ("a", "b", "c"))
    with pytest.raises(InvalidConfig, match="1 of 2 have none or several, 'dog' say"):
        order_outputs(teacher(names=NAMES), ("class1", "dog"))
    twice = ("Class 1", *NAMES[:1], *NAMES[1:2], *NAMES[3:])
    with pytest.raises(InvalidConfig, match="none or several"):
        order_outputs(teacher(names=twice), ("class1", "class2"))
    with pytest.raises(InvalidConfig, match="order them first"):
        check_teacher(teacher().with_outputs([0, 1]), task)
