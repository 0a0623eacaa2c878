"""The predictor and its meta-training: batched against one by one, exact gradients, laws."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from dass.errors import InvalidConfig
from dass.predictor.ensemble import Ensemble
from dass.predictor.episode import Episode
from dass.predictor.meta import (
    MetaConfig,
    accumulate,
    draw,
    fit,
    listwise_loss,
    query_loss,
    stack,
)
from dass.predictor.network import Predictor, PredictorConfig
from dass.predictor.ranking import kendall, regret, spearman
from dass.space.spaces import by_name

SPACE = by_name("micro")
SMALL = PredictorConfig(
    space="micro", recipe="r", hidden=4, features=6, code_features=5, head=7, initial_step=0.1
)


def made(config=SMALL, seed=0):
    return Predictor(config, generator=torch.Generator().manual_seed(seed))


def episodes(number, *, students=12, support=1, seed=0):
    """Tasks whose accuracies follow the relative FLOPs in the code."""
    generator = torch.Generator().manual_seed(seed)

    def one():
        members = SPACE.sample(students, generator=generator)
        encodings = SPACE.encode(members)
        feature_maps = torch.rand(students, *SPACE.feature_map_shape, generator=generator)
        return Episode(
            teacher_feature_map=feature_maps[0],
            feature_maps=feature_maps,
            encodings=encodings,
            accuracies=0.5 + 0.4 * encodings[:, -1],
            support_feature_maps=feature_maps[:support],
            support_encodings=encodings[:support],
            support_accuracies=0.5 + 0.4 * encodings[:support, -1],
        )

    return [one() for _ in range(number)]


def test_tasks_together_are_tasks_one_by_one():
    predictor = made()
    tasks = episodes(3, support=2)
    batch = stack(tasks)
    targets = predictor.to_target(batch.support_accuracies, batch.support_accuracies[:, :1])
    adapted = predictor.adapt(
        batch.teacher_feature_maps,
        batch.support_feature_maps,
        batch.support_encodings,
        targets=targets,
    )
    together = predictor.forward_targets(
        batch.teacher_feature_maps, batch.feature_maps, batch.encodings, weights=adapted
    )
    apart = torch.stack([predictor.predict_episode(task) for task in tasks])
    assert torch.allclose(together / 100, apart, atol=1e-5)


def test_predictions_do_not_depend_on_who_else_is_asked():
    (task,) = episodes(1)
    predictor = made()
    whole = predictor.predict_episode(task)
    part = replace(
        task,
        feature_maps=task.feature_maps[3:4],
        encodings=task.encodings[3:4],
        accuracies=whole[3:4],
    )
    assert torch.allclose(predictor.predict_episode(part), whole[3:4], atol=1e-6)


def test_the_second_order_gradient_is_the_finite_difference():
    predictor = made(replace(SMALL, scale="fraction")).double()
    to64 = {"teacher_feature_map", "feature_maps", "encodings", "accuracies"}
    to64 |= {"support_feature_maps", "support_encodings", "support_accuracies"}
    tasks = [Episode(**{name: getattr(e, name).double() for name in to64}) for e in episodes(2)]
    batch, config = stack(tasks), MetaConfig()
    query_loss(predictor, batch, config).backward()
    for parameter in [*predictor.network.parameters(), *predictor.step_sizes.parameters()]:
        index = int(parameter.grad.abs().argmax())
        flat, exact = parameter.data.view(-1), float(parameter.grad.view(-1)[index])
        values = []
        for step in (1e-5, -2e-5):
            flat[index] += step
            values.append(float(query_loss(predictor, batch, config).detach()))
        flat[index] += 1e-5
        assert (values[0] - values[1]) / 2e-5 == pytest.approx(exact, rel=1e-4, abs=1e-9)


@pytest.mark.parametrize("support", [1, 3])
@pytest.mark.parametrize("listwise", [0.0, 0.7])
def test_the_gradient_task_by_task_is_that_of_all_at_once(support, listwise):
    config = MetaConfig(listwise_weight=listwise)
    tasks = [
        *episodes(2, students=7, support=support),
        *episodes(1, students=11, support=support, seed=1),
    ]
    ours, theirs = (made(replace(SMALL, scale="relative", spread=0.1)) for _ in range(2))
    loss = query_loss(theirs, stack(tasks), config)
    loss.backward()
    assert float(accumulate(ours, tasks, config)) == pytest.approx(loss.item(), rel=1e-5)
    for (name, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        scale = float(q.grad.abs().max())
        assert float((p.grad - q.grad).abs().max()) <= 1e-5 * scale + 1e-9, name


@pytest.mark.parametrize("scale", ["percent", "fraction", "relative"])
def test_targets_turn_back_into_accuracies(scale):
    predictor = made(replace(SMALL, scale=scale))
    accuracies, teacher = torch.tensor([[0.2, 0.7]]), torch.tensor([[0.8]])
    back = predictor.from_target(predictor.to_target(accuracies, teacher), teacher)
    assert torch.allclose(back, accuracies)


@pytest.mark.parametrize(
    ("switch", "field"), [("use_teacher", "teacher_feature_map"), ("use_student", "feature_maps")]
)
def test_an_ablation_really_blinds(switch, field):
    (task,) = episodes(1)
    other = replace(task, **{field: torch.rand_like(getattr(task, field))})
    seeing, blind = made(), made(replace(SMALL, **{switch: False}, adapt=False))
    assert not torch.allclose(seeing.predict_episode(task), seeing.predict_episode(other))
    assert blind.predict_episode(task).equal(blind.predict_episode(other))


def test_an_unequal_number_of_students_is_masked_out():
    predictor, config = made(), MetaConfig(listwise_weight=0.5)
    tasks = [*episodes(1, students=5), *episodes(1, students=9, seed=1)]
    together = query_loss(predictor, stack(tasks), MetaConfig())
    apart = [query_loss(predictor, stack([task]), MetaConfig()) for task in tasks]
    assert float(together.detach()) == pytest.approx(float(sum(apart).detach()) / 2, rel=1e-5)
    assert torch.isfinite(query_loss(predictor, stack(tasks), config))


def test_the_listwise_loss_is_the_naive_loop():
    generator = torch.Generator().manual_seed(0)
    predicted, measured = (torch.randn(2, 6, generator=generator) for _ in range(2))
    mask = torch.tensor([[True] * 6, [True] * 4 + [False] * 2])
    terms = []
    for row in range(2):
        kept = [i for i in range(6) if mask[row, i]]
        order = sorted(kept, key=lambda i: -float(measured[row, i]))
        for place, i in enumerate(order):
            rest = torch.stack([predicted[row, j] for j in order[place:]])
            terms.append(float(torch.logsumexp(rest, 0) - predicted[row, i]))
    ours = float(listwise_loss(predicted, measured, mask))
    assert ours == pytest.approx((sum(terms[:6]) / 6 + sum(terms[6:]) / 4) / 2, rel=1e-5)


def test_support_and_queries_are_disjoint():
    (task,) = episodes(1)
    marked = replace(task, accuracies=torch.arange(12.0) / 12)
    drawn = draw(marked, queries=50, extra_support=3, generator=torch.Generator().manual_seed(0))
    support = set(drawn.support_accuracies[1:].tolist())
    assert len(support) == 3 and len(drawn.accuracies) == 9
    assert not support & set(drawn.accuracies.tolist())


def trained(number=120):
    config = MetaConfig(
        episodes=number, tasks=4, learning_rate=5e-3, validate_every=20, extra_support=2
    )
    predictor = made(replace(SMALL, scale="relative", spread=0.1, initial_step=0.01))
    before = {n: t.clone() for n, t in predictor.state_dict().items()}
    steps = list(fit(predictor, episodes(16), episodes(2, seed=9), config=config))
    return predictor, steps, before


def test_meta_training_learns_a_relation_step_sizes_too_and_keeps_the_best():
    predictor, steps, before = trained()
    values = [step.validation for step in steps if step.validation is not None]
    assert len(values) == 6 and steps[-1].best == max(values) > 0.7
    tasks = episodes(2, seed=9)
    reached = [spearman(predictor.predict_episode(e).numpy(), e.accuracies.numpy()) for e in tasks]
    assert np.mean(reached) == pytest.approx(max(values))
    learned = [n for n, t in predictor.state_dict().items() if not t.equal(before[n])]
    assert any(name.startswith("step_sizes.") for name in learned)


def test_meta_training_is_deterministic():
    (a, _, _), (b, _, _) = trained(10), trained(10)
    assert all(t.equal(b.state_dict()[n]) for n, t in a.state_dict().items())


def test_meta_training_without_validation_is_refused():
    with pytest.raises(InvalidConfig, match="one validation teacher"):
        next(fit(made(), episodes(2), [], config=MetaConfig()))


def test_an_ensemble_is_the_mean_and_spread_of_its_members():
    (task,) = episodes(1)
    members = tuple(made(seed=seed) for seed in range(3))
    mean, spread = Ensemble(members).predict_episode(task)
    each = torch.stack([member.predict_episode(task) for member in members])
    assert torch.allclose(mean, each.mean(0)) and torch.allclose(spread, each.std(0))
    assert Ensemble(members[:1]).predict_episode(task)[1] is None
    with pytest.raises(InvalidConfig, match="one space and recipe"):
        Ensemble((made(), made(replace(SMALL, recipe="other"))))


def test_short_episodes_are_padded_and_the_mask_says_where():
    whole, other = episodes(2)
    short = replace(
        other,
        feature_maps=other.feature_maps[:2],
        encodings=other.encodings[:2],
        accuracies=other.accuracies[:2],
    )
    batch = stack([whole, short])
    assert batch.mask.sum(1).tolist() == [len(whole.accuracies), 2]
    assert batch.mask[1, :2].all()
    for name in ("feature_maps", "encodings", "accuracies"):
        stacked = getattr(batch, name)
        assert stacked[0].equal(getattr(whole, name))
        assert stacked[1, :2].equal(getattr(short, name)) and not stacked[1, 2:].any()


def test_rank_measures_are_the_naive_ones():
    x, y = np.array([1.0, 2.0, 3.0, 4.0]), np.array([10.0, 30.0, 20.0, 40.0])
    assert spearman(x, y) == pytest.approx(1 - 6 * 2 / (4 * 15))
    assert kendall(x, y) == pytest.approx((5 - 1) / 6)
    assert spearman(x, np.ones(4)) == kendall(np.ones(4), y) == 0
    assert regret(-x, y) == 30 and regret(-x, y, k=2) == 10 and regret(x, y) == 0
