"""Cross-fitting: no member is heard on what it was trained on; what comes of it predicts."""

from dataclasses import dataclass, replace

import pytest
import torch

from dass.errors import CorruptArtifact, InvalidConfig
from dass.networks.resnet import ResNet, initialise
from dass.networks.teacher import Teacher
from dass.predictor.crossfit import Lesson, crossfitted, folds_of, train_without
from dass.predictor.episode import episode
from dass.predictor.level import Facts
from dass.predictor.meta_config import MetaConfig
from dass.predictor.network import Predictor
from dass.predictor.network_config import PredictorConfig
from dass.predictor.ood import statistics
from dass.predictor.relative import student_inputs
from dass.predictor.surrogate_fit import Students
from dass.registry.predictors import pack_ensemble, unpack_ensemble
from dass.registry.surrogates import pack_surrogate, unpack_surrogate
from dass.searching.evolution import SearchConfig, run
from dass.space.architecture import Architecture
from dass.space.cost import Budget
from dass.space.spaces import by_name

SPACE = by_name("micro")
CONFIG = PredictorConfig(space="micro", recipe="r", hidden=4, features=6, scale="relative")
GROUPS = ("signs", "signs", "glyphs", "steel", "steel", "flowers")


@dataclass(frozen=True)
class Measured:
    architecture: str
    validation_accuracy: float
    epochs: int = 0


def teacher(seed):
    network = ResNet(SPACE, SPACE.largest, num_classes=4)
    initialise(network, generator=torch.Generator().manual_seed(seed))
    return Teacher(name=f"t{seed}", network=network.eval(), accuracy=0.7 + 0.02 * seed)


def accuracies(one, members):
    shares = SPACE.encode(members)[:, -1].double()
    return (one.accuracy - 0.05 + 0.08 * shares.log()).tolist()


def lesson(seed, group):
    one = teacher(seed)
    members = SPACE.sample(12, generator=torch.Generator().manual_seed(seed))
    values = accuracies(one, members)
    found = episode(one, members, values)
    students = Students(
        teacher=one.name,
        group=group,
        facts=Facts(one.accuracy, 4),
        inputs=student_inputs(
            SPACE, members, statistics(found.teacher_feature_map, one.accuracy, 4)
        ),
        accuracies=torch.tensor(values, dtype=torch.float64),
        trainings=torch.ones(12, dtype=torch.float64),
    )
    return Lesson(students, found)


@pytest.fixture(scope="module")
def lessons():
    return [lesson(seed, group) for seed, group in enumerate(GROUPS)]


def untrained(left_out):
    seed = sum(map(ord, "".join(sorted(left_out))))
    return Predictor(CONFIG, generator=torch.Generator().manual_seed(seed)).eval()


@pytest.fixture(scope="module")
def ensemble(lessons):
    return crossfitted(lessons, folds_of(GROUPS, 3), untrained)


def test_folds_share_no_group_and_are_of_like_size():
    folds = folds_of(GROUPS, 3)
    assert sorted(group for fold in folds for group in fold) == sorted(set(GROUPS))
    assert [sum(g in fold for g in GROUPS) for fold in folds] == [2, 2, 2]


def test_one_origin_cannot_be_divided():
    with pytest.raises(InvalidConfig, match="two origins or more"):
        folds_of(["signs"] * 4, 3)


def test_labels_of_the_fold_that_is_left_out_change_no_weight(lessons):
    def trained(given):
        predictor = untrained(frozenset())
        config = MetaConfig(episodes=3, queries=6, validate_every=3)
        list(train_without(given, frozenset({"signs"}), predictor, config=config))
        return predictor.state_dict()

    def shifted(group):
        return [
            replace(one, episode=replace(one.episode, accuracies=one.episode.accuracies.flip(0)))
            if one.students.group == group
            else one
            for one in lessons
        ]

    plain, same, other = (
        trained(given) for given in (lessons, shifted("signs"), shifted("steel"))
    )
    assert all(torch.equal(plain[name], same[name]) for name in plain)
    assert not all(torch.equal(plain[name], other[name]) for name in plain)


def test_a_student_is_predicted_the_same_whatever_else_is_asked(ensemble):
    one, members = teacher(9), SPACE.sample(5, generator=torch.Generator().manual_seed(3))
    whole = ensemble.predict(one, members)
    for index, member in enumerate(members):
        alone = ensemble.predict(one, [member])
        assert torch.allclose(alone.mean, whole.mean[index : index + 1], atol=1e-6)
        assert torch.allclose(alone.std, whole.std[index : index + 1], atol=1e-6)
    assert ensemble.predict(one, []).mean.shape == (0,)


def test_measured_students_move_the_prediction_of_themselves_and_narrow_it(ensemble):
    one, members = teacher(9), SPACE.sample(6, generator=torch.Generator().manual_seed(4))
    values = accuracies(one, members)
    known = [Measured(str(a), v - 0.2) for a, v in zip(members, values, strict=True)]
    before = ensemble.predict(one, members)
    after = ensemble.predict(one, members, support=known)
    wanted = torch.tensor([k.validation_accuracy for k in known], dtype=torch.float64)
    assert (after.mean - wanted).abs().mean() < (before.mean - wanted).abs().mean() / 2
    assert after.std.mean() < before.std.mean()


def test_it_searches(ensemble):
    one = teacher(9)
    found = run(ensemble, one, Budget.of(one, flops=0.5), config=SearchConfig(candidates=40))
    assert found.scored == 40
    assert all(p.std is not None and p.flops <= 0.5 * one.flops for p in found.top)


def test_it_is_written_and_read_again_without_a_change(ensemble):
    files = pack_ensemble(ensemble, {"why": "a test"})
    again, card = unpack_ensemble(files)
    members = [
        Architecture.parse(str(a))
        for a in SPACE.sample(7, generator=torch.Generator().manual_seed(5))
    ]
    one = teacher(9)
    known = [Measured(str(members[0]), 0.6), Measured(str(members[1]), 0.5, 1)]
    for support in ((), known):
        old, new = (e.predict(one, members, support=support) for e in (ensemble, again))
        assert torch.allclose(old.mean, new.mean) and torch.allclose(old.std, new.std)
    assert card == {"why": "a test"}


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ({"widening": [1.0]}, "two factors"),
        ({"level": {"offset": 0.0, "slopes": [1.0], "std": 0.1}}, "slopes"),
        ({"fidelities": [[1.0, 2.0]]}, "triples"),
    ],
)
def test_a_broken_surrogate_is_told(ensemble, broken, words):
    plain, weights = pack_surrogate(ensemble.surrogate)
    with pytest.raises(CorruptArtifact, match=words):
        unpack_surrogate(plain | broken, weights, where="p")
    del weights["surrogate.mean"]
    with pytest.raises(CorruptArtifact, match="shapes"):
        unpack_surrogate(plain, weights, where="p")
