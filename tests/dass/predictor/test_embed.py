"""The embedding against its definition: remap each student, run it alone on the noise."""

import pytest
import torch

from dass.errors import InvalidArchitecture
from dass.networks.remap import student
from dass.networks.resnet import ResNet, initialise
from dass.predictor import embed as module
from dass.predictor.embed import embed, noise
from dass.space.architecture import Architecture
from dass.space.spaces import by_name


@pytest.fixture(scope="module", params=["micro", "small"])
def network(request):
    """A largest member whose batch norms are far from their defaults, half of them negative."""
    space = by_name(request.param)
    network = ResNet(space, space.largest, num_classes=5)
    generator = torch.Generator().manual_seed(0)
    initialise(network, generator=generator)
    for name, tensor in network.state_dict().items():
        if "bn" in name and tensor.is_floating_point():
            low = 0.5 if name.endswith("running_var") else -1.5
            tensor.uniform_(low, 1.5, generator=generator)
    return network.eval()


@torch.no_grad()
def naive(network, architectures, **options):
    image = noise(network.space, **options)
    return torch.cat([student(network, a).eval().stages(image)[-1] for a in architectures])


def error(ours, expected):
    """The largest error of a student, each relative to its own map: sizes of maps differ."""
    assert ours.shape == expected.shape
    errors = (ours - expected).abs().amax((1, 2, 3)) / expected.abs().amax((1, 2, 3))
    return float(errors.max())


def some(space, number=12, seed=2):
    return space.sample(number, generator=torch.Generator().manual_seed(seed))


def edges(space):
    """Members at every edge: shallow, deep, narrow, wide, and wide after narrow."""
    narrow = [int(row[0]) for row in space.options]
    full = space.stage_widths
    end = (*(narrow[-1] for _ in range(space.depth - 1)), full[-1])
    falling = zip(full, narrow, (*narrow[:-1], full[-1]), strict=True)
    return {
        "the teacher": space.largest,
        "the smallest": space.smallest,
        "one block per stage": Architecture(tuple((width,) for width in full)),
        "narrow": Architecture((*(((w,) * space.depth) for w in narrow[:-1]), end)),
        "shrinking": Architecture(tuple((w, *(n,) * (space.depth - 2), e) for w, n, e in falling)),
        "growing": Architecture(
            tuple((*(n,) * (space.depth - 1), w) for w, n in zip(full, narrow, strict=True))
        ),
        "deep first stage only": Architecture(
            ((full[0],) * space.depth, *((width,) for width in full[1:]))
        ),
        "deep last stage only": Architecture(
            (*((width,) for width in narrow[:-1]), (full[-1],) * space.depth)
        ),
    }


EDGES = list(edges(by_name("micro")))


@pytest.mark.parametrize("edge", EDGES)
def test_an_edge_of_the_space_embeds_as_remap_then_forward(network, edge):
    architecture = edges(network.space)[edge]
    assert network.space.contains(architecture)
    ours = embed(network, [architecture])
    assert ours.shape == (1, *network.space.feature_map_shape)
    assert error(ours, naive(network, [architecture])) <= 1e-5


@pytest.mark.parametrize("images", [0, 1, 2.5, 7, 1000])
def test_embedding_is_remap_then_forward_whatever_the_size_of_a_chunk(
    network, monkeypatch, images
):
    side = -(-network.space.noise_size // network.space.stem_stride)
    stem_bytes = 4 * network.space.stage_widths[0] * side**2
    monkeypatch.setattr(module, "CHUNK_BYTES", int(images * stem_bytes))
    drawn = some(network.space)
    architectures = [*drawn, *edges(network.space).values(), drawn[0], drawn[3], drawn[0]]
    assert error(embed(network, architectures), naive(network, architectures)) <= 1e-5


def test_many_students_at_once_embed_as_remap_then_forward(teacher, micro_space):
    architectures = some(micro_space, 300)
    expected = naive(teacher.network, architectures)
    assert error(embed(teacher.network, architectures), expected) <= 1e-5


def test_an_untrained_teacher_can_be_embedded(micro_space):
    network = ResNet(micro_space, micro_space.largest, num_classes=2)
    initialise(network, generator=torch.Generator().manual_seed(1))
    architectures = some(micro_space)
    assert error(embed(network, architectures), naive(network, architectures)) <= 1e-5


def test_the_order_of_architectures_is_the_order_of_maps(network):
    architectures = [*some(network.space), *edges(network.space).values()]
    feature_maps = embed(network, architectures)
    order = torch.randperm(len(architectures), generator=torch.Generator().manual_seed(0))
    assert torch.equal(embed(network, [architectures[i] for i in order]), feature_maps[order])


def test_duplicates_have_the_same_map(network):
    architectures = some(network.space, 3)
    feature_maps = embed(network, architectures)
    doubled = [architectures[i] for i in (0, 2, 0, 1, 1, 0)]
    assert torch.equal(embed(network, doubled), feature_maps[[0, 2, 0, 1, 1, 0]])


def test_a_map_does_not_depend_on_who_else_is_embedded(network):
    architectures = [*some(network.space), *edges(network.space).values()]
    alone = torch.cat([embed(network, [a]) for a in architectures])
    assert error(embed(network, architectures), alone) <= 1e-5
    assert error(embed(network, architectures[3:7]), alone[3:7]) <= 1e-5


def test_no_architectures_have_no_maps(network):
    assert embed(network, []).shape == (0, *network.space.feature_map_shape)


def test_a_stranger_among_them_is_refused(network):
    with pytest.raises(InvalidArchitecture, match="stages"):
        embed(network, [network.space.smallest, Architecture(((1,),))])


@pytest.mark.parametrize("training", [True, False])
def test_an_embedding_leaves_the_teacher_alone_and_ignores_its_mode(network, training):
    kept = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    architectures = some(network.space, 4)
    expected = embed(network, architectures)
    network.train(training)
    try:
        feature_maps = embed(network, architectures)
        modes = {part.training for part in network.modules()}
    finally:
        network.eval()
    assert torch.equal(feature_maps, expected)
    assert modes == {training}
    assert not feature_maps.requires_grad
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, kept[name]), name
    assert all(p.requires_grad and p.grad is None for p in network.parameters())


def test_a_changed_weight_changes_the_next_embedding(micro_space):
    network = ResNet(micro_space, micro_space.largest, num_classes=2)
    initialise(network, generator=torch.Generator().manual_seed(1))
    first = embed(network, [micro_space.smallest])
    with torch.no_grad():
        network.conv1.weight.mul_(2)
    second = embed(network, [micro_space.smallest])
    assert not torch.allclose(first, second)
    assert error(second, naive(network, [micro_space.smallest])) <= 1e-5


# the noise


def test_the_noise_is_the_same_everywhere(micro_space):
    torch.manual_seed(1)
    first = noise(micro_space)
    torch.manual_seed(2)
    assert torch.equal(noise(micro_space), first)
    assert first.shape == (1, 3, micro_space.noise_size, micro_space.noise_size)
    assert torch.equal(first, torch.randn(first.shape, generator=torch.Generator().manual_seed(0)))


def test_another_noise_gives_other_maps(network):
    architectures = some(network.space, 3)
    other = embed(network, architectures, noise_seed=5)
    assert not torch.allclose(other, embed(network, architectures))
    assert error(other, naive(network, architectures, seed=5)) <= 1e-5
