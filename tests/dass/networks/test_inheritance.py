"""Inheritance: what it must be at its ends, and the closed form against leaving out by hand."""

import pytest
import torch

from dass.data.images import normalise
from dass.errors import InvalidData
from dass.networks.inheritance import IMAGES, RIDGE, Shown, explained, inheritance
from dass.networks.resnet import ResNet, initialise
from dass.pipeline.compression.batch_norms import recalibrate
from dass.space.spaces import by_name

SPACE = by_name("micro")


@pytest.fixture(scope="module")
def network():
    found = ResNet(SPACE, SPACE.largest, num_classes=4)
    initialise(found, generator=torch.Generator().manual_seed(0))
    recalibrate(found, pictures(512), batch_size=128)
    return found


def pictures(number, seed=0):
    shape = (number, 3, SPACE.image_size, SPACE.image_size)
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randint(0, 256, (number, 3, 2, 2), generator=generator, dtype=torch.uint8)
    return coarse.repeat_interleave(shape[2] // 2, 2).repeat_interleave(shape[3] // 2, 3)


def left_out_by_hand(x, y):
    """Fit without each row in turn, on features standardised over all, as documented."""
    x = (x - x.mean(0)) / x.std(0, correction=0)
    missed, missed_by_mean = 0.0, 0.0
    penalty = torch.eye(x.shape[1], dtype=x.dtype) * RIDGE * len(x)
    penalty = torch.block_diag(penalty, torch.zeros(1, 1, dtype=x.dtype))  # the mean is free
    design = torch.cat([x, torch.ones(len(x), 1, dtype=x.dtype)], 1)
    for row in range(len(x)):
        rest = torch.arange(len(x)) != row
        a, b = design[rest], y[rest]
        weights = torch.linalg.solve(a.T @ a + penalty, a.T @ b)
        missed += float((y[row] - design[row] @ weights).square().sum())
        missed_by_mean += float((y[row] - b.mean(0)).square().sum())
    return 1 - missed / missed_by_mean


def test_the_closed_form_is_leaving_each_image_out_by_hand():
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(24, 5, generator=generator, dtype=torch.float64)
    noise = torch.randn(24, 3, generator=generator, dtype=torch.float64)
    y = x[:, :3] @ torch.randn(3, 3, generator=generator, dtype=torch.float64) + 0.5 * noise
    assert explained(x, y) == pytest.approx(left_out_by_hand(x, y), abs=1e-9)


def test_features_that_are_the_answers_explain_them_and_noise_explains_nothing():
    generator = torch.Generator().manual_seed(2)
    y = torch.randn(200, 3, generator=generator)
    noise = torch.randn(200, 8, generator=generator)
    assert explained(noise, y) < 0.05 < explained(torch.cat([y, noise], 1), y)


def test_the_teacher_agrees_with_itself_and_smaller_students_less(network):
    shown = Shown.of(network, pictures(120))
    whole, least = inheritance(network, [SPACE.largest, SPACE.smallest], shown)
    # Batch norms of the student stand on these images, the teacher's on more of them.
    assert 0.9 < whole[0] <= 1 + 1e-9 and least[0] < whole[0]


def test_answers_of_another_network_are_what_students_are_compared_with(network):
    images = pictures(80)
    plain = Shown.of(network, images)
    turned = Shown.of(network, images, logits=-network(normalise(images)).detach())
    there, back = (
        inheritance(network, [SPACE.largest], shown)[0].tolist() for shown in (plain, turned)
    )
    assert there[0] == pytest.approx(-back[0], abs=1e-4)
    assert there[1] == pytest.approx(back[1], abs=1e-4)


def test_a_measure_changes_neither_network_nor_numbers_and_order_does_not_matter(network):
    before = {name: value.clone() for name, value in network.state_dict().items()}
    shown = Shown.of(network, pictures(IMAGES + 50))
    assert len(shown.images) == IMAGES
    members = SPACE.sample(4, generator=torch.Generator().manual_seed(0))
    there, back = inheritance(network, members, shown), inheritance(network, members[::-1], shown)
    assert torch.equal(there, back.flip(0)) and not network.training
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_too_few_images_are_said_so(network):
    with pytest.raises(InvalidData, match="32 images or more, but got 20"):
        Shown.of(network, pictures(20))
