"""The surrogate: order, level and spread apart; what measured students do to each."""

import numpy as np
import pytest
import torch

from dass.errors import InvalidData
from dass.predictor.level import Facts, fit_line, log_odds
from dass.predictor.ranking import spearman
from dass.predictor.surrogate import Fidelity, Observed
from dass.predictor.surrogate_fit import Students, fidelities_of, fit_surrogate

GROUPS = ("signs", "glyphs", "steel", "flowers")


def students(number, *, seed, level=None, spread=0.03, count=16, group=None):
    """One teacher's students: better along the first input, on a level and spread of its own."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    x = normal(count, 3)
    level = 0.3 + 0.5 * float(torch.rand((), generator=generator)) if level is None else level
    true = x[:, 0] + 0.4 * normal(1) * x[:, 1]
    accuracies = (level + spread * true + 0.003 * normal(count)).clamp(0.01, 0.99)
    curves = torch.stack([level - 0.1 + 2 * spread * (true + normal(count)), accuracies], 1)
    return Students(
        teacher=f"t{number}",
        group=group or GROUPS[number % 4],
        facts=Facts(
            min(level + 0.02 + 0.2 * float(torch.rand((), generator=generator)), 0.99), 10
        ),
        inputs=x,
        accuracies=accuracies,
        trainings=torch.ones(count, dtype=torch.float64),
        curves=curves,
    )


@pytest.fixture(scope="module")
def surrogate():
    return fit_surrogate([students(i, seed=i) for i in range(16)])


@pytest.fixture
def new():
    return students(99, seed=99, level=0.62, group="sounds")


def conditioned(surrogate, new, chosen=None, *, epochs=0, images=None):
    expected = surrogate.level.expected(new.facts)
    if chosen is None:
        return surrogate.conditioned(expected)
    accuracies = new.accuracies if epochs == 0 else new.curves[:, epochs - 1]
    observed = Observed(new.inputs[chosen], accuracies[chosen], (epochs,) * len(chosen), images)
    return surrogate.conditioned(expected, observed)


def test_a_new_teachers_students_are_ordered(surrogate, new):
    mean, std = conditioned(surrogate, new).predict(new.inputs)
    assert spearman(mean.numpy(), new.accuracies.numpy()) > 0.7
    assert (std > 0).all()


def test_predictions_do_not_depend_on_what_else_is_asked(surrogate, new):
    found = conditioned(surrogate, new, [0, 3, 5])
    whole = found.predict(new.inputs)
    parts = [found.predict(row[None]) for row in new.inputs]
    for index, name in enumerate(("mean", "std")):
        assert torch.allclose(whole[index], torch.cat([p[index] for p in parts])), name


def test_nothing_measured_is_the_same_as_an_empty_list_of_measured_students(surrogate, new):
    plain, empty = (conditioned(surrogate, new, c).predict(new.inputs) for c in (None, []))
    assert all(torch.equal(a, b) for a, b in zip(plain, empty, strict=True))


def test_two_measured_students_fix_the_level(surrogate):
    far = students(7, seed=70, level=0.25, group="sounds")
    far = Students(**{n: getattr(far, n) for n in far.__slots__} | {"facts": Facts(0.9, 10)})
    before, spread_before = conditioned(surrogate, far).predict(far.inputs)
    after, spread_after = conditioned(surrogate, far, [0, 1]).predict(far.inputs)
    assert abs(float(before.mean()) - far.level) > 0.2
    assert abs(float(after.mean()) - far.level) < 0.1
    assert float(spread_after.mean()) < float(spread_before.mean()) / 2


def test_measured_students_bend_the_order(surrogate):
    values = {None: [], 8: []}
    for seed in range(200, 212):
        new = students(5, seed=seed, count=40, group="sounds")
        for k in values:
            found = conditioned(surrogate, new, None if k is None else list(range(k)))
            mean, _ = found.predict(new.inputs[8:])
            values[k].append(spearman(mean.numpy(), new.accuracies[8:].numpy()))
    assert np.mean(values[8]) > np.mean(values[None]) + 0.02


def test_a_short_training_says_less_than_a_whole_one(surrogate, new):
    chosen = [1, 2, 4, 7]
    widths = [
        float(conditioned(surrogate, new, chosen, epochs=e).predict(new.inputs)[1].mean())
        for e in (0, 1)
    ]
    assert widths[0] < widths[1]


def test_a_short_training_moves_no_level(surrogate, new):
    """All that it tells is how students differ: its own level is another."""
    plain, _ = conditioned(surrogate, new).predict(new.inputs)
    moved, _ = conditioned(surrogate, new, [0, 2, 5], epochs=1).predict(new.inputs)
    assert abs(float((moved - plain).mean())) < 0.02


def test_fewer_validation_images_make_wider_intervals(surrogate, new):
    few, many = (
        conditioned(surrogate, new, [0, 1, 2], images=n).predict(new.inputs)[1].mean()
        for n in (50, 5000)
    )
    assert few > many


def test_intervals_hold_on_teachers_of_an_origin_left_out(surrogate):
    held = {k: [] for k in (0, 4)}
    for seed in range(300, 330):
        new = students(seed, seed=seed, group="sounds")
        for k in held:
            found = conditioned(surrogate, new, list(range(k)) if k else None)
            mean, std = found.predict(new.inputs[k:])
            held[k] += (new.accuracies[k:] - mean).abs().le(1.645 * std).tolist()
    assert all(0.8 < np.mean(inside) < 0.99 for inside in held.values()), held


def test_the_noise_of_a_shorter_training_is_what_it_agrees_by():
    found = fidelities_of([students(i, seed=i, count=400) for i in range(4)])
    assert list(found) == [1]
    # Twice the spread, and as much noise as signal: agreement of half the variance.
    assert found[1].ratio == pytest.approx(2 * 2**0.5, rel=0.15)
    assert found[1].noise == pytest.approx(1.0, rel=0.25)


def test_epochs_that_were_never_seen_count_as_the_nearest_shorter(surrogate):
    assert surrogate.fidelity(0) == Fidelity(1.0, 0.0)
    assert surrogate.fidelity(7) == surrogate.fidelities[1]


def test_too_few_teachers_are_refused():
    with pytest.raises(InvalidData, match="two teachers or more"):
        fit_surrogate([students(0, seed=0)])


def test_a_line_is_as_unsure_as_the_origins_that_it_missed():
    facts = [Facts(a, 10) for a in np.linspace(0.2, 0.9, 12)]
    straight = np.array([log_odds(one.accuracy) for one in facts])
    groups = [f"g{i % 4}" for i in range(12)]
    jump = straight + np.where(np.array(groups) == "g0", 3.0, 0.0)
    assert fit_line(facts, straight, groups).std < 0.5 < fit_line(facts, jump, groups).std


def test_choices_are_regretted_by_as_much_as_they_are_said_to_be_worse():
    known = fit_surrogate([students(i, seed=i) for i in range(16)], widened=False)
    new = students(98, seed=98, level=0.5, group="sounds", count=5)
    found = conditioned(known, new)
    mean, _ = found.predict(new.inputs)
    regrets = [found.expected_regret(new.inputs, choice=i) for i in range(5)]
    assert int(np.argmin(regrets)) == int(mean.argmax()), "the best guess is regretted least"
    assert min(regrets) > 0, "nobody is sure"
    differences = torch.tensor(regrets) - min(regrets)
    expected = (mean.max() - mean).float()
    assert torch.allclose(differences, expected, atol=2e-3)


def test_whoever_measured_all_knows_what_each_choice_loses(surrogate, new):
    everybody = conditioned(surrogate, new, list(range(len(new.inputs))))
    gap = float(new.accuracies.max() - new.accuracies.min())
    best, worst = int(new.accuracies.argmax()), int(new.accuracies.argmin())
    assert everybody.expected_regret(new.inputs, choice=worst) == pytest.approx(gap, rel=0.25)
    assert everybody.expected_regret(new.inputs, choice=best) < gap / 10


def test_a_choice_among_thousands_is_as_one_among_its_rivals(surrogate, new):
    """Those that cannot win change nothing."""
    found = conditioned(surrogate, new)
    hopeless = new.inputs.clone()
    hopeless[:, 0] -= 12
    many = torch.cat([new.inputs, hopeless.repeat(20, 1)])
    few = found.expected_regret(new.inputs, choice=0)
    assert found.expected_regret(many, choice=0) == pytest.approx(few, rel=0.15)
