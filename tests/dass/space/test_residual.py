"""Spaces derived from torchvision's ResNets: members, names, codes and costs."""

import pickle
from itertools import pairwise, product, zip_longest

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from dass.errors import InvalidArchitecture, InvalidConfig, UnknownName
from dass.networks.resnet import ResNet
from dass.space.architecture import Architecture
from dass.space.cost import Budget
from dass.space.residual import steps_of
from dass.space.sampling import stratified
from dass.space.spaces import at_size, by_name, residual

TINY = "resnet-w8.16-d2.1-s3@8"
NAMES = (
    "resnet18@64",
    "resnet34@37",
    "resnet-w20.36.100-d1.3.2-s3@21",
    "resnet-w16.32.64.128-d2.2.2.2-s7@30",
    TINY,
)


@pytest.fixture(params=NAMES)
def space(request):
    return by_name(request.param)


def draws(space, number, seed=0):
    return space.sample(number, generator=torch.Generator().manual_seed(seed))


def every_member(space):
    """Write out a whole space: feasible for the tiny one, which has 19,208 members."""
    stages = []
    for options, depth in zip(space.options.tolist(), space.max_depths, strict=True):
        blocks = [b for d in range(1, depth + 1) for b in product(options, repeat=d)]
        stages.append(list(product(options, blocks)))
    return [
        Architecture(tuple(b for _, b in stage), tuple(w for w, _ in stage))
        for stage in product(*stages)
    ]


# names


def test_a_space_is_found_again_by_its_name(space):
    assert by_name(space.name) == space and pickle.loads(pickle.dumps(space)) == space
    assert hash(by_name(space.name)) == hash(space)


def test_the_names_stand_for_torchvisions_networks():
    small = by_name("resnet18@64")
    assert small == residual((64, 128, 256, 512), (2, 2, 2, 2), stem=7, image_size=64)
    assert (small.image_size, small.stage_widths, small.max_depths) == (
        64,
        (64, 128, 256, 512),
        (2, 2, 2, 2),
    )
    assert by_name("resnet34@96").max_depths == (3, 4, 6, 3)
    other = by_name("resnet-w32.64.128-d2.3.1-s3@32")
    assert (other.stage_widths, other.max_depths, other.stem_kernel) == (
        (32, 64, 128),
        (2, 3, 1),
        3,
    )


def test_the_same_networks_may_take_another_image_size(space):
    other = at_size(space, 50)
    assert other.name == space.name.partition("@")[0] + "@50" and other.image_size == 50
    assert other.largest == space.largest and at_size(other, space.image_size) == space


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("resnet18", "such as resnet18@64"),
        ("resnet50@64", "such as resnet18@64"),
        ("resnet18@6４", "such as resnet18@64"),
        ("resnet18@64\n", "such as resnet18@64"),
        ("resnet-w8.16-d2.1-s3", "such as resnet18@64"),
        ("resnet-w64.128.256.512-d2.2.2.2-s7@64", "must be written 'resnet18@64'"),
        ("resnet18@064", "must be written 'resnet18@64'"),
        ("resnet-w08.16-d2.1-s3@8", f"must be written '{TINY}'"),
        ("resnet-w8..16-d2.1-s3@8", "join numbers by"),
        ("resnet-w4.16-d2.1-s3@8", "widths must be 8 to 4096"),
        ("resnet-w8.16-d2.0-s3@8", "depths must be 1 to 64"),
        ("resnet-w8.16-d2.1.1-s3@8", "as many depths as widths"),
        ("resnet-w8.16-d2.1-s5@8", "a stem of 7 or 3"),
        ("resnet-w8.16-d2.1-s3@7", "image size must be 8 to 1024"),
        (f"resnet-w8{'.8' * 6}-d1{'.1' * 6}-s3@8", "stages must be 1 to 6"),
    ],
)
def test_a_name_of_no_space_is_told_why(name, reason):
    with pytest.raises(UnknownName, match=reason):
        by_name(name)


# text


def test_an_architecture_is_read_back_from_its_text(space):
    for architecture in draws(space, 50):
        assert Architecture.parse(str(architecture)) == architecture


def test_the_text_names_streams_and_blocks():
    architecture = Architecture(((48, 64), (96,)), (64, 128))
    assert str(architecture) == "64=48-64_128=96"
    assert architecture.depth == 3 and architecture.path == ((64, 48, 64), (128, 96))
    assert architecture != Architecture(((48, 64), (96,)))


@pytest.mark.parametrize(
    "text",
    ["8=", "=8", "8=8=8", "8=8_8", "8_8=8", "8-8=8", "08=8", "8=8_8=", "8= 8", "８=8", "8:8"],
)
def test_what_is_no_architecture_is_refused(text):
    with pytest.raises(InvalidArchitecture, match="joined by"):
        Architecture.parse(text)


# members


@pytest.mark.parametrize("width", [8, 13, 16, 20, 24, 32, 36, 64, 80, 96, 100, 512, 1000])
def test_steps_are_distinct_eighths_of_whole_vectors(width):
    steps = steps_of(width)
    assert len(set(steps)) == 7 and steps == sorted(steps) and steps[-1] == width
    for step, eighths in zip(steps, range(2, 9), strict=True):
        assert width * eighths / 8 <= step < width * (eighths + 1) / 8
    if width % 8 == 0 and width >= 64:
        assert not any(step % 8 for step in steps)


@pytest.mark.parametrize("rate", [0.01, 0.1, 1.0])
def test_whatever_is_drawn_is_a_member_and_mutation_changes_something(space, rate):
    generator = torch.Generator().manual_seed(1)
    members = space.sample(40, generator=generator)
    for first, second in pairwise([*members, space.smallest, space.largest]):
        assert space.contains(first) and space.contains(second)
        child = space.mutate(first, rate=rate, generator=generator)
        assert space.contains(child) and child != first
        assert space.contains(space.crossover(first, second, generator=generator))


def test_steps_change_one_thing_and_lead_back(space):
    for member in [*draws(space, 3), space.smallest, space.largest]:
        near = space.neighbours(member)
        assert len(set(near)) == len(near) and member not in near
        for other in near[::5]:
            assert space.contains(other) and member in space.neighbours(other)
            changed = [
                (a, b)
                for ours, theirs in zip(member.path, other.path, strict=True)
                for a, b in zip_longest(ours, theirs)
                if a != b
            ]
            assert len(changed) == 1


@pytest.mark.parametrize("number", [1, 200, 5000])
def test_steps_within_a_budget_reach_every_member_that_it_allows(number):
    space = by_name(TINY)
    everything = every_member(space)
    for limit, cost in (
        ("max_flops", space.flops(everything, num_classes=3)),
        ("max_parameters", space.parameters(everything, num_classes=3)),
    ):
        budget = Budget(**{limit: int(np.sort(cost)[number - 1])})
        reached, last = {space.smallest}, {space.smallest}
        while last:
            steps = {near for member in last for near in space.neighbours(member)} - reached
            last = set(space.within(list(steps), budget, num_classes=3))
            reached |= last
        assert reached == set(space.within(everything, budget, num_classes=3))
        assert len(reached) >= number


def test_every_member_can_be_drawn_and_nothing_else():
    space = by_name(TINY)
    everything = set(every_member(space))
    assert len(everything) == 7 * (7 + 49) * 7 * 7
    drawn = set(draws(space, 200_000))
    assert drawn <= everything
    # Of the rarest kind each is missed with probability exp(-200000 / 2 / 16807).
    assert len(drawn) > 0.98 * len(everything)


def test_depths_and_widths_are_drawn_uniformly():
    space = by_name("resnet34@64")
    members = draws(space, 4000)
    for stage, depth in enumerate(space.max_depths):
        for values, number in (
            ([len(a.widths[stage]) for a in members], depth),
            ([a.streams[stage] for a in members], 7),
            ([a.widths[stage][0] for a in members], 7),
        ):
            _, counts = np.unique(values, return_counts=True)
            assert len(counts) == number
            assert np.abs(counts - 4000 / number).max() < 5 * (4000 / number) ** 0.5


def test_a_low_rate_changes_little_and_a_high_one_much():
    space, generator = by_name("resnet18@64"), torch.Generator().manual_seed(0)

    def changed(rate):
        children = [space.mutate(space.largest, rate=rate, generator=generator) for _ in range(99)]
        codes = space.encode([space.largest, *children])[:, :-1] > 0
        return float((codes[1:] != codes[:1]).view(99, -1, 7).any(2).sum(1).float().mean())

    # At least one of 12 widths or 4 depths; at rate 1, all but those redrawn as before.
    assert 1 <= changed(0.001) < 2 < 9 < changed(1.0)


def test_a_grown_stage_keeps_its_blocks_and_a_shrunk_one_loses_its_last():
    space, generator = by_name("resnet34@64"), torch.Generator().manual_seed(0)
    (parent,) = draws(space, 1, seed=3)
    children = [space.mutate(parent, rate=0.02, generator=generator) for _ in range(400)]
    moved = [
        (old, new)
        for child in children
        for old, new in zip(parent.widths, child.widths, strict=True)
        if len(old) != len(new)
    ]
    alike = [all(o == n for o, n in zip(*pair, strict=False)) for pair in moved]
    assert len(moved) > 30 and sum(alike) > 0.8 * len(moved)
    assert {len(a) < len(b) for a, b in moved} == {True, False}


def test_crossover_takes_each_stage_whole_from_either_parent():
    space, generator = by_name("resnet18@64"), torch.Generator().manual_seed(0)
    first, second = draws(space, 2)
    children = {space.crossover(first, second, generator=generator) for _ in range(99)}
    assert len(children) == 2**4
    for child in children:
        for stage, path in enumerate(child.path):
            assert path in {first.path[stage], second.path[stage]}


def test_draws_depend_on_their_generator_only():
    space = by_name(TINY)
    torch.manual_seed(1)
    first, state = draws(space, 20), torch.random.get_rng_state()
    pool = stratified(space, 9, seed=5)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert draws(space, 20) == first != draws(space, 20, seed=1)
    assert stratified(space, 9, seed=5) == pool != stratified(space, 9, seed=6)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("8_16", "2 stages, each headed by its stream"),
        ("8=8", "2 stages"),
        ("8=8_16=16_16=16", "2 stages"),
        ("8=8-8-8_16=16", "stage 1 must have 1 to 2 blocks"),
        ("8=8_16=16-16", "stage 2 must have 1 to 1 blocks"),
        ("9=8_16=16", r"widths of stage 1 must be among \[2, 3, 4, 5, 6, 7, 8\]"),
        ("8=8_16=5", "widths of stage 2 must be among"),
    ],
)
def test_a_stranger_is_told_which_rule_it_breaks(text, rule):
    space, stranger = by_name(TINY), Architecture.parse(text)
    assert not space.contains(stranger)
    with pytest.raises(
        InvalidArchitecture, match=f"{rule}.* in a member of space .*but got {text}"
    ):
        space.check(stranger)


def test_members_of_one_kind_are_none_of_the_other(micro_space):
    with pytest.raises(InvalidArchitecture, match="no streams, in a member of space 'micro'"):
        micro_space.check(Architecture.parse("8=8_16=16_32=32"))


# codes


def test_no_two_members_share_a_code():
    space = by_name(TINY)
    everything = every_member(space)
    encodings = space.encode(everything)
    assert encodings.shape == (len(everything), space.encoding_length)
    assert len(encodings[:, :-1].unique(dim=0)) == len(everything)
    assert space.encode([]).shape == (0, space.encoding_length)


def test_a_code_is_one_hot_widths_and_says_what_blocks_there_are(space):
    members = [*draws(space, 100), space.largest, space.smallest]
    encodings = space.encode(members)
    assert encodings.shape == (len(members), space.encoding_length)
    relative = space.flops(members) / space.flops([space.largest])
    assert np.allclose(encodings[:, -1], relative, rtol=1e-6)
    for code, inner, outer, member in zip(
        encodings, *space.shapes(encodings), members, strict=True
    ):
        assert code[:-1].sum() == space.num_stages + member.depth
        for s, (stage, stream) in enumerate(zip(member.widths, member.streams, strict=True)):
            blank = [0] * (max(space.max_depths) - len(stage))
            assert inner[s].tolist() == [*stage, *blank]
            assert outer[s].tolist() == [*(stream for _ in stage), *blank]


# costs


def test_costs_are_those_of_the_built_network(space):
    members = [*draws(space, 4), space.largest, space.smallest]
    flops = space.flops(members, num_classes=7)
    parameters = space.parameters(members, num_classes=7)
    for i, architecture in enumerate(members):
        with torch.device("meta"):  # counts without computing
            network = ResNet(space, architecture, num_classes=7).eval()
            images = torch.zeros(1, 3, space.image_size, space.image_size)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            network(images)
        # The counter counts a multiply-add as two.
        assert counter.get_total_flops() == 2 * flops[i]
        assert sum(p.numel() for p in network.parameters()) == parameters[i]


def test_the_shape_of_a_map_is_that_of_the_built_network(space):
    with torch.device("meta"):
        network = ResNet(space, space.largest, num_classes=2)
        image = torch.zeros(1, 3, space.noise_size, space.noise_size)
    assert network.stages(image)[-1].shape[1:] == space.feature_map_shape
    assert space.feature_map_shape[1:] == (4, 4)


def test_nothing_costs_less_than_the_smallest_or_more_than_the_largest():
    space = by_name(TINY)
    everything = every_member(space)
    for costs in (
        space.flops(everything, num_classes=3),
        space.parameters(everything, num_classes=3),
    ):
        assert everything[costs.argmin()] == space.smallest
        assert everything[costs.argmax()] == space.largest


def test_each_wider_or_deeper_member_costs_more(space):
    for member in draws(space, 20):
        for stage, options in enumerate(space.options.tolist()):
            wider = list(member.streams)
            wider[stage] = options[-1]
            deeper = list(member.widths)
            deeper[stage] = (*deeper[stage], options[0])
            grown = [Architecture(member.widths, tuple(wider))]
            if len(member.widths[stage]) < space.max_depths[stage]:
                grown.append(Architecture(tuple(deeper), member.streams))
            for other in grown:
                if other != member:
                    assert space.flops([other]) > space.flops([member])
                    assert space.parameters([other], num_classes=2) > space.parameters(
                        [member], num_classes=2
                    )


# pools


def test_a_pool_is_distinct_steady_and_stratified(space):
    pool = stratified(space, 32, seed=3)
    assert len(set(pool)) == 32 and all(map(space.contains, pool))
    assert stratified(space, 13, seed=3) == pool[:13]
    low, high = space.flops([space.smallest, space.largest])
    bands = [min(7, int(8 * (f - low) / (high - low))) for f in space.flops(pool)]
    for start in range(0, 32, 8):
        assert sorted(bands[start : start + 8]) == list(range(8))


def test_a_space_that_cannot_be_is_refused():
    with pytest.raises(InvalidConfig, match="widths must be 8 to 4096"):
        residual((4,), (1,), stem=3, image_size=8)
