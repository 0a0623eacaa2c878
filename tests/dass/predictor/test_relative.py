"""Relative features: of both kinds of space alike, done by hand for a member of each."""

import pytest
import torch

from dass.predictor.relative import feature_names, relative_features
from dass.space.architecture import Architecture
from dass.space.spaces import by_name

FEW_STAGES = "resnet-w16.32-d2.3-s3@16"


def draws(space, number=200):
    return space.sample(number, generator=torch.Generator().manual_seed(0))


def read(name, text):
    """Return one member's features by name, as fractions of the teacher's."""
    [row] = relative_features(by_name(name), [Architecture.parse(text)]).exp().tolist()
    return dict(zip(feature_names(), row, strict=True))


@pytest.mark.parametrize("name", ["small", "micro", "resnet18@64", "resnet34@96", FEW_STAGES])
def test_features_are_finite_and_as_many_in_every_space(name):
    space = by_name(name)
    features = relative_features(space, [*draws(space), space.smallest, space.largest])
    assert features.shape == (202, len(feature_names())) and features.isfinite().all()
    assert (features <= 0).all(), "no student has more of anything than its teacher"
    assert features[-1].eq(0).all(), "the largest member is the teacher's shape"
    assert features[:, :2].min(0).values.equal(features[-2, :2]), "none is cheaper than the least"


def test_members_that_differ_have_features_that_differ():
    space = by_name("resnet18@64")
    members = sorted(set(draws(space)), key=str)
    assert len(relative_features(space, members).unique(dim=0)) == len(members)


def test_blocks_of_the_published_kind_are_read_by_their_one_width():
    got = read("small", "8-16_32-16-24_64_128")  # of 16, 32, 64, 128 and 3 blocks each
    assert got["stem width"] == pytest.approx(8 / 16)
    stages = {"depth": 3 / 3, "mean width": 24 / 32, "least width": 16 / 32, "last width": 24 / 32}
    assert {what: got[f"{what} of stage 2"] for what in stages} == pytest.approx(stages)


def test_of_a_derived_space_streams_and_what_blocks_have_inside_are_told_apart():
    got = read("resnet18@64", "32=48-64_128=96_256=256-128_384=512")
    assert got["stem width"] == pytest.approx(32 / 64), "as wide as the first stream"
    first = {"depth": 1, "mean width": 56 / 64, "least width": 48 / 64, "last width": 32 / 64}
    last = {"depth": 1 / 2, "mean width": 1, "least width": 1, "last width": 384 / 512}
    assert {what: got[f"{what} of stage 1"] for what in first} == pytest.approx(first)
    assert {what: got[f"{what} of stage 4"] for what in last} == pytest.approx(last)


def test_a_space_of_few_stages_repeats_its_last():
    stages = relative_features(by_name(FEW_STAGES), draws(by_name(FEW_STAGES)))[:, 3:]
    first, second, third, fourth = stages.unflatten(1, (4, 4)).unbind(1)
    assert second.equal(third) and second.equal(fourth) and not first.equal(second)
