"""Export: the ONNX model, run by another engine, computes what the network does."""

import onnx
import pytest
import torch

from dass.errors import CorruptArtifact
from dass.networks import onnx as exporter
from dass.networks.onnx import run_onnx, to_onnx
from dass.networks.remap import student
from dass.space.architecture import Architecture


@pytest.fixture(scope="module")
def network(teacher):
    """A student whose shortcuts pad, crop and pool, with batch norms that have seen data."""
    return student(teacher.network, Architecture.parse("8-5_12-16_20-32")).eval()


@pytest.fixture(scope="module")
def model(network):
    """The bytes of its ONNX model."""
    return to_onnx(network)


@torch.no_grad()
@pytest.mark.parametrize("number", [1, 2, 3, 64])
def test_the_model_agrees_with_the_network_for_any_number_of_images(network, model, number):
    images = torch.randn(number, 3, 8, 8, generator=torch.Generator().manual_seed(number))
    expected, logits = network(images), run_onnx(model, images)
    assert logits.shape == (number, 3)
    assert float((logits - expected).abs().max()) <= 1e-5 * float(expected.abs().max())


def test_the_model_is_valid_and_says_what_it_takes(model):
    graph = onnx.load_from_string(model)
    onnx.checker.check_model(graph)
    (taken,), (given,) = graph.graph.input, graph.graph.output
    sides = [side.dim_value for side in taken.type.tensor_type.shape.dim]
    assert (taken.name, given.name) == ("images", "logits")
    assert sides[1:] == [3, 8, 8]
    assert taken.type.tensor_type.shape.dim[0].dim_param


@torch.no_grad()
def test_a_network_in_train_mode_is_exported_in_eval_mode(network, model):
    images = torch.randn(5, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    expected = network(images)
    kept = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    network.train()
    again = to_onnx(network)
    assert not network.training
    assert torch.allclose(run_onnx(again, images), expected, rtol=1e-4, atol=1e-4)
    assert all(torch.equal(t, kept[name]) for name, t in network.state_dict().items())


def test_a_model_that_computes_something_else_is_not_handed_out(network, monkeypatch):
    def broken(data, images):
        return run_onnx(data, images) * 1.01

    monkeypatch.setattr(exporter, "run_onnx", broken)
    with pytest.raises(CorruptArtifact, match="must compute what its network does, but differs"):
        to_onnx(network)
