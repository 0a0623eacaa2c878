"""Spaces: what is a member, how members are drawn, what they cost."""

import pickle
from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from dass import errors
from dass.errors import InfeasibleBudget, InvalidArchitecture, InvalidConfig, UnknownName
from dass.networks.resnet import ResNet
from dass.space.architecture import Architecture
from dass.space.cost import Budget
from dass.space.published import PublishedSpace
from dass.space.sampling import stratified
from dass.space.spaces import SPACES, by_name

EVERY = [by_name(name) for name in SPACES]


def draws(space, number, seed=0):
    return space.sample(number, generator=torch.Generator().manual_seed(seed))


def every_member(space):
    """Write out a whole space: feasible for `micro`, which has 5,400 members."""
    stages = []
    for options in space.options.tolist():
        stages.append([s for d in range(1, space.depth + 1) for s in product(options, repeat=d)])
    stages[-1] = [s for s in stages[-1] if s[-1] == space.stage_widths[-1]]
    return [Architecture(widths) for widths in product(*stages)]


def odd_space(**changed):
    """A space whose image sides are halved with remainders."""
    settings = {
        "name": "odd",
        "stage_widths": (4, 8, 8),
        "depth": 2,
        "multipliers": (0.5, 1.0),
        "strides": (2, 1, 2),
        "stem_stride": 2,
        "image_size": 21,
        "noise_size": 27,
    }
    return PublishedSpace(**{**settings, **changed})


# text


@pytest.mark.parametrize("space", EVERY, ids=lambda s: s.name)
def test_an_architecture_is_read_back_from_its_text(space):
    for architecture in draws(space, 50):
        assert Architecture.parse(str(architecture)) == architecture


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "_", "-", "8__16", "8-", "_8", "8--8", "0_8", "1_0", "08", "-8", "8_-8", "+8"),
        *(
            "8.0",
            "8e1",
            "0x8",
            "1_0x",
            "8_1 6",
            "8 ",
            "\n8",
            "8\n",
            "8,16",
            "ⅷ",
            "8_٣",
            "８",
            "8²",
        ),
        "8_" * 10_000,
    ],
)
def test_what_is_no_architecture_is_refused(text):
    with pytest.raises(InvalidArchitecture, match="joined by") as raised:
        Architecture.parse(text)
    assert len(str(raised.value)) < 300


def test_the_text_names_stages_and_blocks():
    architecture = Architecture(((32, 24), (64,), (128, 96), (256,)))
    assert str(architecture) == "32-24_64_128-96_256"
    assert architecture.depth == 6


# drawing


@pytest.mark.parametrize("space", [*EVERY, odd_space()], ids=lambda s: s.name)
@pytest.mark.parametrize("rate", [0.01, 0.1, 1.0])
def test_whatever_is_drawn_is_a_member_and_mutation_changes_something(space, rate):
    generator = torch.Generator().manual_seed(1)
    members = space.sample(60, generator=generator)
    for first, second in pairwise([*members, space.smallest, space.largest]):
        assert space.contains(first) and space.contains(second)
        child = space.mutate(first, rate=rate, generator=generator)
        assert space.contains(child) and child != first
        assert space.contains(space.crossover(first, second, generator=generator))


def test_every_member_can_be_drawn_and_nothing_else(micro_space):
    everything = set(every_member(micro_space))
    assert len(everything) == 30 * 30 * 6
    drawn = set(draws(micro_space, 100_000))
    assert drawn <= everything
    # Of the rarest kind (all depths 2) each is missed with probability exp(-100000/8/3125).
    assert len(drawn) > 0.97 * len(everything)


def test_depths_and_widths_are_drawn_uniformly():
    space = by_name("paper")
    table = space.table(draws(space, 4000))
    depths = (table > 0).sum(2)
    for stage in range(space.num_stages):
        counts = np.bincount(depths[:, stage], minlength=6)[1:]
        assert np.abs(counts - 800).max() < 5 * 800**0.5
        widths = table[:, stage, 0][depths[:, stage] > 1]
        counts = np.array([(widths == option).sum() for option in space.options[stage]])
        assert np.abs(counts - len(widths) / 9).max() < 5 * (len(widths) / 9) ** 0.5


def test_draws_depend_on_their_generator_only():
    space = by_name("micro")
    torch.manual_seed(1)
    first, pool = draws(space, 20), stratified(space, 9, seed=5)
    state = torch.random.get_rng_state()
    assert draws(space, 20) == first != draws(space, 20, seed=1)
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.manual_seed(2)
    assert draws(space, 20) == first
    assert stratified(space, 9, seed=5) == pool != stratified(space, 9, seed=6)


def test_a_low_rate_changes_little_and_a_high_one_much():
    space, generator = by_name("paper"), torch.Generator().manual_seed(0)

    def changed(rate):
        children = [space.mutate(space.largest, rate=rate, generator=generator) for _ in range(99)]
        return float((space.table(children) != space.table([space.largest])).sum((1, 2)).mean())

    # At least one of 20 blocks; at rate 1, all but those redrawn as wide as before.
    assert 1 <= changed(0.001) < 4 < 14 < changed(1.0)


def test_mutation_reaches_every_depth():
    space, generator = by_name("paper"), torch.Generator().manual_seed(0)
    (parent,) = draws(space, 1)
    children = [space.mutate(parent, rate=0.5, generator=generator) for _ in range(99)]
    for stage in range(space.num_stages):
        assert {len(child.widths[stage]) for child in children} == {1, 2, 3, 4, 5}


@pytest.mark.parametrize("number", [1, 100, 2000])
def test_steps_within_a_budget_reach_every_member_that_it_allows(micro_space, number):
    everything = every_member(micro_space)
    flops = micro_space.flops(everything, num_classes=3)
    budget = Budget(max_flops=int(np.sort(flops)[number - 1]))
    reached, last = {micro_space.smallest}, {micro_space.smallest}
    while last:
        steps = {near for member in last for near in micro_space.neighbours(member)} - reached
        last = set(micro_space.within(list(steps), budget, num_classes=3))
        reached |= last
    assert reached == set(micro_space.within(everything, budget, num_classes=3))
    assert len(reached) >= number


def test_crossover_takes_each_stage_whole_from_either_parent():
    space, generator = by_name("paper"), torch.Generator().manual_seed(0)
    first, second = draws(space, 2)
    children = [space.crossover(first, second, generator=generator).widths for _ in range(60)]
    for stage in range(space.num_stages):
        both = {first.widths[stage], second.widths[stage]}
        assert {child[stage] for child in children} == both
    assert len(set(children)) == 2**space.num_stages


# membership


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("8_16", "3 stages"),
        ("8_16_32_64", "3 stages"),
        ("8-8-8_16_32", "stage 1 must have 1 to 2 blocks"),
        ("8_16_32-32-32", "stage 3 must have 1 to 2 blocks"),
        ("9_16_32", r"widths of stage 1 must be among \[4, 5, 6, 7, 8\]"),
        ("8_16-8-16_32", "stage 2 must have 1 to 2 blocks"),
        ("8_16-18_32", "widths of stage 2 must be among"),
        ("8_16_32-16", "last block must have 32"),
    ],
)
def test_a_stranger_is_told_which_rule_it_breaks(micro_space, text, rule):
    stranger = Architecture.parse(text)
    assert not micro_space.contains(stranger)
    message = f"{rule}.* in a member of space 'micro', but got {text}"
    with pytest.raises(InvalidArchitecture, match=message):
        micro_space.check(stranger)


def test_a_stage_without_blocks_is_refused(micro_space):
    with pytest.raises(InvalidArchitecture, match="stage 2 must have 1 to 2 blocks"):
        micro_space.check(Architecture(((8,), (), (32,))))
    with pytest.raises(InvalidArchitecture, match="3 stages"):
        micro_space.check(Architecture(()))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"strides": (1, 2)}, r"len\(strides\) == len\(stage_widths\)"),
        ({"multipliers": (0.5, 0.75)}, "ascend to 1"),
        ({"multipliers": (1.0, 0.5, 1.0)}, "ascend to 1"),
        ({"multipliers": (0.3, 1.0)}, "whole number"),
    ],
)
def test_a_space_that_cannot_be_is_refused(changed, message):
    with pytest.raises(InvalidConfig, match=message):
        odd_space(**changed)


# encodings


@pytest.mark.parametrize("space", EVERY, ids=lambda s: s.name)
def test_codes_are_one_hot_widths_and_tell_architectures_apart(space):
    members = list(dict.fromkeys(draws(space, 500)))
    encodings = space.encode(members)
    assert encodings.shape == (len(members), space.encoding_length)
    assert len(encodings[:, :-1].unique(dim=0)) == len(members)
    slots = encodings[:, :-1].view(len(members), space.num_stages, space.depth, -1)
    for code, architecture in zip(slots[:50], members, strict=False):
        for stage in range(space.num_stages):
            for slot in range(space.depth):
                naive = [0.0] * len(space.multipliers)
                if slot < len(architecture.widths[stage]):
                    width = architecture.widths[stage][slot]
                    naive[space.options[stage].tolist().index(width)] = 1.0
                assert code[stage, slot].tolist() == naive
    relative = space.flops(members) / space.flops([space.largest])
    assert np.allclose(encodings[:, -1], relative, rtol=1e-6)
    assert float(space.encode([space.largest])[0, -1]) == 1


def test_no_two_members_share_a_code(micro_space):
    everything = every_member(micro_space)
    encodings = micro_space.encode(everything)[:, :-1]
    assert len(encodings.unique(dim=0)) == len(everything)


def test_the_code_of_the_paper_has_181_entries():
    space = by_name("paper")
    assert space.encoding_length == 181
    assert space.encode(draws(space, 3)).shape == (3, 181)
    assert space.encode([]).shape == (0, 181)


# costs


@pytest.mark.parametrize("space", [*EVERY, odd_space()], ids=lambda s: s.name)
def test_costs_are_those_of_the_built_network(space):
    members = [*draws(space, 2), space.largest, space.smallest]
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


@pytest.mark.parametrize("space", [*EVERY, odd_space()], ids=lambda s: s.name)
def test_the_shape_of_a_map_is_that_of_the_built_network(space):
    with torch.device("meta"):
        network = ResNet(space, space.smallest, num_classes=2)
        image = torch.zeros(1, 3, space.noise_size, space.noise_size)
    assert network.stages(image)[-1].shape[1:] == space.feature_map_shape


def test_flops_leave_the_classifier_out_unless_asked(micro_space):
    members = draws(micro_space, 5)
    plain, with_classes = micro_space.flops(members), micro_space.flops(members, num_classes=9)
    assert (with_classes - plain).tolist() == [32 * 9] * 5


def test_nothing_costs_less_than_the_smallest_or_more_than_the_largest(micro_space):
    everything = every_member(micro_space)
    for costs in (
        micro_space.flops(everything, num_classes=3),
        micro_space.parameters(everything, num_classes=3),
    ):
        assert everything[costs.argmin()] == micro_space.smallest
        assert everything[costs.argmax()] == micro_space.largest


def test_a_hundred_thousand_candidates_are_filtered_exactly():
    space = by_name("paper")
    members = draws(space, 2000) * 50
    budget = Budget(max_flops=400_000_000, max_parameters=3_000_000)
    kept = space.within(members, budget, num_classes=10)
    naive = []
    for architecture in members[:2000]:
        flops, parameters = naive_costs(space, architecture, num_classes=10)
        if flops <= 400_000_000 and parameters <= 3_000_000:
            naive.append(architecture)
    assert 0 < len(naive) < 2000
    assert kept == naive * 50


def naive_costs(space, architecture, *, num_classes):
    side, before = -(-space.image_size // space.stem_stride), architecture.widths[0][0]
    flops, parameters = 27 * before * side**2, 27 * before + 2 * before
    for stage, stride in zip(architecture.widths, space.strides, strict=True):
        side = -(-side // stride)
        for width in stage:
            for inputs in (before, width):
                flops += 9 * inputs * width * side**2
                parameters += 9 * inputs * width + 2 * width
            before = width
    return flops + before * num_classes, parameters + before * num_classes + num_classes


def test_a_budget_allows_what_costs_exactly_as_much(micro_space):
    members = draws(micro_space, 50)
    flops = int(micro_space.flops(members[:1], num_classes=3)[0])
    parameters = int(micro_space.parameters(members[:1], num_classes=3)[0])
    for budget, kept in (
        (Budget(), True),
        (Budget(max_flops=flops), True),
        (Budget(max_flops=flops - 1), False),
        (Budget(max_parameters=parameters), True),
        (Budget(max_parameters=parameters - 1), False),
        (Budget(max_flops=flops, max_parameters=parameters - 1), False),
        (Budget(max_flops=flops - 1, max_parameters=parameters), False),
    ):
        assert (members[0] in micro_space.within(members, budget, num_classes=3)) is kept
    assert micro_space.within(members, Budget(), num_classes=3) == members
    assert micro_space.within([], Budget(max_flops=1), num_classes=3) == []


@pytest.mark.parametrize("field", ["max_flops", "max_parameters"])
@pytest.mark.parametrize("value", [0, -1])
def test_a_budget_of_nothing_is_refused(field, value):
    with pytest.raises(InvalidConfig, match=f"`{field} > 0` must hold, but got {value}"):
        Budget(**{field: value})


@pytest.mark.parametrize("space", EVERY, ids=lambda s: s.name)
def test_an_impossible_budget_is_answered_with_the_cheapest_student(space):
    flops, parameters = naive_costs(space, space.smallest, num_classes=3)
    space.check_budget(Budget(max_flops=flops, max_parameters=parameters), num_classes=3)
    answer = f"{space.smallest} with {flops:,} FLOPs and {parameters:,} parameters"
    for budget in (Budget(max_flops=flops - 1), Budget(max_parameters=parameters - 1)):
        with pytest.raises(InfeasibleBudget, match=answer):
            space.check_budget(budget, num_classes=3)


@dataclass(frozen=True)
class Whole:
    """What budgets are fractions of."""

    flops: int = 1001
    parameters: int = 77


def test_a_budget_of_fractions_is_rounded_down_to_what_the_teacher_costs():
    assert Budget.of(Whole()) == Budget()
    assert Budget.of(Whole(), flops=0.5) == Budget(max_flops=500)
    assert Budget.of(Whole(), flops=1.0, parameters=1.0) == Budget(
        max_flops=1001, max_parameters=77
    )
    assert Budget.of(Whole(), parameters=0.25) == Budget(max_parameters=19)
    assert Budget.of(Whole(), flops=1e-9) == Budget(max_flops=1)  # never free


@pytest.mark.parametrize("name", ["flops", "parameters"])
@pytest.mark.parametrize("value", [0.0, -0.5, 1.01, 50.0, float("nan")])
def test_what_is_no_fraction_of_a_teacher_is_refused(name, value):
    with pytest.raises(InvalidConfig, match=f"`0 < {name} <= 1` must hold .*but got {value}"):
        Budget.of(Whole(), **{name: value})


# pools


@pytest.mark.parametrize("space", EVERY, ids=lambda s: s.name)
def test_a_pool_is_distinct_steady_and_stratified(space):
    pool = stratified(space, 64, seed=3)
    assert len(set(pool)) == 64 and all(map(space.contains, pool))
    assert all(a.widths[-1][-1] == space.stage_widths[-1] for a in pool)
    assert stratified(space, 13, seed=3) == pool[:13]
    low, high = space.flops([space.smallest, space.largest])
    bands = [min(7, int(8 * (f - low) / (high - low))) for f in space.flops(pool)]
    for start in range(0, 64, 8):
        assert sorted(bands[start : start + 8]) == list(range(8))
    assert bands[:8] != bands[8:16]


def test_a_pool_too_large_says_how_many_there_are(micro_space):
    with pytest.raises(InvalidConfig, match=r"can hold \d+ architectures at most, but 5401"):
        stratified(micro_space, 5401, seed=0)


# names and errors


def test_an_unknown_space_is_answered_with_the_known_ones():
    with pytest.raises(UnknownName, match="micro"):
        by_name("nano")


def test_every_error_crosses_process_borders():
    for value in vars(errors).values():
        if isinstance(value, type) and issubclass(value, Exception):
            twin = pickle.loads(pickle.dumps(value("what must hold")))
            assert type(twin) is value and str(twin) == "what must hold"
