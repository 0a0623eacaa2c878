"""Features of students: laws, and the plain counts they come from."""

import numpy as np
import pytest
import torch

from dass.networks.resnet import ResNet
from dass.predictor.features import _raw, num_features, student_features
from dass.space.spaces import by_name


@pytest.fixture(params=["micro", "small", "paper"])
def space(request):
    return by_name(request.param)


def members_of(space, number=300, seed=7):
    return space.sample(number, generator=torch.Generator().manual_seed(seed))


def test_features_are_standardised_over_the_space(space):
    found = student_features(space, space.encode(members_of(space, 2000)))
    assert found.shape == (2000, num_features(space))
    assert found.isfinite().all()
    assert found.mean(0).abs().max() < 0.2
    varying = found.std(0) > 0
    assert (found.std(0)[varying] - 1).abs().max() < 0.2


def test_features_are_the_counts_that_the_space_makes(space):
    members = members_of(space)
    raw = _raw(space, space.encode(members))
    relative = space.flops(members) / space.flops([space.largest])
    assert np.allclose(raw[:, 0].exp(), relative, rtol=1e-5)
    for row, member in zip(raw, members, strict=True):
        assert row[2].exp() == pytest.approx(member.widths[0][0], rel=1e-5)
        for numbers, stage in zip(row[3:].view(-1, 4), member.widths, strict=True):
            assert numbers[0] == len(stage)
            wanted = [np.mean(stage), min(stage), stage[-1]]
            assert np.allclose(numbers[1:].exp(), wanted, rtol=1e-5)


def test_the_count_of_weights_is_that_of_the_blocks_of_the_built_network(space):
    members = members_of(space, 12)
    raw = _raw(space, space.encode(members))
    for row, member in zip(raw, members, strict=True):
        with torch.device("meta"):  # counts without computing
            network = ResNet(space, member, num_classes=2)
        blocks = [p for n, p in network.named_parameters() if n.startswith("layer")]
        weights = sum(p.numel() for p in blocks if p.dim() == 4)
        assert row[1].exp() == pytest.approx(weights, rel=1e-4)


def test_a_feature_does_not_depend_on_who_else_is_asked(space):
    encodings = space.encode(members_of(space, 12))
    together = student_features(space, encodings.view(3, 4, -1))
    apart = torch.stack([student_features(space, code) for code in encodings])
    assert torch.allclose(together.flatten(0, 1), apart, atol=1e-5)
