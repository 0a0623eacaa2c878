"""The network: names of its parameters, its forward pass written out, fresh weights."""

import math

import pytest
import torch
import torch.nn.functional as F

from dass.errors import InvalidArchitecture
from dass.networks.resnet import BasicBlock, ResNet, fit_channels, initialise
from dass.space.architecture import Architecture
from dass.space.published import PublishedSpace
from dass.space.spaces import by_name

NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def built(space, text, seed=0):
    network = ResNet(space, Architecture.parse(text), num_classes=3)
    generator = torch.Generator().manual_seed(seed)
    initialise(network, generator=generator)
    for name, tensor in network.state_dict().items():
        if "bn" in name and tensor.is_floating_point():
            tensor.uniform_(0.5, 1.5, generator=generator)
    return network.eval()


def torchvision_names(depths):
    """Name the state of torchvision's ResNet of BasicBlocks, whose shortcuts are left out."""
    names = {"conv1.weight", "fc.weight", "fc.bias", *(f"bn1.{part}" for part in NORM)}
    for stage, depth in enumerate(depths, 1):
        for block in range(depth):
            for number in (1, 2):
                names.add(f"layer{stage}.{block}.conv{number}.weight")
                names |= {f"layer{stage}.{block}.bn{number}.{part}" for part in NORM}
    return names


# names


@pytest.mark.parametrize("name", ["paper", "small", "micro"])
def test_parameters_have_the_names_of_torchvision(name):
    space = by_name(name)
    drawn = space.sample(9, generator=torch.Generator().manual_seed(0))
    with torch.device("meta"):
        teacher = ResNet(space, space.largest, num_classes=4).state_dict()
        assert set(teacher) == torchvision_names([space.depth] * space.num_stages)
        for architecture in drawn:
            student = ResNet(space, architecture, num_classes=4).state_dict()
            assert set(student) == torchvision_names(map(len, architecture.widths))
            assert set(student) <= set(teacher)
            for key, tensor in student.items():
                assert all(a <= b for a, b in zip(tensor.shape, teacher[key].shape, strict=True))


def test_the_names_are_those_that_torchvision_really_uses():
    from torchvision.models import resnet18

    with torch.device("meta"):
        real = resnet18().state_dict()
    assert torchvision_names([2, 2, 2, 2]) == {n for n in real if "downsample" not in n}


def test_the_network_of_a_stranger_is_not_built(micro_space):
    with pytest.raises(InvalidArchitecture, match="3 stages"):
        ResNet(micro_space, Architecture.parse("8_16"), num_classes=3)


# the forward pass


@pytest.mark.parametrize("channels", [1, 3, 4, 9])
def test_a_shortcut_crops_channels_or_adds_zeros_at_the_end(channels):
    x = torch.randn(2, 4, 3, 5, generator=torch.Generator().manual_seed(0))
    naive = torch.zeros(2, channels, 3, 5)
    for channel in range(min(4, channels)):
        naive[:, channel] = x[:, channel]
    assert torch.equal(fit_channels(x, channels), naive)


@torch.no_grad()
@pytest.mark.parametrize(("before", "width"), [(4, 7), (7, 4), (5, 5)])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("side", [6, 7])
def test_a_block_without_weights_is_its_shortcut(before, width, stride, side):
    block = BasicBlock(before, width, stride=stride).eval()
    block.conv2.weight.zero_()
    x = torch.randn(2, before, side, side, generator=torch.Generator().manual_seed(0))
    naive = torch.zeros(2, width, -(-side // stride), -(-side // stride))
    for channel in range(min(before, width)):
        for row in range(naive.shape[2]):
            for column in range(naive.shape[3]):
                down, right = row * stride, column * stride
                window = x[:, channel, down : down + stride, right : right + stride]
                naive[:, channel, row, column] = window.amax((1, 2)).clamp(min=0)
    assert torch.equal(block(x), naive)


def naive_forward(state, strides, stem_stride, depths, x):
    """Compute stage outputs and logits in eval mode from a state dict alone."""

    def convolve(x, conv, norm, stride):
        x = F.conv2d(x, state[f"{conv}.weight"], stride=stride, padding=1)
        weight, bias, mean, variance = (state[f"{norm}.{p}"][:, None, None] for p in NORM[:4])
        return (x - mean) / torch.sqrt(variance + 1e-5) * weight + bias

    x = convolve(x, "conv1", "bn1", stem_stride).clamp(min=0)
    outputs = []
    for stage, (depth, first_stride) in enumerate(zip(depths, strides, strict=True), 1):
        for slot in range(depth):
            stride, block = first_stride if slot == 0 else 1, f"layer{stage}.{slot}"
            out = convolve(x, f"{block}.conv1", f"{block}.bn1", stride).clamp(min=0)
            out = convolve(out, f"{block}.conv2", f"{block}.bn2", 1)
            shared = min(x.shape[1], out.shape[1])
            if stride > 1:
                x = F.max_pool2d(x, stride, ceil_mode=True)
            out[:, :shared] += x[:, :shared]
            x = out.clamp(min=0)
        outputs.append(x)
    return outputs, x.flatten(2).mean(2) @ state["fc.weight"].T + state["fc.bias"]


@torch.no_grad()
@pytest.mark.parametrize("text", ["8-8_16-16_32-32", "4_8_32", "8-5_10_20-32", "5-7_16-8_32"])
def test_the_forward_pass_is_the_one_written_out(micro_space, text):
    network = built(micro_space, text)
    x = torch.randn(4, 3, 9, 8, generator=torch.Generator().manual_seed(1))
    depths = [len(stage) for stage in network.architecture.widths]
    outputs, logits = naive_forward(network.state_dict(), (1, 2, 2), 1, depths, x)
    stages = network.stages(x)
    assert [s.shape[1] for s in stages] == [stage[-1] for stage in network.architecture.widths]
    for ours, naive in zip(stages, outputs, strict=True):
        assert torch.allclose(ours, naive, rtol=1e-4, atol=1e-5 * float(naive.abs().max()))
    assert torch.allclose(network(x), logits, rtol=1e-4, atol=1e-5 * float(logits.abs().max()))


@torch.no_grad()
def test_strides_are_those_of_the_space():
    space = PublishedSpace(
        name="odd",
        stage_widths=(4, 8),
        depth=2,
        multipliers=(0.5, 1.0),
        strides=(2, 1),
        stem_stride=2,
        image_size=21,
        noise_size=21,
    )
    network = built(space, "2-4_8")
    x = torch.randn(2, 3, 21, 21, generator=torch.Generator().manual_seed(1))
    outputs, _ = naive_forward(network.state_dict(), (2, 1), 2, [2, 1], x)
    assert [tuple(s.shape[2:]) for s in network.stages(x)] == [(6, 6), (6, 6)]
    assert torch.allclose(network.stages(x)[-1], outputs[-1], rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_an_image_does_not_see_its_neighbours_in_eval_mode(micro_space):
    network = built(micro_space, "5-7_16-8_32")
    x = torch.randn(5, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    alone = torch.cat([network(image[None]) for image in x])
    assert torch.allclose(network(x), alone, rtol=1e-4, atol=1e-4)


def test_a_gradient_reaches_every_parameter(micro_space):
    network = built(micro_space, "5-7_16-8_32").train()
    x = torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    F.cross_entropy(network(x), torch.arange(6) % 3).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name


# fresh weights


def fresh(space, *, seed, global_seed):
    torch.manual_seed(global_seed)
    network = ResNet(space, space.largest, num_classes=3)
    state = torch.random.get_rng_state()
    initialise(network, generator=torch.Generator().manual_seed(seed))
    assert torch.equal(torch.random.get_rng_state(), state)
    return network.state_dict()


def test_fresh_weights_depend_on_the_generator_only(micro_space):
    first, second = (fresh(micro_space, seed=1, global_seed=s) for s in (5, 6))
    other = fresh(micro_space, seed=2, global_seed=5)
    assert all(torch.equal(first[name], second[name]) for name in first)
    for name in first:
        assert torch.equal(first[name], other[name]) == ("bn" in name)


def test_fresh_weights_replace_whatever_was_there(micro_space):
    network = ResNet(micro_space, micro_space.largest, num_classes=3)
    with torch.no_grad():
        for tensor in network.state_dict().values():
            tensor.fill_(7)
    initialise(network, generator=torch.Generator().manual_seed(1))
    expected = fresh(micro_space, seed=1, global_seed=0)
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, expected[name]), name


def test_fresh_convolutions_have_the_deviation_of_he():
    space = by_name("small")
    network = ResNet(space, space.largest, num_classes=10)
    initialise(network, generator=torch.Generator().manual_seed(0))
    for name, tensor in network.state_dict().items():
        if tensor.ndim == 4 and tensor.numel() > 2000:
            expected = math.sqrt(2 / (tensor.shape[0] * 9))
            error = 5 / math.sqrt(2 * tensor.numel())
            assert float(tensor.std()) == pytest.approx(expected, rel=error), name
    bound = 128**-0.5
    assert 0.9 * bound < float(network.fc.weight.detach().abs().max()) <= bound
    assert float(network.fc.bias.detach().abs().max()) <= bound
