"""Zero-cost proxies and fitted scorers: the contract, and each against a naive form."""

import copy
import math
from dataclasses import replace
from functools import partial

import pytest
import torch
import torch.nn.functional as F

from dass.baselines.diswot import Diswot
from dass.baselines.fitted import ArchitectureOnly, BoostedTrees
from dass.baselines.one_epoch import OneEpoch
from dass.baselines.zero_cost import Naswot, SynFlow, Zen, fresh
from dass.data.images import augment, normalise
from dass.data.task import Split
from dass.errors import InvalidData
from dass.networks.remap import student
from dass.networks.resnet import ResNet, fit_channels
from dass.testing import ScorerContract
from dass.training.batches import training_batches
from dass.training.distillation import train
from dass.training.inference import accuracy
from dass.training.recipe import Recipe
from tests.dass.baselines.test_baselines import POOL, RECORDS, SPACE

RECIPE = Recipe(epochs=3, batch_size=16, padding=1)
SCORERS = {
    "synflow": lambda task: SynFlow(),
    "naswot": lambda task: Naswot(task.validation, number=12),
    "zen": lambda task: Zen(),
    "diswot": lambda task: Diswot(task.validation, flip=False, number=12, seeds=2),
    "boosted-trees": lambda task: BoostedTrees(SPACE, RECORDS),
    "architecture-only": lambda task: ArchitectureOnly(SPACE, RECORDS),
    "one-epoch": lambda task: OneEpoch(task, RECIPE),
}


@pytest.fixture(scope="module", params=SCORERS)
def scorer(request, digits):
    return SCORERS[request.param](digits)


class TestEveryScorer(ScorerContract):
    """The contract, once for each of `SCORERS`."""


def plain_flow(network, scale):
    """R of the network with |weights|, all of them multiplied by `scale`; no batch norm."""
    state = {n: p.detach().double().abs() * scale for n, p in network.named_parameters()}

    def block(name, x, stride):
        out = F.relu(F.conv2d(x, state[f"{name}.conv1.weight"], stride=stride, padding=1))
        out = F.conv2d(out, state[f"{name}.conv2.weight"], padding=1)
        if stride != 1:
            x = F.max_pool2d(x, stride, ceil_mode=True)
        return F.relu(out + fit_channels(x, out.shape[1]))

    space = network.space
    ones = torch.ones(1, 3, space.image_size, space.image_size, dtype=torch.float64)
    x = F.relu(F.conv2d(ones, state["conv1.weight"], stride=space.stem_stride, padding=1))
    for i, stage in enumerate(network.architecture.widths):
        for j in range(len(stage)):
            x = block(f"layer{i + 1}.{j}", x, space.strides[i] if j == 0 else 1)
    bias = network.fc.bias.detach().double().abs()  # the bias is no weight, and is not scaled
    return float((x.mean((2, 3)) @ state["fc.weight"].T + bias).sum())


def test_synflow_is_the_derivative_of_the_output_by_the_scale_of_all_weights(teacher):
    asked = POOL[:3]
    naive = []
    for member in asked:
        network, step = fresh(teacher.network, member), 1e-5
        slope = plain_flow(network, 1 + step) - plain_flow(network, 1 - step)
        naive.append(math.log(slope / (2 * step)))
    assert SynFlow().predict(teacher, asked).mean.tolist() == pytest.approx(naive, rel=1e-6)


def test_naswot_is_the_log_determinant_of_counted_agreements(teacher, digits):
    member = POOL[0]
    scorer = Naswot(digits.validation, number=6)
    rows = torch.linspace(0, len(digits.validation) - 1, 6).long()
    x = normalise(digits.validation.images[rows])
    network = fresh(teacher.network, member).train()
    encodings = []
    out = F.relu(network.bn1(network.conv1(x)))
    encodings.append(out > 0)
    for i, stage in enumerate(member.widths):
        for j in range(len(stage)):
            block = network.get_submodule(f"layer{i + 1}.{j}")
            inner = F.relu(block.bn1(block.conv1(out)))
            after = block.bn2(block.conv2(inner))
            short = F.max_pool2d(out, block.stride, ceil_mode=True) if block.stride != 1 else out
            out = F.relu(after + fit_channels(short, after.shape[1]))
            encodings += [inner > 0, out > 0]
    bits = torch.cat([code.flatten(1) for code in encodings], dim=1).tolist()
    kernel = [[float(sum(p == q for p, q in zip(a, b, strict=True))) for b in bits] for a in bits]
    naive = torch.linalg.slogdet(torch.tensor(kernel, dtype=torch.float64)).logabsdet
    assert scorer.predict(teacher, [member]).mean.item() == pytest.approx(float(naive), rel=1e-9)


def test_zen_is_the_logarithm_of_a_distance_and_of_what_batch_norms_divided_by(teacher):
    member, mixture = POOL[1], 0.01
    network = fresh(teacher.network, member)
    generator = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        if parameter.dim() == 4:
            parameter.data = torch.randn(parameter.shape, generator=generator)
    size = SPACE.image_size
    x, noise = torch.randn((2, 16, 3, size, size), generator=generator)

    @torch.no_grad()
    def run(x):
        logs = []
        for module in network.modules():
            if isinstance(module, torch.nn.Conv2d):
                x = module(x)
                deviations = x.transpose(0, 1).flatten(1).std(1, correction=0)
                logs.append(0.5 * math.log(float(deviations.square().mean()) + 1e-5))
                mean = x.mean((0, 2, 3), keepdim=True)
                x = F.relu(
                    (x - mean) / (x.var((0, 2, 3), correction=0, keepdim=True) + 1e-5).sqrt()
                )
        return x.detach(), sum(logs)

    (features, scale), (moved, _) = run(x), run(x + mixture * noise)
    naive = math.log(float((features - moved).abs().mean())) + scale
    assert Zen(repeats=1).predict(teacher, [member]).mean.item() == pytest.approx(naive, rel=1e-4)


def naive_semantic(network, images, labels):
    """For each class the products of its gradient's entries, each row divided by its length."""
    network = copy.deepcopy(network)
    F.cross_entropy(network(images), labels).backward()
    found = []
    for gradient in network.fc.weight.grad.double().tolist():
        rows = [[a * b for b in gradient] for a in gradient]
        found.append([[v / math.sqrt(sum(w * w for w in row)) for v in row] for row in rows])
    return torch.tensor(found, dtype=torch.float64)


def naive_relation(network, images, labels):
    """The inner products of every two images' last features, each row divided by its length."""
    features = network.stages(images)[-1].flatten(1).detach().double()
    rows = [[float(a @ b) for b in features] for a in features]
    rows = [[v / math.sqrt(sum(w * w for w in row)) for v in row] for row in rows]
    return torch.tensor(rows, dtype=torch.float64)


@pytest.mark.parametrize(
    ("part", "naive", "divisor"),
    [("semantic", naive_semantic, 3 * 32), ("relation", naive_relation, 8 * 8)],
)
def test_diswot_compares_drawn_networks_on_augmented_images(part, naive, divisor, teacher, digits):
    rows = torch.linspace(0, len(digits.validation) - 1, 8).long()
    images, labels = (t[rows] for t in (digits.validation.images, digits.validation.labels))
    batch = augment(images, padding=1, flip=True, generator=torch.Generator().manual_seed(0))

    def drawn(architecture, seed):
        network = ResNet(SPACE, architecture, num_classes=3)
        generator = torch.Generator().manual_seed(seed)
        for parameter in network.parameters():
            if parameter.dim() > 1:
                parameter.data = torch.randn(parameter.shape, generator=generator)
        network.fc.bias.data.zero_()
        return network.train()  # batch norm on the batch's statistics

    whole = naive(drawn(SPACE.largest, 0), normalise(batch), labels)
    scorer = Diswot(digits.validation, flip=True, part=part, padding=1, number=8, seeds=1)
    ours = scorer.predict(teacher, POOL[:2]).mean
    for value, member in zip(ours.tolist(), POOL[:2], strict=True):
        own = naive(drawn(member, 1), normalise(batch), labels)
        assert value == pytest.approx(-float((own - whole).square().sum()) / divisor, rel=1e-4)


def test_diswot_is_the_sum_of_both_parts_and_a_mean_over_draws(teacher, digits):
    def scored(part="both", seeds=2):
        scorer = Diswot(digits.validation, flip=False, part=part, number=8, seeds=seeds)
        return scorer.predict(teacher, POOL[:3]).mean

    assert torch.allclose(scored(), scored("semantic") + scored("relation"))
    assert not torch.allclose(scored(), scored(seeds=1)) and bool((scored() < 0).all())


def test_diswot_reads_neither_the_teachers_weights_nor_its_accuracy(teacher, digits):
    scorer = Diswot(digits.validation, flip=False, number=8, seeds=1)
    other = replace(teacher, network=copy.deepcopy(teacher.network), accuracy=0.5)
    with torch.no_grad():
        other.network.fc.weight.mul_(3)
    assert scorer.predict(teacher, POOL[:2]).mean.equal(scorer.predict(other, POOL[:2]).mean)


def test_zero_cost_scores_need_two_images(digits):
    one = Split(digits.test.images[:1], digits.test.labels[:1])
    for kind in (Naswot, partial(Diswot, flip=False)):
        with pytest.raises(InvalidData, match="at least 2 images"):
            kind(one)


@pytest.mark.parametrize("kind", [BoostedTrees, ArchitectureOnly])
def test_what_is_fitted_orders_the_students_it_was_fitted_to(kind, teacher):
    scores = kind(SPACE, RECORDS).predict(teacher, POOL).mean
    means = [
        sum(r.validation_accuracy for r in RECORDS if r.architecture == str(m)) / 3 for m in POOL
    ]
    assert torch.corrcoef(torch.stack([scores, torch.tensor(means).double()]))[0, 1] > 0.9


@pytest.mark.parametrize("kind", [BoostedTrees, ArchitectureOnly])
def test_what_is_fitted_needs_records(kind):
    with pytest.raises(InvalidData, match="records to learn from"):
        kind(SPACE, [])


def test_one_epoch_is_one_epoch_of_the_recipe(teacher, digits):
    one = Recipe(epochs=1, batch_size=16, padding=1)
    network = student(teacher.network, POOL[0]).train()
    batches = training_batches(digits.train, one, teacher=teacher.network, flip=digits.flip)
    list(train(network, batches, recipe=one, seed=0))
    ours = OneEpoch(digits, RECIPE).predict(teacher, [POOL[0]]).mean.item()
    assert ours == accuracy(network, digits.validation)
