"""Spaces: what is a member, how members are drawn, what they cost."""

import pickle
from itertools import pairwise

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from dass import errors
from dass.errors import InfeasibleBudget, InvalidArchitecture, UnknownName
from dass.network import ResNet
from dass.space import SPACES, Architecture, Budget, by_name

EVERY = [by_name(name) for name in SPACES]


def draws(space, number, seed=0):
    return space.sample(number, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("space", EVERY, ids=lambda s: s.name)
def test_an_architecture_is_read_back_from_its_text(space):
    for architecture in draws(space, 50):
        assert Architecture.parse(str(architecture)) == architecture


@pytest.mark.parametrize("text", ["", "8__16", "8-", "-8", "1_0x", "8_٣", "8_1 6", "0_8", "+8"])
def test_what_is_no_architecture_is_refused(text):
    with pytest.raises(InvalidArchitecture, match="joined by"):
        Architecture.parse(text)


@pytest.mark.parametrize("space", EVERY, ids=lambda s: s.name)
def test_whatever_is_drawn_is_a_member(space):
    generator = torch.Generator().manual_seed(1)
    members = space.sample(60, generator=generator)
    for first, second in pairwise(members):
        assert space.contains(first)
        child = space.mutate(first, generator=generator)
        assert child != first
        assert space.contains(child)
        assert space.contains(space.crossover(first, second, generator=generator))
    assert space.contains(space.largest) and space.contains(space.smallest)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("8_16", "3 stages"),
        ("8-8-8_16_32", "1 to 2 blocks"),
        ("9_16_32", "widths of stage 1"),
        ("8_16_32-16", "last block"),
    ],
)
def test_a_stranger_is_told_which_rule_it_breaks(text, rule):
    with pytest.raises(InvalidArchitecture, match=rule):
        by_name("micro").check(Architecture.parse(text))


@pytest.mark.parametrize("space", EVERY, ids=lambda s: s.name)
def test_codes_are_one_hot_widths_and_tell_architectures_apart(space):
    members = list(dict.fromkeys(draws(space, 500)))
    codes = space.encode(members)
    assert codes.shape == (len(members), space.code_length)
    assert len(codes[:, :-1].unique(dim=0)) == len(members)
    slots = codes[:, :-1].view(len(members), space.num_stages * space.depth, -1)
    assert slots.sum((1, 2)).tolist() == [a.depth for a in members]
    assert float(space.encode([space.largest])[0, -1]) == 1


def test_the_code_of_the_paper_has_181_entries():
    assert by_name("paper").code_length == 181


@pytest.mark.parametrize("space", EVERY, ids=lambda s: s.name)
def test_costs_are_those_of_the_built_network(space):
    members = [*draws(space, 3), space.largest, space.smallest]
    flops = space.flops(members, num_classes=7)
    parameters = space.parameters(members, num_classes=7)
    for i, architecture in enumerate(members):
        network = ResNet(space, architecture, num_classes=7).eval()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            network(torch.zeros(1, 3, space.image_size, space.image_size))
        assert counter.get_total_flops() == 2 * flops[i]
        assert sum(p.numel() for p in network.parameters()) == parameters[i]


def test_a_hundred_thousand_candidates_are_filtered_exactly():
    space = by_name("paper")
    members = draws(space, 100_000)
    budget = Budget(max_flops=400_000_000, max_parameters=3_000_000)
    kept = space.within(members, budget, num_classes=10)
    flops = space.flops(members, num_classes=10) <= 400_000_000
    parameters = space.parameters(members, num_classes=10) <= 3_000_000
    assert 0 < len(kept) == int((flops & parameters).sum()) < len(members)


def test_an_impossible_budget_is_answered_with_the_cheapest_student():
    space = by_name("micro")
    with pytest.raises(InfeasibleBudget, match=str(space.smallest)):
        space.check_budget(Budget(max_flops=10), num_classes=3)


@pytest.mark.parametrize("space", EVERY, ids=lambda s: s.name)
def test_a_pool_is_distinct_steady_and_stratified(space):
    pool = space.pool(32, seed=3)
    assert len(set(pool)) == 32 and all(map(space.contains, pool))
    assert space.pool(32, seed=3) == pool != space.pool(32, seed=4)
    assert space.pool(12, seed=3) == pool[:12]
    low, high = space.flops([space.smallest, space.largest])
    bands = [int((f - low) * 4 // (high - low + 1)) for f in space.flops(pool)]
    assert all(bands.count(band) >= 4 for band in range(4))


def test_an_unknown_space_is_answered_with_the_known_ones():
    with pytest.raises(UnknownName, match="micro"):
        by_name("nano")


def test_every_error_crosses_process_borders():
    for value in vars(errors).values():
        if isinstance(value, type) and issubclass(value, Exception):
            twin = pickle.loads(pickle.dumps(value("what must hold")))
            assert type(twin) is value and str(twin) == "what must hold"
