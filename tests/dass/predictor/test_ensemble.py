"""Ensembles: what an interval holds, and what is said of a teacher unlike all others."""

import json
from dataclasses import replace

import pytest
import torch

from dass.errors import CorruptArtifact, InvalidConfig, InvalidData
from dass.networks.resnet import ResNet, initialise
from dass.networks.teacher import Teacher
from dass.predictor.ensemble import Ensemble, calibrated
from dass.predictor.episode import episode
from dass.predictor.network import Predictor, PredictorConfig
from dass.predictor.ood import Reference, fit_reference, statistics
from dass.registry import artifacts
from dass.registry.predictors import pack_ensemble, unpack_ensemble
from dass.space.spaces import by_name

SPACE = by_name("micro")
CONFIG = PredictorConfig(space="micro", recipe="r", hidden=4, features=6, scale="relative")


def teacher(seed=0, *, accuracy=0.8, classes=4, loud=1.0):
    network = ResNet(SPACE, SPACE.largest, num_classes=classes)
    initialise(network, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        network.conv1.weight.mul_(loud)
        network.bn1.weight.mul_(loud)
    return Teacher(name=f"t{seed}", network=network.eval(), accuracy=accuracy)


def members(number=3):
    return tuple(
        Predictor(CONFIG, generator=torch.Generator().manual_seed(i)).eval() for i in range(number)
    )


def students(number=40, seed=0):
    return SPACE.sample(number, generator=torch.Generator().manual_seed(seed))


def measured(one, *, spread=0.05, seed=0):
    """An episode whose accuracies follow size, with noise."""
    asked = students(seed=seed)
    shares = SPACE.encode(asked)[:, -1].double()
    noise = torch.randn(len(asked), generator=torch.Generator().manual_seed(seed))
    values = one.accuracy + 0.1 * shares.log() + spread * noise
    return episode(one, asked, values.tolist())


@pytest.mark.parametrize("number", [1, 3])
def test_calibrated_intervals_hold_nine_labels_of_ten(number):
    tasks = [measured(teacher(seed), seed=seed) for seed in range(4)]
    ensemble = calibrated(Ensemble(members(number)), tasks)
    inside = []
    for task in tasks:
        mean, deviation = ensemble.predict_episode(task)
        inside.append(((mean - task.accuracies).abs() <= 1.645 * deviation * 1.0001).double())
    assert torch.cat(inside).mean() == pytest.approx(0.9, abs=0.02)
    again = calibrated(ensemble, tasks)
    assert again.noise == ensemble.noise


def test_calibration_changes_no_prediction():
    task = measured(teacher())
    plain = Ensemble(members())
    assert torch.equal(
        plain.predict_episode(task)[0], calibrated(plain, [task]).predict_episode(task)[0]
    )


def reference():
    tasks = [(measured(teacher(i, accuracy=0.7 + 0.02 * i), seed=i), 3 + i) for i in range(6)]
    return fit_reference(tasks)


def test_for_a_teacher_out_of_distribution_the_order_stays_and_intervals_are_wider():
    ensemble = Ensemble(members(), reference=reference())
    near = teacher(2, accuracy=0.74, classes=5)
    far = teacher(9, accuracy=0.02, classes=400, loud=50.0)
    asked = students(20, seed=5)
    assert ensemble.adapt(near).in_distribution
    assert torch.equal(
        ensemble.predict(near, asked)[0], Ensemble(members()).predict(near, asked)[0]
    )
    assert not ensemble.adapt(far).in_distribution
    found, plain = ensemble.predict(far, asked), Ensemble(members()).predict(far, asked)
    assert torch.equal(found.mean, plain.mean)
    line, around = ensemble.reference.by_size(far.accuracy, SPACE.encode(asked)[:, -1])
    assert (found.std > plain.std).all() and (found.std >= (found.mean - line).abs()).all()
    assert (found.std >= around).all()


def test_size_predicts_what_it_was_fitted_to():
    found = reference()
    assert found.slope == pytest.approx(0.1, abs=0.02)
    assert found.std == pytest.approx(0.05, rel=0.2)


def test_the_reference_farthest_from_all_others_is_one_away():
    found = reference()
    assert all(found.distance(seen) == 0 for seen in found.statistics)
    alone = max(
        replace(found, statistics=tuple(r for r in found.statistics if r != row)).distance(row)
        for row in found.statistics
    )
    assert alone >= 1


def test_statistics_do_not_depend_on_the_order_of_channels():
    values = torch.rand(8, 4, 4) - 0.2
    assert statistics(values, 0.7, 5) == pytest.approx(
        statistics(values[torch.randperm(8)], 0.7, 5)
    )


def test_an_ensemble_is_written_and_read_whole():
    ensemble = Ensemble(members(), noise=0.013, reference=reference())
    again, card = unpack_ensemble(pack_ensemble(ensemble, {"made": "here"}))
    assert (again.noise, again.reference, card) == (0.013, ensemble.reference, {"made": "here"})


@pytest.mark.parametrize(
    "change",
    [
        {"noise": -1.0},
        {"noise": "much"},
        {"known": {"looks": []}},
        {"known": {"looks": [[1.0], ["a"]], "offset": 0, "slope": 0, "deviation": 0}},
        {"known": 3},
    ],
)
def test_what_no_ensemble_can_have_is_a_corrupt_artifact(change):
    files = pack_ensemble(Ensemble(members()), {})
    config = json.loads(files[artifacts.MANIFEST]) | change
    files[artifacts.MANIFEST] = json.dumps(config).encode()
    with pytest.raises(CorruptArtifact, match=r"known|noise"):
        unpack_ensemble(files)


def test_noise_below_zero_and_a_reference_of_one_teacher_are_refused():
    with pytest.raises(InvalidConfig, match="noise"):
        Ensemble(members(), noise=-0.1)
    with pytest.raises(InvalidData, match="two teachers"):
        Reference(statistics=((1.0,),), offset=0.0, slope=0.0, std=0.0)
