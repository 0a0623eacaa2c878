"""Remapping against naive loops, and the embedding against remap-then-forward."""

import pytest
import torch

from dass import embed as embed_module
from dass.embed import embed, noise
from dass.errors import InvalidArchitecture
from dass.network import ResNet, fit_channels, initialise
from dass.remap import chosen, remap, student
from dass.space import Architecture, by_name


@pytest.fixture(scope="module", params=["micro", "small"])
def trained(request):
    """A largest member whose batch norms are far from their defaults."""
    space = by_name(request.param)
    network = ResNet(space, space.largest, num_classes=5)
    generator = torch.Generator().manual_seed(0)
    initialise(network, generator=generator)
    for name, tensor in network.state_dict().items():
        if "bn" in name and tensor.is_floating_point():
            tensor.uniform_(0.5, 1.5, generator=generator)
    return network.eval()


def members(space):
    drawn = space.sample(12, generator=torch.Generator().manual_seed(2))
    return [*drawn, space.smallest, space.largest, drawn[0]]


def test_each_policy_inherits_what_it_says():
    assert chosen(2, 5, "first") == [0, 1]
    assert chosen(2, 5, "last") == [3, 4]
    assert chosen(2, 5, "uniform") == [0, 4]
    assert chosen(3, 5, "uniform") == [0, 2, 4]
    for kept in range(1, 17):
        assert len(set(chosen(kept, 16, "uniform"))) == kept


@pytest.mark.parametrize("policy", ["first", "last", "uniform"])
def test_remap_of_the_teacher_is_identity(trained, policy):
    state = remap(trained.state_dict(), trained.space, trained.space.largest, policy=policy)
    assert set(state) == set(trained.state_dict())
    for name, tensor in trained.state_dict().items():
        assert state[name].equal(tensor)
        assert state[name].data_ptr() != tensor.data_ptr()


@pytest.mark.parametrize("policy", ["first", "last", "uniform"])
def test_remap_copies_what_a_naive_loop_copies(trained, policy):
    space, whole = trained.space, trained.state_dict()
    for architecture in members(space)[:3]:
        state = remap(whole, space, architecture, policy=policy)
        before = chosen(architecture.widths[0][0], space.stage_widths[0], policy)
        for s, stage in enumerate(architecture.widths):
            for b, source in enumerate(chosen(len(stage), space.depth, policy)):
                after = chosen(stage[b], space.stage_widths[s], policy)
                ours = state[f"layer{s + 1}.{b}.conv1.weight"]
                theirs = whole[f"layer{s + 1}.{source}.conv1.weight"]
                for i, row in enumerate(after):
                    for j, column in enumerate(before):
                        assert ours[i, j].equal(theirs[row, column])
                mean = state[f"layer{s + 1}.{b}.bn2.running_mean"]
                full = whole[f"layer{s + 1}.{source}.bn2.running_mean"]
                assert mean.tolist() == [float(full[row]) for row in after]
                before = after


def test_names_of_a_student_are_names_of_its_teacher(trained):
    for architecture in members(trained.space):
        assert set(student(trained, architecture).state_dict()) <= set(trained.state_dict())


def test_a_shortcut_pads_with_zeros_and_crops_from_the_end():
    x = torch.arange(24.0).view(1, 3, 2, 4)
    assert fit_channels(x, 2).equal(x[:, :2])
    wide = fit_channels(x, 5)
    assert wide[:, :3].equal(x) and not wide[:, 3:].any()


@torch.no_grad()
@pytest.mark.parametrize("chunk_bytes", [1, 300_000, 12 * 2**20])
def test_embedding_is_remap_then_forward(trained, monkeypatch, chunk_bytes):
    monkeypatch.setattr(embed_module, "CHUNK_BYTES", chunk_bytes)
    architectures = members(trained.space)
    image = noise(trained.space)
    naive = torch.cat([student(trained, a).stages(image)[-1] for a in architectures])
    ours = embed(trained, architectures)
    assert ours.shape[1:] == trained.space.map_shape
    assert float((ours - naive).abs().max()) <= 1e-5 * float(naive.abs().max())


def test_an_embedding_leaves_the_teacher_as_it_was_and_ignores_its_mode(trained):
    state = {name: tensor.clone() for name, tensor in trained.state_dict().items()}
    expected = embed(trained, members(trained.space)[:3])
    trained.train()
    assert embed(trained, members(trained.space)[:3]).equal(expected)
    assert trained.training
    trained.eval()
    assert all(tensor.equal(state[name]) for name, tensor in trained.state_dict().items())


def test_no_architectures_have_no_embeddings_and_strangers_are_refused(trained):
    assert embed(trained, []).shape == (0, *trained.space.map_shape)
    with pytest.raises(InvalidArchitecture):
        embed(trained, [Architecture(((1,),))])
