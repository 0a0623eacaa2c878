"""Views: student and oracle see one picture, each at its size; logits are kept."""

import pytest
import torch

from dass.data.images import augment, draw_views, normalise
from dass.data.task import Split, TaskConfig, load_task
from dass.errors import InvalidConfig
from dass.networks.oracles.oracle import classifier_of
from dass.networks.oracles.preprocessing import Preprocessing
from dass.training import views
from dass.training.batches import Batches, Cached, Online
from dass.training.distillation import train
from dass.training.inference import accuracy
from dass.training.recipe import Recipe
from dass.training.views import OracleCached, OracleOnline, oracle_batches
from tests.dass.training.test_distillation import fresh

GREY = {"mean": (0.5,) * 3, "std": (0.5,) * 3}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def positions(side, count):
    """Pictures whose channels are their row and column, in shares of the side, and 255."""
    line = (torch.arange(side) + 0.5) / side * 200 + 20
    whole = torch.full((side, side), 255.0)
    one = torch.stack([line[:, None].expand(-1, side), line.expand(side, -1), whole])
    return one.round().to(torch.uint8)[None].repeat(count, 1, 1, 1)


def shrunk(images, factor):
    """Mean of each square of pixels: what was black at the border stays black."""
    return torch.nn.functional.avg_pool2d(images.float(), factor)


def like(network, size):
    """An oracle that is a network of ours."""
    return classifier_of(network, preprocessing=Preprocessing(size=size, resize=size, **GREY))


@pytest.fixture
def oracle(teacher):
    return like(teacher.network, 8)


@pytest.mark.parametrize("flip", [True, False])
def test_at_equal_size_views_are_the_augmentation_that_there_was(flip):
    images = torch.randint(0, 256, (40, 3, 16, 16), generator=seeded(), dtype=torch.uint8)
    drawn = draw_views(40, padding=4, flip=flip, generator=seeded(1))
    old = augment(images, padding=4, flip=flip, generator=seeded(1))
    assert drawn.of(images, size=16).equal(old)
    assert drawn.of(images[8:20], size=16, rows=slice(8, 20)).equal(old[8:20])


@pytest.mark.parametrize(("small", "large"), [(16, 64), (32, 224), (24, 64)])
def test_crops_and_flips_agree_between_sizes(small, large):
    count, padding = 60, 4
    drawn = draw_views(count, padding=padding, flip=True, generator=seeded(2))
    ours = drawn.of(positions(small, count), size=small)
    theirs = drawn.of(positions(large, count), size=small)
    rows = torch.nn.functional.interpolate(theirs.float(), size=(small, small), mode="area")
    inside = (ours[:, 2] == 255) & (rows[:, 2] == 255)
    assert float(inside.float().mean()) > 0.6
    apart = (ours.float() - rows).abs().amax(1)[inside]
    assert float(apart.max()) <= 200 / large + 2, "half a pixel of the larger and rounding"
    wrong = draw_views(count, padding=padding, flip=True, generator=seeded(3))
    other = torch.nn.functional.interpolate(
        wrong.of(positions(large, count), size=small).float(), size=(small, small), mode="area"
    )
    assert float((ours.float() - other).abs().amax(1)[inside].mean()) > 20


def test_a_view_moves_by_its_share_of_the_side_exactly():
    count = 50
    drawn = draw_views(count, padding=2, flip=True, generator=seeded())
    small = torch.randint(0, 256, (count, 3, 8, 8), generator=seeded(4), dtype=torch.uint8)
    large = small.repeat_interleave(7, 2).repeat_interleave(7, 3)
    enlarged = drawn.of(small, size=8).repeat_interleave(7, 2).repeat_interleave(7, 3)
    assert drawn.of(large, size=8).equal(enlarged)


def test_a_task_at_two_sizes_is_divided_alike():
    config = TaskConfig(source="fashion", train_per_class=5, classes=3)
    small, large = (load_task(config, image_size=size) for size in (8, 40))
    for part in ("train", "validation", "test"):
        ours, theirs = getattr(small, part), getattr(large, part)
        assert ours.labels.equal(theirs.labels)
        means = [part.images.float().mean((1, 2, 3)) for part in (ours, theirs)]
        assert torch.allclose(*means, atol=3), "the same pictures"


@pytest.mark.parametrize("flip", [True, False])
def test_at_equal_size_batches_are_those_of_a_teacher(teacher, digits, oracle, flip):
    options = {"padding": 1, "flip": flip}
    pairs = [
        (Online(digits.train, teacher=teacher.network, **options),
         OracleOnline(digits.train, digits.train, oracle=oracle, **options)),
        (Cached(digits.train, teacher=teacher.network, views=3, seed=5, **options),
         OracleCached(digits.train, digits.train, oracle=oracle, views=3, seed=5, **options)),
    ]  # fmt: skip
    for theirs, ours in pairs:
        assert isinstance(ours, Batches) and ours.steps(16) == theirs.steps(16)
        drawn = zip(ours.batches(16, generator=seeded()), theirs.batches(16, generator=seeded()),
                    strict=True)  # fmt: skip
        for (x, y, z), (x2, y2, z2) in drawn:
            assert x.equal(x2) and y.equal(y2) and torch.allclose(z, z2, atol=1e-4)


def test_logits_are_those_of_the_oracle_on_the_same_view_at_its_size(digits, monkeypatch):
    """An oracle that tells where its picture was cut, in shares of the side."""
    monkeypatch.setattr(views, "CHUNK", 7)
    images = Split(positions(16, 20), torch.arange(20) % 2)
    source = Split(positions(64, 20), torch.arange(20) % 2)

    def centre(x):
        return x.mean((2, 3))

    def see(size):
        before = Preprocessing(size=size, resize=size, **GREY)
        return classifier_of(centre, preprocessing=before)

    for batches in (
        OracleCached(images, source, oracle=see(64), padding=4, flip=True, views=3, seed=0),
        OracleOnline(images, source, oracle=see(64), padding=4, flip=True),
    ):
        for x, _, logits in batches.batches(10, generator=seeded()):
            assert torch.allclose(centre(x), logits, atol=0.02)
            assert float(logits.std()) > 0.05


def test_students_of_several_sizes_see_the_same_views_and_share_their_logits(tmp_path):
    """Drawn at 16 px: others see them to half a pixel, and the oracle is asked once."""
    labels, asked = torch.arange(20) % 2, []
    source = Split(positions(96, 20), labels)

    def centre(x):
        asked.append(len(x))
        return x.mean((2, 3))

    oracle = classifier_of(centre, preprocessing=Preprocessing(size=96, resize=96, **GREY))
    options = {"oracle": oracle, "padding": 2, "flip": True, "views": 3, "seed": 0,
               "folder": tmp_path}  # fmt: skip
    asked.clear()
    own = OracleCached(Split(positions(16, 20), labels), source, **options)
    assert sum(asked) == 60
    for size in (16, 24, 48):
        shared = OracleCached(Split(positions(size, 20), labels), source, drawn_at=16, **options)
        pairs = zip(own.batches(20, generator=seeded()), shared.batches(20, generator=seeded()),
                    strict=True)  # fmt: skip
        for (x, _, z), (x2, _, z2) in pairs:
            assert z.equal(z2) and x2.shape[-1] == size
            half = 0.0 if size % 16 == 0 else 0.5 / size  # of the side, up and across
            assert torch.allclose(x.mean((2, 3)), x2.mean((2, 3)), atol=0.02 + 4 * half)
            assert float(x2.mean((2, 3)).std(0).min()) > 0.05
        assert sum(asked) == 60, "nothing was asked again"
    OracleCached(source, source, **options)
    assert sum(asked) == 120, "views of another size are other views"


def test_what_was_asked_is_kept_and_a_broken_file_is_asked_again(teacher, digits, tmp_path, monkeypatch):  # fmt: skip  # noqa: E501
    monkeypatch.setattr(views, "CHUNK", 20)
    asked, told = [], []

    def network(x):
        asked.append(len(x))
        return teacher.network(x)

    oracle = like(network, 8)
    options = {"oracle": oracle, "padding": 1, "flip": False, "seed": 0, "folder": tmp_path}

    def logits(**changed):
        asked.clear()
        told.clear()
        made = OracleCached(digits.train, digits.train, **options | {"views": 2} | changed,
                            progress=lambda *each: told.append(each))  # fmt: skip
        return torch.cat([z for _, _, z in made.batches(48, generator=seeded())])

    first = logits()
    count = len(digits.train)
    assert sum(asked) == 2 * count and told[-1] == (2 * count, 2 * count)
    assert logits().equal(first) and asked == [] and len(told) == 6
    logits(views=3)
    assert sum(asked) == count, "the third view alone"
    for broken in sorted(tmp_path.rglob("0001-*"))[:2]:
        broken.write_bytes(broken.read_bytes()[:50])
    assert logits().equal(first) and asked == [20, 20]
    for other in ({"seed": 1}, {"padding": 2}, {"oracle": oracle.with_outputs([2, 1, 0])}):
        logits(**other)
        assert sum(asked) == 2 * count


def test_a_student_learns_from_an_oracle_that_sees_larger_pictures(teacher, digits):
    large = load_task(digits.config, image_size=24)

    def network(x):
        return teacher.network(torch.nn.functional.avg_pool2d(x, 3)).mul(2)

    oracle = like(network, 24)
    for logits, weight in (("views", 0.0), ("live", 0.0), ("views", 1.0)):
        recipe = Recipe(epochs=6, batch_size=16, padding=1, teacher_logits=logits, views=3,
                        hard_weight=weight)  # fmt: skip
        student = fresh(teacher)
        before = accuracy(student, digits.validation)
        batches = oracle_batches(digits.train, large.train, recipe, oracle=oracle, flip=False)
        losses = [epoch.loss for epoch in train(student, batches, recipe=recipe, seed=0)]
        assert losses[-1] < losses[0]
        assert accuracy(student, digits.validation) > max(0.5, before)


def test_pictures_of_two_tasks_and_an_oracle_of_fewer_classes_are_refused(digits, oracle):
    with pytest.raises(InvalidConfig, match="same part of one task"):
        OracleOnline(digits.train, digits.validation, oracle=oracle, padding=1, flip=False)
    with pytest.raises(InvalidConfig, match="has 2 and there is a label 2"):
        few = oracle.with_outputs([0, 1])
        OracleOnline(digits.train, digits.train, oracle=few, padding=1, flip=False)


def test_oracle_batches_are_normalised_as_all_students_see_them(digits, oracle):
    batches = OracleOnline(digits.train, digits.train, oracle=oracle, padding=0, flip=False)
    x, _, _ = next(batches.batches(len(digits.train), generator=seeded()))
    assert sorted(x.flatten(1).sum(1).tolist()) == pytest.approx(
        sorted(normalise(digits.train.images).flatten(1).sum(1).tolist()), abs=1e-3
    )
