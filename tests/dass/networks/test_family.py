"""The family of torchvision's ResNets: its own code is the reference for ours."""

import copy
import re
from pathlib import Path

import pytest
import torch
import torchvision
from torch import nn
from torchvision.models.resnet import BasicBlock
from torchvision.models.resnet import ResNet as TorchvisionResNet

from dass.data.images import normalise
from dass.errors import InvalidArchitecture, InvalidConfig
from dass.networks.family import fold_normalisation, space_of_state_dict, with_image_size
from dass.networks.onnx import run_onnx, to_onnx
from dass.networks.remap import chosen, remap, student
from dass.networks.resnet import ResNet, initialise
from dass.space.spaces import by_name
from tests.dass.networks.test_onnx import operators

POLICIES = ("first", "last", "uniform")


def scramble(network, seed=0):
    """Move batch norms far from their defaults, so that no two channels are alike."""
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for name, tensor in module.state_dict().items():
                if tensor.is_floating_point():
                    tensor.uniform_(
                        0.5 if name == "running_var" else -0.5, 1.5, generator=generator
                    )
    return network.eval()


def theirs(space, *, num_classes=5):
    """Return torchvision's network of a space's largest member, with random weights."""
    torch.manual_seed(0)
    network = TorchvisionResNet(BasicBlock, list(space.max_depths), num_classes=num_classes)
    return adjusted(network, space)


def adjusted(network, space):
    """Change widths and stem of torchvision's, which takes 64 to 512 channels and 7×7 alone."""
    before = space.stage_widths[0]
    network.inplanes = before
    for number, (width, depth) in enumerate(
        zip(space.stage_widths, space.max_depths, strict=True), 1
    ):
        stride = 1 if number == 1 else 2
        setattr(network, f"layer{number}", network._make_layer(BasicBlock, width, depth, stride))
    if space.stem_kernel == 3:
        network.conv1 = nn.Conv2d(3, before, 3, padding=1, bias=False)
        network.maxpool = nn.Identity()
    else:
        network.conv1 = nn.Conv2d(3, before, 7, stride=2, padding=3, bias=False)
    network.bn1 = nn.BatchNorm2d(before)
    network.fc = nn.Linear(space.stage_widths[-1], network.fc.out_features)
    return scramble(network)


def by_hand(space, architecture, *, num_classes=5):
    """Slim torchvision's own blocks to a member: plain modules, none of ours."""
    network = theirs(space, num_classes=num_classes)
    before = architecture.streams[0]
    network.conv1 = nn.Conv2d(
        3,
        before,
        **{k: getattr(network.conv1, k) for k in ("kernel_size", "stride", "padding")},
        bias=False,
    )
    network.bn1 = nn.BatchNorm2d(before)
    for number, (stage, stream) in enumerate(
        zip(architecture.widths, architecture.streams, strict=True), 1
    ):
        blocks = []
        for slot, inner in enumerate(stage):
            stride = 2 if number > 1 and slot == 0 else 1
            block = BasicBlock(before, stream, stride)
            block.conv1 = nn.Conv2d(before, inner, 3, stride=stride, padding=1, bias=False)
            block.bn1 = nn.BatchNorm2d(inner)
            block.conv2 = nn.Conv2d(inner, stream, 3, padding=1, bias=False)
            if stride == 2:
                projection = nn.Conv2d(before, stream, 1, stride=2, bias=False)
                block.downsample = nn.Sequential(projection, nn.BatchNorm2d(stream))
            blocks.append(block)
            before = stream
        setattr(network, f"layer{number}", nn.Sequential(*blocks))
    network.fc = nn.Linear(before, num_classes)
    return scramble(network)


def images(size, number=3):
    return torch.randn(number, 3, size, size, generator=torch.Generator().manual_seed(1))


def error(ours, expected):
    return float((ours - expected).abs().max() / expected.abs().max())


TINY = ("resnet-w8.16.24.32-d2.1.3.1-s3@16", "resnet-w16.16.24.32-d1.2.2.2-s7@40")


def members(space, number=6):
    drawn = space.sample(number, generator=torch.Generator().manual_seed(2))
    return [*drawn, space.smallest, space.largest]


# the same network


@torch.no_grad()
@pytest.mark.parametrize("name", ["resnet18", "resnet34"])
def test_torchvisions_weights_load_as_they_are_and_compute_the_same(name):
    reference = scramble(getattr(torchvision.models, name)(num_classes=7))
    space = space_of_state_dict(reference.state_dict(), image_size=64)
    assert space == by_name(f"{name}@64")
    network = ResNet(space, space.largest, num_classes=7)
    assert list(network.state_dict()) == list(reference.state_dict())
    network.load_state_dict(reference.state_dict())
    assert error(network.eval()(images(64)), reference(images(64))) <= 1e-5


@torch.no_grad()
@pytest.mark.parametrize("name", TINY)
def test_members_compute_what_torchvisions_blocks_do_when_slimmed_by_hand(name):
    space = by_name(name)
    for architecture in members(space):
        reference = by_hand(space, architecture)
        network = ResNet(space, architecture, num_classes=5)
        network.load_state_dict(reference.state_dict())
        x = images(space.image_size)
        assert error(network.eval()(x), reference(x)) <= 1e-5


# which space


@pytest.mark.parametrize("name", [*TINY, "resnet18@64", "resnet34@96"])
def test_the_space_is_read_off_the_shapes(name):
    space = by_name(name)
    state = theirs(space).state_dict()
    assert space_of_state_dict(state, image_size=space.image_size) == space
    without = {n: t for n, t in state.items() if "num_batches" not in n}
    assert space_of_state_dict(without, image_size=space.image_size) == space
    for architecture in space.sample(2, generator=torch.Generator().manual_seed(2)):
        with pytest.raises(InvalidArchitecture, match="another width inside, as if slimmed"):
            space_of_state_dict(remap(state, space, architecture), image_size=32)


def of(name):
    return getattr(torchvision.models, name)(num_classes=3).state_dict()


def tiny():
    return theirs(by_name(TINY[0])).state_dict()


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (lambda: of("resnet50"), "bottleneck blocks"),
        (lambda: of("mobilenet_v3_small"), r"there is no 'conv1\.weight'; it begins with"),
        (lambda: {}, "there is no tensor"),
        (
            lambda: {n: t for n, t in tiny().items() if "downsample" not in n},
            "shortcuts have no projection",
        ),
        (
            lambda: {n: t for n, t in tiny().items() if "layer3.1" not in n},
            r"'layer3\.1\.bn1\.bias' is missing",
        ),
        (
            lambda: tiny() | {"conv1.weight": torch.zeros(8, 1, 3, 3)},
            "stem must take 3 channels",
        ),
        (
            lambda: tiny() | {"conv1.weight": torch.zeros(8, 3, 5, 5)},
            "stem must take 3 channels",
        ),
        (
            lambda: tiny() | {"layer2.0.conv1.weight": torch.zeros(16, 4, 3, 3)},
            r"'layer2\.0\.conv1\.weight' must be \(16, 8, 3, 3\) but is \(16, 4, 3, 3\)",
        ),
        (lambda: tiny() | {"fc2.weight": torch.zeros(2)}, r"'fc2\.weight' is unknown"),
        (lambda: tiny() | {"fc.weight": torch.zeros(2)}, "classifier `fc` must be a matrix"),
        (lambda: {n: t[:4] if t.dim() else t for n, t in tiny().items()}, "widths must be 8"),
    ],
)
def test_what_is_not_of_the_family_is_told_why(state, reason):
    with pytest.raises(InvalidArchitecture, match=reason) as raised:
        space_of_state_dict(state(), image_size=32)
    assert "distil it into the largest member of another space" in str(raised.value)
    assert len(str(raised.value)) < 600


# remap


def naive_remap(whole, space, architecture, policy):
    """Copy one channel of one block at a time."""
    state = {}

    def norm(to, of, rows):
        for part in ("weight", "bias", "running_mean", "running_var"):
            state[f"{to}.{part}"] = torch.stack([whole[f"{of}.{part}"][row] for row in rows])
        state[f"{to}.num_batches_tracked"] = whole[f"{of}.num_batches_tracked"]

    def copy(to, of, inputs, outputs):
        rows = [torch.stack([whole[of][row, column] for column in inputs]) for row in outputs]
        state[to] = torch.stack(rows)

    before = chosen(architecture.streams[0], space.stage_widths[0], policy)
    copy("conv1.weight", "conv1.weight", [0, 1, 2], before)
    norm("bn1", "bn1", before)
    for s, (stage, stream) in enumerate(
        zip(architecture.widths, architecture.streams, strict=True)
    ):
        depth, width = space.max_depths[s], space.stage_widths[s]
        kept = {
            "first": list(range(len(stage))),
            "last": [0, *range(depth - len(stage) + 1, depth)],
            "uniform": chosen(len(stage), depth, "uniform"),
        }[policy]
        assert kept[0] == 0, "which has the stride and the projection"
        after = chosen(stream, width, policy)
        for b, (inner, source) in enumerate(zip(stage, kept, strict=True)):
            to, of = f"layer{s + 1}.{b}", f"layer{s + 1}.{source}"
            middle = chosen(inner, width, policy)
            copy(f"{to}.conv1.weight", f"{of}.conv1.weight", before, middle)
            norm(f"{to}.bn1", f"{of}.bn1", middle)
            copy(f"{to}.conv2.weight", f"{of}.conv2.weight", middle, after)
            norm(f"{to}.bn2", f"{of}.bn2", after)
            if s > 0 and b == 0:
                copy(f"{to}.downsample.0.weight", f"{of}.downsample.0.weight", before, after)
                norm(f"{to}.downsample.1", f"{of}.downsample.1", after)
            before = after
    state["fc.weight"] = torch.stack([whole["fc.weight"][:, c] for c in before], dim=1)
    state["fc.bias"] = whole["fc.bias"]
    return state


@pytest.fixture(scope="module", params=TINY)
def whole(request):
    space = by_name(request.param)
    network = ResNet(space, space.largest, num_classes=5)
    network.load_state_dict(theirs(space).state_dict())
    return network.eval()


@pytest.mark.parametrize("policy", POLICIES)
def test_remap_copies_what_a_naive_loop_copies(whole, policy):
    for architecture in members(whole.space, 3):
        state = remap(whole.state_dict(), whole.space, architecture, policy=policy)
        naive = naive_remap(whole.state_dict(), whole.space, architecture, policy)
        assert set(state) == set(naive)
        for name, tensor in naive.items():
            assert torch.equal(state[name], tensor), name
        assert not any(
            t.data_ptr() == whole.state_dict()[n].data_ptr() for n, t in state.items() if t.numel()
        )
        loaded = student(whole, architecture, policy=policy).state_dict()
        assert all(torch.equal(loaded[name], tensor) for name, tensor in naive.items())


@pytest.mark.parametrize("policy", POLICIES)
def test_remap_of_the_teacher_is_identity(whole, policy):
    state = remap(whole.state_dict(), whole.space, whole.space.largest, policy=policy)
    assert set(state) == set(whole.state_dict())
    for name, tensor in whole.state_dict().items():
        assert torch.equal(state[name], tensor), name


# image size and normalisation


@torch.no_grad()
def test_the_weights_serve_another_image_size(whole):
    other = with_image_size(whole, 24)
    assert other.space.image_size == 24 and other.architecture == whole.architecture
    assert not other.training
    x = images(24)
    assert torch.equal(other(x), whole(x))
    with torch.no_grad():
        other.fc.bias.add_(1)
    assert not torch.equal(other.fc.bias, whole.fc.bias), "and share no memory"


def test_a_published_network_keeps_its_image_size(teacher):
    with pytest.raises(InvalidConfig, match=r"derived spaces.* 'micro'"):
        with_image_size(teacher.network, 24)


@torch.no_grad()
def test_a_folded_normalisation_gives_the_same_stem_away_from_the_border(whole):
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    size = 40
    pixels = torch.randint(256, (2, 3, size, size), generator=torch.Generator().manual_seed(3))
    pixels = pixels.to(torch.uint8)
    form = (1, 3, 1, 1)
    given = (pixels / 255 - torch.tensor(mean).view(form)) / torch.tensor(std).view(form)
    moved = copy.deepcopy(whole)
    moved.load_state_dict(fold_normalisation(whole.state_dict(), mean=mean, std=std))

    def inside(network, x):
        return network.bn1(network.conv1(x))[:, :, 3:-3, 3:-3]

    expected = inside(whole, given)
    assert error(inside(moved, normalise(pixels)), expected) <= 1e-5
    assert error(inside(whole, normalise(pixels)), expected) > 0.1, "or nothing was to do"


# export


@torch.no_grad()
@pytest.mark.parametrize("name", TINY)
def test_an_exported_member_is_plain_and_computes_the_same(name):
    space = by_name(name)
    (architecture,) = space.sample(1, generator=torch.Generator().manual_seed(4))
    network = ResNet(space, architecture, num_classes=4)
    initialise(network, generator=torch.Generator().manual_seed(0))
    scramble(network)
    model = to_onnx(network)
    assert operators(model) <= {"Add", "Conv", "Gemm", "MaxPool", "ReduceMean", "Relu"}
    x = images(space.image_size, 5)
    assert error(run_onnx(model, x), network(x)) <= 1e-5


# the page


def test_the_code_of_the_page_runs():
    text = (Path(__file__).parents[3] / "docs" / "spaces.md").read_text()
    (shown,) = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    exec(compile(shown, "spaces.md", "exec"), {})
