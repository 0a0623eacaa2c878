"""Derived spaces, as predictors and searches read them: embedding and features, done naively."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from dass.baselines.diswot import Diswot
from dass.baselines.size import ByFlops
from dass.baselines.surrogates import GaussianProcess
from dass.baselines.zero_cost import SynFlow
from dass.data.task import Split
from dass.errors import InvalidConfig
from dass.networks.remap import student
from dass.networks.resnet import ResNet, initialise
from dass.networks.teacher import Teacher
from dass.predictor import embed as module
from dass.predictor.embed import embed, noise
from dass.predictor.episode import episode
from dass.predictor.features import _raw, num_features, student_features
from dass.predictor.network import Predictor, PredictorConfig
from dass.searching.evolution import SearchConfig, run
from dass.space.architecture import Architecture
from dass.space.cost import Budget
from dass.space.spaces import by_name
from tests.dass.networks.test_family import scramble

NAMES = ("resnet-w8.16.24.32-d2.1.3.1-s3@16", "resnet-w16.16.24.32-d1.2.2.2-s7@40")


@pytest.fixture(scope="module", params=NAMES)
def network(request):
    """A largest member whose batch norms are far from their defaults."""
    space = by_name(request.param)
    network = ResNet(space, space.largest, num_classes=5)
    initialise(network, generator=torch.Generator().manual_seed(0))
    return scramble(network)


def some(space, number=12, seed=2):
    return space.sample(number, generator=torch.Generator().manual_seed(seed))


def edges(space):
    """Members at every edge: narrow streams about wide blocks, wide ones about narrow blocks."""
    narrow, full = space.smallest, space.largest
    return [
        narrow,
        full,
        Architecture(full.widths, narrow.streams),
        Architecture(narrow.widths, full.streams),
        Architecture(
            (*narrow.widths[:-1], full.widths[-1]), (*full.streams[:-1], narrow.streams[-1])
        ),
        Architecture((full.widths[0], *narrow.widths[1:]), (narrow.streams[0], *full.streams[1:])),
    ]


@torch.no_grad()
def naive(network, architectures, **options):
    """Remap each, run it alone, and write zeros where its last stage lacks channels."""
    maps = [student(network, a).stages(noise(network.space, **options))[-1] for a in architectures]
    full = network.space.stage_widths[-1]
    return torch.cat([F.pad(m, (0, 0, 0, 0, 0, full - m.shape[1])) for m in maps])


def error(ours, expected):
    assert ours.shape == expected.shape
    errors = (ours - expected).abs().amax((1, 2, 3)) / expected.abs().amax((1, 2, 3))
    return float(errors.max())


# embedding


@pytest.mark.parametrize("images", [0, 2.5, 7, 1000])
def test_embedding_is_remap_then_forward_whatever_the_size_of_a_chunk(
    network, monkeypatch, images
):
    space = network.space
    stem = network.pool(network.conv1(noise(space)))
    monkeypatch.setattr(module, "CHUNK_BYTES", int(images * stem.numel() * 4))
    drawn = some(space)
    architectures = [*drawn, *edges(space), drawn[0], drawn[3], drawn[0]]
    assert all(map(space.contains, architectures))
    assert error(embed(network, architectures), naive(network, architectures)) <= 1e-5


def test_each_edge_of_the_space_embeds_alone_as_remap_then_forward(network):
    for architecture in edges(network.space):
        assert error(embed(network, [architecture]), naive(network, [architecture])) <= 1e-5


def test_many_members_of_resnet18_embed_as_remap_then_forward():
    space = by_name("resnet18@64")
    network = ResNet(space, space.largest, num_classes=5)
    initialise(network, generator=torch.Generator().manual_seed(0))
    scramble(network)
    architectures = [*some(space, 6), space.smallest]
    assert error(embed(network, architectures), naive(network, architectures)) <= 1e-5


def test_another_noise_gives_other_maps(network):
    architectures = some(network.space, 3)
    other = embed(network, architectures, noise_seed=5)
    assert error(other, naive(network, architectures, seed=5)) <= 1e-5
    assert not torch.allclose(other, embed(network, architectures))


# features


def test_features_are_the_counts_that_the_space_makes(network):
    space = network.space
    members = some(space, 40)
    raw = _raw(space, space.encode(members))
    assert raw.shape == (40, num_features(space))
    relative = space.flops(members) / space.flops([space.largest])
    assert np.allclose(raw[:, 0].exp(), relative, rtol=1e-5)
    for row, member in zip(raw, members, strict=True):
        with torch.device("meta"):  # counts without computing
            built = ResNet(space, member, num_classes=2)
        blocks = [p for n, p in built.named_parameters() if n.startswith("layer")]
        weights = sum(p.numel() for p in blocks if p.shape[2:] == (3, 3))
        assert row[1].exp() == pytest.approx(weights, rel=1e-4)
        assert row[2].exp() == pytest.approx(member.streams[0], rel=1e-5)
        stages = zip(row[3:].view(-1, 4), member.widths, member.streams, strict=True)
        for numbers, stage, stream in stages:
            assert numbers[0] == len(stage)
            assert np.allclose(numbers[1:].exp(), [np.mean(stage), min(stage), stream], rtol=1e-5)


def test_features_are_standardised_over_the_space(network):
    space = network.space
    found = student_features(space, space.encode(some(space, 2000, seed=7)))
    assert found.isfinite().all() and found.mean(0).abs().max() < 0.2
    varying = found.std(0) > 0
    assert (found.std(0)[varying] - 1).abs().max() < 0.2


# what searches


@pytest.fixture(scope="module")
def owner(network):
    return Teacher(name="own", network=network, accuracy=0.7)


def test_a_search_finds_the_largest_member_within_a_budget(owner):
    space = owner.network.space
    budget = Budget.of(owner, flops=0.4)
    found = run(ByFlops(), owner, budget, config=SearchConfig(candidates=600, top=5, seed=0))
    assert all(space.contains(p.architecture) for p in found.top)
    best = found.top[0]
    assert 0.97 * budget.max_flops <= best.flops <= budget.max_flops
    (flops,) = space.flops([best.architecture], num_classes=5)
    assert best.flops == flops


def test_a_zero_cost_score_runs_on_members(owner):
    scores = SynFlow().predict(owner, some(owner.network.space, 3)).mean
    assert scores.isfinite().all() and len(scores.unique()) == 3


def test_diswot_compares_relations_alone(owner):
    size = owner.network.space.image_size
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (10, 3, size, size), generator=generator).to(torch.uint8)
    images = Split(pixels, torch.arange(10) % 5)
    asked = some(owner.network.space, 2)
    with pytest.raises(InvalidConfig, match="give `part='relation'`"):
        Diswot(images, flip=False).predict(owner, asked)
    found = Diswot(images, flip=False, part="relation", number=10, seeds=1).predict(owner, asked)
    assert found.mean.isfinite().all() and (found.mean < 0).all()


def test_a_surrogate_learns_an_order_of_members(owner, member_records):
    space = owner.network.space
    process = GaussianProcess(space, member_records(space, 80))
    asked = some(space, 60, seed=9)
    predicted = process.predict(owner, asked).mean.numpy()
    assert np.corrcoef(predicted, np.log(space.flops(asked)))[0, 1] > 0.9


@pytest.fixture
def member_records():
    """Return records of members whose accuracy is the logarithm of their FLOPs."""
    from dass.predictor.records import StudentRecord

    def made(space, number):
        members = some(space, number, seed=4)
        return [
            StudentRecord(
                space=space.name,
                task="t",
                teacher="own",
                architecture=str(member),
                recipe="r",
                seed=0,
                validation_accuracy=float(np.log(flops) / 40),
                test_accuracy=0.5,
                test_half_accuracy=0.5,
                validation_images=10,
                test_images=10,
                flops=int(flops),
                parameters=1,
                seconds=1.0,
                device="cpu",
            )
            for member, flops in zip(members, space.flops(members), strict=True)
        ]

    return made


def test_a_predictor_of_the_space_reads_its_members(owner):
    space = owner.network.space
    config = PredictorConfig(space=space.name, recipe="r")
    predictor = Predictor(config, generator=torch.Generator().manual_seed(0))
    asked = episode(owner, some(space, 5), [0.0] * 5)
    predicted = predictor.forward_targets(
        asked.teacher_feature_map[None],
        asked.feature_maps[None],
        asked.encodings[None],
        weights=predictor.weights(),
    )
    assert predicted.shape == (1, 5) and predicted.isfinite().all()
