"""Members as ONNX graphs, written node by node in milliseconds, with weights of any origin.

Batch norms are folded into the convolutions before them, shortcuts that widen are convolutions by
an identity: a dozen kinds of runtime then take the graph as it is. A test holds it to the nodes
that torch's exporter writes in seconds. Knows nothing of clocks, nor of what an export tells.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float32, Shaped

from dass.space.architecture import Architecture
from dass.space.space import Space

Array = Float32[np.ndarray, "o ..."]
Weights = Callable[[str, tuple[int, ...]], tuple[Array, Array]]
"""Weight and bias of a layer, asked for by its name in `ResNet` and the shape of its weight."""
POOL = 99_991
"""Random numbers that all weights of a draft are made of; a prime, so that rows differ."""
OPSET, IR = 20, 10
"""Versions of ONNX: those that exports had before, which onnxruntime reads since 1.18 (2024)."""


class _Graph:
    """Nodes and weights in the order in which they are added; each names its output."""

    def __init__(self, weights: Weights) -> None:
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self._weights = weights

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        from onnx import helper

        name = f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name, **attributes))
        return name

    def constant(self, values: Shaped[np.ndarray, ...], name: str = "") -> str:
        from onnx import numpy_helper

        name = name or f"constant_{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(values, name))
        return name

    def layer(self, name: str, *shape: int) -> tuple[str, str]:
        """Add the weights of a layer; return the names of its weight and bias."""
        weight, bias = self._weights(name, shape)
        assert weight.shape == shape and bias.shape == shape[:1]
        return self.constant(weight, f"{name}.weight"), self.constant(bias, f"{name}.bias")

    def conv(self, name: str, x: str, shape: tuple[int, int, int], *, stride: int) -> str:
        before, after, kernel = shape
        return self.add(
            "Conv",
            x,
            *self.layer(name, after, before, kernel, kernel),
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=[kernel // 2] * 4,
        )

    def max_pool(self, x: str, *, kernel: int, pad: int, ceil: bool) -> str:
        return self.add(
            "MaxPool",
            x,
            kernel_shape=[kernel, kernel],
            strides=[2, 2],
            pads=[pad] * 4,
            ceil_mode=int(ceil),
        )

    def crop(self, x: str, channels: int) -> str:
        ends = (np.array([each]) for each in (0, channels, 1, 1))
        return self.add("Slice", x, *map(self.constant, ends))


def written(
    space: Space, architecture: Architecture, weights: Weights, *, num_classes: int
) -> Any:
    """Return a member as an `onnx.ModelProto`: `images` (n 3 s s) to `logits` (n k).

    Raises:
        InvalidArchitecture: it is no member.
    """
    from onnx import TensorProto, helper

    space.check(architecture)
    graph = _Graph(weights)
    features, channels = _features(graph, space, architecture)
    weight, bias = graph.layer("fc", num_classes, channels)
    graph.nodes.append(helper.make_node("Gemm", [features, weight, bias], ["logits"], transB=1))
    side = space.image_size
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, side, side])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", num_classes])
    whole = helper.make_graph(graph.nodes, "student", [images], [logits], graph.initializers)
    opset = helper.make_opsetid("", OPSET)
    return helper.make_model(whole, opset_imports=[opset], ir_version=IR, producer_name="dass")


def _features(graph: _Graph, space: Space, architecture: Architecture) -> tuple[str, int]:
    """Write all below the classifier; return its output (n c) and how many channels it has."""
    stem, streams = space.stem, architecture.streams
    before = (streams or architecture.widths[0])[0]
    x = graph.add(
        "Relu", graph.conv("conv1", "images", (3, before, stem.kernel), stride=stem.stride)
    )
    if stem.pool:
        x = graph.max_pool(x, kernel=3, pad=1, ceil=False)
    for stage, widths in enumerate(architecture.widths):
        for slot, width in enumerate(widths):
            block = f"layer{stage + 1}.{slot}"
            outer = streams[stage] if streams else width
            stride = space.strides[stage] if slot == 0 else 1
            out = graph.conv(f"{block}.conv1", x, (before, width, 3), stride=stride)
            out = graph.add("Relu", out)
            out = graph.conv(f"{block}.conv2", out, (width, outer, 3), stride=1)
            shortcut = _projected if streams else _fitted
            skip = shortcut(graph, block, x, channels=(before, outer), stride=stride)
            x = graph.add("Relu", graph.add("Add", out, skip))
            before = outer
    return graph.add("ReduceMean", x, graph.constant(np.array([2, 3])), keepdims=0), before


def _projected(
    graph: _Graph, block: str, x: str, *, channels: tuple[int, int], stride: int
) -> str:
    before, outer = channels
    if stride == 1 and before == outer:
        return x
    return graph.conv(f"{block}.downsample.0", x, (before, outer, 1), stride=stride)


def _fitted(graph: _Graph, block: str, x: str, *, channels: tuple[int, int], stride: int) -> str:
    """Write a shortcut without parameters.

    Zero channels are added by a fixed 1×1 convolution, the identity, then zeros: runtimes fuse it
    with what is around it, and some refuse to pad channels
    (https://github.com/NVIDIA/TensorRT/issues/195).
    """
    before, outer = channels
    if stride == 2:
        x = graph.max_pool(x, kernel=2, pad=0, ceil=True)
    if before > outer:
        return graph.crop(x, outer)
    if before < outer:
        eye = np.eye(outer, before, dtype=np.float32)[:, :, None, None]
        weight = graph.constant(eye, f"{block}.shortcut.weight")
        return graph.add("Conv", x, weight, kernel_shape=[1, 1])
    return x


def draft(space: Space, architecture: Architecture, *, num_classes: int) -> bytes:
    """Return a member's ONNX model with random weights: to be timed, where shapes alone matter.

    Raises:
        InvalidArchitecture: it is no member.
    """
    pool = np.random.default_rng(0).standard_normal(POOL, dtype=np.float32)

    def drawn(_: str, shape: tuple[int, ...]) -> tuple[Any, Any]:
        scale = np.float32((2 / max(1, int(np.prod(shape[1:])))) ** 0.5)
        return np.resize(pool, shape) * scale, np.resize(pool, shape[:1])

    model = written(space, architecture, drawn, num_classes=num_classes)
    data: bytes = model.SerializeToString()
    return data
