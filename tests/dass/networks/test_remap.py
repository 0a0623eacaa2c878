"""Remap: which blocks and channels are inherited, against loops over single channels."""

from itertools import pairwise

import pytest
import torch

from dass.errors import InvalidArchitecture
from dass.networks.remap import chosen, remap, student
from dass.networks.resnet import ResNet, initialise
from dass.space.architecture import Architecture
from dass.space.spaces import by_name

POLICIES = ("first", "last", "uniform")


@pytest.fixture(scope="module", params=["micro", "small"])
def whole(request):
    """A largest member in which no two weights, means or variances are alike."""
    space = by_name(request.param)
    network = ResNet(space, space.largest, num_classes=5)
    generator = torch.Generator().manual_seed(0)
    initialise(network, generator=generator)
    for name, tensor in network.state_dict().items():
        if "bn" in name and tensor.is_floating_point():
            tensor.uniform_(0.5, 1.5, generator=generator)
        elif "num_batches" in name:
            tensor.fill_(41)
    return network.eval()


def members(space, number):
    drawn = space.sample(number, generator=torch.Generator().manual_seed(2))
    return [*drawn, space.smallest, space.largest]


# which ones


def test_each_policy_inherits_what_it_says():
    assert chosen(2, 5, "first") == [0, 1]
    assert chosen(2, 5, "last") == [3, 4]
    assert chosen(1, 5, "last") == [4]
    assert chosen(1, 5, "uniform") == [0]
    assert chosen(2, 5, "uniform") == [0, 4]
    assert chosen(3, 5, "uniform") == [0, 2, 4]
    assert chosen(4, 7, "uniform") == [0, 2, 4, 6]


@pytest.mark.parametrize("policy", POLICIES)
def test_what_is_inherited_ascends_and_exists(policy):
    for available in range(1, 41):
        assert chosen(available, available, policy) == list(range(available))
        for kept in range(1, available + 1):
            indices = chosen(kept, available, policy)
            assert len(indices) == kept
            assert indices == sorted(set(indices))
            assert indices[0] >= 0 and indices[-1] < available


def test_uniform_keeps_both_ends_and_even_gaps():
    for available in range(2, 41):
        for kept in range(2, available + 1):
            indices = chosen(kept, available, "uniform")
            assert (indices[0], indices[-1]) == (0, available - 1)
            gaps = [b - a for a, b in pairwise(indices)]
            # Rounding moves each end of a gap by a half at most.
            assert max(gaps) - min(gaps) <= 2


# the copy


@pytest.mark.parametrize("policy", POLICIES)
def test_remap_of_the_teacher_is_identity(whole, policy):
    state = remap(whole.state_dict(), whole.space, whole.space.largest, policy=policy)
    assert list(sorted(state)) == sorted(whole.state_dict())
    for name, tensor in whole.state_dict().items():
        assert torch.equal(state[name], tensor), name


def naive_choice(kept, available, policy):
    if policy == "first":
        return [i for i in range(available) if i < kept]
    if policy == "last":
        return [i for i in range(available) if available - i <= kept]
    if kept == 1:
        return [0]
    return [round(i * (available - 1) / (kept - 1)) for i in range(kept)]


def naive_remap(whole, space, architecture, policy):
    """Copy one channel of one block at a time."""
    state = {"fc.weight": whole["fc.weight"], "fc.bias": whole["fc.bias"]}

    def copy(to, of, inputs, outputs):
        for part in ("weight", "bias", "running_mean", "running_var"):
            norm = whole[f"{of.replace('conv', 'bn')}.{part}"]
            values = torch.stack([norm[row] for row in outputs])
            state[f"{to.replace('conv', 'bn')}.{part}"] = values
        tracked = "num_batches_tracked"
        state[f"{to.replace('conv', 'bn')}.{tracked}"] = whole[
            f"{of.replace('conv', 'bn')}.{tracked}"
        ]
        weight = torch.empty(len(outputs), len(inputs), 3, 3)
        for i, row in enumerate(outputs):
            for j, column in enumerate(inputs):
                weight[i, j] = whole[f"{of}.weight"][row, column]
        state[f"{to}.weight"] = weight

    before = naive_choice(architecture.widths[0][0], space.stage_widths[0], policy)
    copy("conv1", "conv1", [0, 1, 2], before)
    for s, stage in enumerate(architecture.widths):
        blocks = naive_choice(len(stage), space.depth, policy)
        for b, width in enumerate(stage):
            to, of = f"layer{s + 1}.{b}", f"layer{s + 1}.{blocks[b]}"
            after = naive_choice(width, space.stage_widths[s], policy)
            copy(f"{to}.conv1", f"{of}.conv1", before, after)
            copy(f"{to}.conv2", f"{of}.conv2", after, after)
            before = after
    return state


@pytest.mark.parametrize("policy", POLICIES)
def test_remap_copies_what_a_naive_loop_copies(whole, policy):
    space = whole.space
    for architecture in members(space, 4 if space.name == "micro" else 1)[:-1]:
        state = remap(whole.state_dict(), space, architecture, policy=policy)
        naive = naive_remap(whole.state_dict(), space, architecture, policy)
        assert set(state) == set(naive)
        for name, tensor in naive.items():
            assert torch.equal(state[name], tensor), name


def test_first_is_the_default(whole):
    architecture = members(whole.space, 1)[0]
    default = remap(whole.state_dict(), whole.space, architecture)
    first = remap(whole.state_dict(), whole.space, architecture, policy="first")
    assert all(torch.equal(default[name], first[name]) for name in first)


@pytest.mark.parametrize("policy", POLICIES)
def test_a_student_shares_no_memory_with_its_teacher(whole, policy):
    kept = {name: tensor.clone() for name, tensor in whole.state_dict().items()}
    for architecture in members(whole.space, 2):
        for tensor in remap(kept, whole.space, architecture, policy=policy).values():
            tensor.fill_(9)
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, kept[name]), name


def test_a_stranger_is_not_remapped(whole):
    with pytest.raises(InvalidArchitecture, match="stages"):
        remap(whole.state_dict(), whole.space, Architecture(((8,),)))


# the network


@pytest.mark.parametrize("policy", POLICIES)
def test_the_student_network_holds_the_remapped_weights(whole, policy):
    for architecture in members(whole.space, 3):
        network = student(whole, architecture, policy=policy)
        assert network.architecture == architecture
        assert set(network.state_dict()) <= set(whole.state_dict())
        state = remap(whole.state_dict(), whole.space, architecture, policy=policy)
        for name, tensor in network.state_dict().items():
            assert torch.equal(tensor, state[name]), name


def test_the_student_network_is_in_its_teachers_mode_and_trains_alone(micro_space, teacher):
    teacher.network.zero_grad()
    kept = {name: tensor.clone() for name, tensor in teacher.network.state_dict().items()}
    network = student(teacher.network, micro_space.smallest)
    assert not network.training
    assert all(p.requires_grad and p.grad is None for p in network.parameters())
    network.train()(torch.randn(4, 3, 8, 8)).square().sum().backward()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter -= parameter.grad
    assert all(p.grad is None for p in teacher.network.parameters())
    for name, tensor in teacher.network.state_dict().items():
        assert torch.equal(tensor, kept[name]), name


@torch.no_grad()
def test_the_student_of_the_largest_architecture_computes_what_its_teacher_does(whole):
    x = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    assert torch.equal(student(whole, whole.space.largest)(x), whole(x))
