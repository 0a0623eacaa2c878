"""The process over teachers: against a naive joint Gaussian, and what it must never do."""

import numpy as np
import pytest
import torch
from scipy import stats

from dass.errors import InvalidData
from dass.predictor.process import (
    JITTER,
    Hyperparameters,
    Labelled,
    fit_process,
    recondition,
)


def teachers(number=5, students=9, inputs=3, *, seed=0, own=0.5):
    """Teachers whose students' scores share a curve in the first input; each bends the second."""
    generator = torch.Generator().manual_seed(seed)
    found = []
    for _ in range(number):
        x = torch.randn(students, inputs, generator=generator, dtype=torch.float64)
        bend = own * torch.randn((), generator=generator, dtype=torch.float64)
        noise = 0.05 * torch.randn(students, generator=generator, dtype=torch.float64)
        scores = torch.sin(x[:, 0]) + bend * x[:, 1] + noise
        found.append(Labelled(x, scores, torch.ones(students, dtype=torch.float64)))
    return found


def naive(kernel, labelled, asked):
    """Return mean and covariance at new inputs from one joint Gaussian over all labels."""
    inputs = torch.cat([one.inputs for one in labelled])
    of = torch.cat([torch.full((len(o.scores),), i) for i, o in enumerate(labelled)])
    scores = torch.cat([one.scores for one in labelled])
    noise = torch.cat([one.noise for one in labelled]) * kernel.noise_variance.exp()

    def shared(a, b):
        plane = (a * kernel.shared_slopes.exp()) @ b.T
        return kernel.shared(a, b) + plane

    joint = shared(inputs, inputs) + (of[:, None] == of) * kernel.own(inputs, inputs)
    joint = joint + torch.diag(noise + JITTER)
    cross = shared(asked, inputs)
    solved = torch.linalg.solve(joint, torch.cat([scores[:, None], cross.T], 1))
    covariance = shared(asked, asked) + kernel.own(asked, asked) - cross @ solved[:, 1:]
    return cross @ solved[:, 0], covariance, scores, joint


def test_it_equals_one_joint_gaussian_where_every_input_is_an_inducing_point():
    labelled = teachers()
    process = fit_process(labelled, inducing=1000, steps=5)
    asked = torch.randn(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(9))
    mean, covariance, *_ = naive(process.hyperparameters, labelled, asked)
    assert torch.allclose(process.means(asked), mean, atol=1e-4)
    # Beyond its points the shared function is known less: that part is in the variances alone.
    found = process.covariance(asked, asked)
    found = found - torch.diag(found.diagonal()) + torch.diag(process.variances(asked))
    assert torch.allclose(found.diagonal(), covariance.diagonal(), atol=1e-3)


def test_fitting_makes_labels_less_surprising():
    labelled = teachers()

    def surprise(kernel):
        *_, scores, joint = naive(kernel, labelled, labelled[0].inputs[:1])
        return -stats.multivariate_normal(np.zeros(len(scores)), joint.numpy()).logpdf(scores)

    fitted = fit_process(labelled, inducing=1000, steps=40).hyperparameters
    assert surprise(fitted) < surprise(Hyperparameters.usual(3)) - 5


def test_a_new_teachers_students_are_ordered_by_what_all_share():
    process = fit_process(teachers(12), inducing=64)
    (new,) = teachers(1, 30, seed=99, own=0.0)
    assert np.corrcoef(process.means(new.inputs), new.scores)[0, 1] > 0.95


def test_other_labels_leave_hyperparameters_and_points_as_they_are():
    labelled = teachers()
    process = fit_process(labelled, steps=5)
    other = recondition(process, labelled[:2])
    assert other.hyperparameters is process.hyperparameters
    asked = labelled[4].inputs
    assert not torch.allclose(other.means(asked), process.means(asked))
    again = recondition(other, labelled)
    assert torch.allclose(again.means(asked), process.means(asked))


def test_the_order_of_teachers_does_not_matter():
    labelled = teachers()
    process = fit_process(labelled, steps=5)
    turned = recondition(process, labelled[::-1])
    assert torch.allclose(turned.means(labelled[0].inputs), process.means(labelled[0].inputs))


def test_one_teacher_is_refused():
    with pytest.raises(InvalidData, match="two teachers or more"):
        fit_process(teachers(1))
