"""Our numbers against those the authors' published code computed once (tests/golden)."""

from pathlib import Path

import numpy as np
import pytest
import torch

from dass.networks.remap import student
from dass.networks.resnet import ResNet
from dass.predictor.embed import embed
from dass.predictor.network import Predictor, PredictorConfig
from dass.space.architecture import Architecture
from dass.space.spaces import paper
from dass.training.losses import kd_loss

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "official.npz")


def difference(ours, reference):
    """Relative error: feature maps reach 1e5, so absolute tolerances mean nothing."""
    ours, reference = np.asarray(ours), np.asarray(reference)
    return float(np.abs(ours - reference).max() / np.abs(reference).max())


@pytest.fixture(scope="module")
def golden_teacher():
    space = paper()
    network = ResNet(space, space.largest, num_classes=10)
    draws = np.random.RandomState(11)
    state = network.state_dict()
    for name in sorted(n for n in state if not n.endswith("num_batches_tracked")):
        a = draws.standard_normal(tuple(state[name].shape)).astype("float32")
        if name.endswith("running_var"):
            a = np.abs(a) * 0.5 + 0.5
        elif "bn" in name and name.endswith("weight"):
            a = 1 + 0.1 * a
        elif a.ndim == 4:
            a = a * np.sqrt(2 / (a.shape[1] * 9))
        else:
            a = 0.1 * a
        state[name] = torch.from_numpy(a.astype("float32"))
    network.load_state_dict(state)
    return network.eval()


def golden_students():
    return [
        Architecture(tuple(tuple(row[:d].tolist()) for row, d in zip(widths, depths, strict=True)))
        for widths, depths in zip(GOLDEN["widths"], GOLDEN["depths"], strict=True)
    ]


@torch.no_grad()
def test_teacher_and_remapped_students_compute_what_the_published_ones_do(golden_teacher):
    draws = np.random.RandomState(3).standard_normal((2, 3, 64, 64))
    x = torch.from_numpy(draws.astype("float32"))
    assert difference(golden_teacher.stages(x)[-1], GOLDEN["teacher_map"]) <= 1e-5
    assert difference(golden_teacher(x), GOLDEN["teacher_logits"]) <= 1e-5
    for i, architecture in enumerate(golden_students()):
        network = student(golden_teacher, architecture)
        assert difference(network.stages(x)[-1], GOLDEN["maps"][i]) <= 1e-5
        assert difference(network(x), GOLDEN["logits"][i]) <= 1e-5


def test_parameter_counts_are_the_published_ones():
    counts = paper().parameters(golden_students(), num_classes=10)
    assert counts.tolist() == GOLDEN["nparams"].tolist()


@torch.no_grad()
def test_embedding_of_the_golden_students_is_remap_then_forward(golden_teacher):
    from dass.predictor.embed import noise

    chosen = golden_students()[:4]
    naive = [student(golden_teacher, a).stages(noise(paper()))[-1] for a in chosen]
    assert difference(embed(golden_teacher, chosen), torch.cat(naive)) <= 1e-5


@pytest.mark.parametrize("name", [n for n in GOLDEN.files if n.startswith("kd_")])
def test_kd_loss_is_the_published_one_less_the_teachers_entropy(name):
    temperature, hard_weight = (float(part) for part in name.split("_")[1:])
    zs, zt = (torch.from_numpy(GOLDEN[n].astype("float32")) for n in ("zs", "zt"))
    ours = kd_loss(
        zs,
        zt,
        torch.from_numpy(GOLDEN["y"].astype("int64")),
        temperature=temperature,
        hard_weight=hard_weight,
    )
    q = torch.softmax(zt / temperature, 1)
    entropy = -(q * q.log()).sum(1).mean()
    value = ours + (1 - hard_weight) * temperature**2 * entropy
    assert float(value) == pytest.approx(float(GOLDEN[name]), rel=1e-5)


PUBLISHED = {
    "arch_encoder.fc": "code_encoder",
    "func_encoder": "student_encoder",
    "teacher_encoder": "teacher_encoder",
    "proj_layers.0": "head1",
    "proj_layers.2": "head2",
}


def ours_of(name):
    old = next(old for old in PUBLISHED if name.startswith(old))
    return name.replace(old, PUBLISHED[old])


def test_predictor_adapts_and_learns_as_the_published_one():
    config = PredictorConfig(space="paper", recipe="golden", scale="fraction")
    predictor = Predictor(config, generator=torch.Generator().manual_seed(0))
    assert sum(p.numel() for p in predictor.network.parameters()) == 1_228_289
    draws = np.random.RandomState(21)
    names = sorted(n.removeprefix("gnorm_") for n in GOLDEN.files if n.startswith("gnorm_"))
    for name in names:
        parameter = predictor.network.get_parameter(ours_of(name))
        scale = np.sqrt(max(1, np.prod(parameter.shape[1:])))
        a = (draws.standard_normal(tuple(parameter.shape)) / scale).astype("float32")
        parameter.data = torch.from_numpy(a)

    def tensor(a):
        return torch.from_numpy(np.asarray(a, dtype="float32"))

    feature_maps = tensor(np.abs(draws.standard_normal((7, 256, 8, 8))))
    teacher = tensor(np.abs(draws.standard_normal((1, 256, 8, 8))))
    encodings = tensor(draws.rand(7, 181) < 0.11)
    teacher_code = tensor(draws.rand(181) < 0.11)
    plain = predictor.forward_targets(
        teacher, feature_maps[None], encodings[None], weights=predictor.weights()
    )[0]
    assert difference(plain.detach(), GOLDEN["pred_plain"][:, 0]) <= 1e-5
    own = (teacher[None], teacher_code[None, None])
    support = predictor.forward_targets(teacher, *own, weights=predictor.weights())[0]
    assert difference(support.detach(), GOLDEN["support_pred"][0]) <= 1e-5
    adapted = predictor.adapt(teacher, *own, targets=torch.tensor([[0.73]]), create_graph=True)
    predicted = predictor.forward_targets(
        teacher, feature_maps[None], encodings[None], weights=adapted
    )[0]
    assert difference(predicted.detach(), GOLDEN["pred_adapted"][:, 0]) <= 1e-5
    loss = (predicted - tensor(GOLDEN["query_y"])[:, 0]).square().mean()
    assert loss.item() == pytest.approx(float(GOLDEN["outer_loss"]), rel=1e-5)
    loss.backward()
    for name in names:
        gradient = predictor.network.get_parameter(ours_of(name)).grad
        expected = float(GOLDEN[f"gnorm_{name}"])
        assert float(gradient.norm()) == pytest.approx(expected, rel=1e-4)
