"""Export: the ONNX model, run by another engine, computes what the network does."""

import json
from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from dass.errors import CorruptArtifact
from dass.networks import onnx as exporter
from dass.networks.onnx import run_onnx, to_onnx
from dass.networks.remap import student
from dass.networks.resnet import ResNet, initialise
from dass.networks.usage import usage
from dass.space.architecture import Architecture
from dass.space.spaces import by_name
from dass.training.inference import predict_logits


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


# --- operators -----------------------------------------------------------------------------

OPERATORS = {"Add", "Conv", "Gemm", "MaxPool", "ReduceMean", "Relu", "Slice"}


def operators(model):
    graph = onnx.load_from_string(model).graph
    assert not any(attribute.g.node for node in graph.node for attribute in node.attribute)
    return {node.op_type for node in graph.node}


def test_the_graph_pads_no_channels_and_has_few_kinds_of_operators(model):
    assert operators(model) == OPERATORS, "Pad above all: NVIDIA/TensorRT#195"


@torch.no_grad()
@pytest.mark.parametrize("name", ["small", "paper"])
def test_students_of_the_larger_spaces_have_no_other_operators_and_compute_the_same(name):
    space = by_name(name)
    network = ResNet(space, space.smallest, num_classes=4)
    initialise(network, generator=torch.Generator().manual_seed(0))
    model = to_onnx(network)
    assert operators(model) <= OPERATORS
    images = torch.randn(
        2, 3, space.image_size, space.image_size, generator=torch.Generator().manual_seed(1)
    )
    expected = network(images)
    difference = (run_onnx(model, images) - expected).abs().max()
    assert float(difference) <= 1e-5 * float(expected.abs().max())


@torch.no_grad()
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("space", "member"),
    [("micro", "8-5_12-16_20-32"), ("resnet-w16.32-d2.2-s7@32", "8=16-8_32=24")],
)
def test_the_graph_has_the_nodes_that_torchs_exporter_writes(space, member):
    """But for channels that torch pads, with nodes around it, and ours fills by a convolution."""
    space = by_name(space)
    network = ResNet(space, Architecture.parse(member), num_classes=5).eval()
    initialise(network, generator=torch.Generator().manual_seed(0))
    images = torch.zeros(3, 3, space.image_size, space.image_size)
    theirs = torch.onnx.export(network, (images,), dynamo=True, verbose=False).model_proto

    def nodes(model):
        shapes = {each.name: tuple(each.dims) for each in model.graph.initializer}
        return Counter(
            (node.op_type, shapes[node.input[1]] if node.op_type == "Conv" else ())
            for node in model.graph.node
            if node.op_type in OPERATORS | {"Pad"}
        )

    ours, theirs = nodes(onnx.load_from_string(to_onnx(network))), nodes(theirs)
    fixed, padded = ours - theirs, theirs - ours
    assert all(kind == "Conv" and shape[2:] == (1, 1) for kind, shape in fixed)
    assert set(padded) <= {("Pad", ())} and fixed.total() == padded.total()


def test_an_export_leaves_the_network_as_it_is_but_for_its_mode(network):
    kept = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    modules = list(network.modules())
    to_onnx(network)
    assert list(network.modules()) == modules
    assert all(torch.equal(t, kept[name]) for name, t in network.state_dict().items())


def test_weights_bear_the_names_that_they_have_in_the_network(network, model):
    named = {each.name for each in onnx.load_from_string(model).graph.initializer}
    convolutions = {name for name in network.state_dict() if "conv" in name or "fc" in name}
    assert convolutions <= named and not any("bn" in name for name in named)


def test_a_network_that_diverged_is_not_handed_out(teacher):
    broken = student(teacher.network, Architecture.parse("4_8_32"))
    with torch.no_grad():
        broken.fc.bias[0] = torch.nan
    with pytest.raises(CorruptArtifact, match="diverged"):
        to_onnx(broken)


# --- metadata ------------------------------------------------------------------------------


def test_a_stranger_with_the_model_alone_predicts_what_the_project_does(teacher, digits):
    facts = usage(teacher.network, class_names=digits.class_names)
    model = to_onnx(teacher.network, facts | {"teacher": teacher.name})
    session = onnxruntime.InferenceSession(model)
    told = session.get_modelmeta().custom_metadata_map
    low, high = json.loads(told["value_range"])
    mean, std = (np.float32(json.loads(told[name])) for name in ("mean", "std"))
    pixels = digits.test.images.permute(0, 2, 3, 1).numpy()  # as pictures are: rows first
    assert pixels.shape[1:3] == (json.loads(told["image_size"]),) * 2
    assert (told["layout"], told["channel_order"]) == ("NCHW", "RGB")
    scaled = low + (high - low) * pixels.astype(np.float32) / 255
    taken = ((scaled - mean) / std).transpose(0, 3, 1, 2)
    (logits,) = session.run(["logits"], {"images": taken})
    ours = predict_logits(teacher.network, digits.test.images).numpy()
    assert (logits.argmax(1) == ours.argmax(1)).all() and len(set(ours.argmax(1))) == 3
    assert np.abs(logits - ours).max() <= 1e-4 * np.abs(ours).max()
    assert json.loads(told["class_names"]) == list(digits.class_names)
    assert told["teacher"] == teacher.name and told["version"] == facts["version"]
    imagenet = ((scaled - 0.485) / 0.229).transpose(0, 3, 1, 2).astype(np.float32)
    (guessed,) = session.run(["logits"], {"images": imagenet})
    assert np.abs(guessed - ours).max() > 0.1 * np.abs(ours).max(), "or a guess would do"
