"""Members as ONNX graphs with random weights, written node by node in milliseconds: to be timed.

`dass.networks.onnx` exports a trained network in seconds; a latency table needs dozens, of which
only the shapes matter. A test holds the two to the same nodes. Knows nothing of clocks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Shaped

from dass.space.architecture import Architecture
from dass.space.space import Space

POOL = 99_991
"""Random numbers that all weights are made of; a prime, so that rows differ."""


class _Graph:
    """Nodes and weights in the order in which they are added; each names its output."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.weights: list[Any] = []
        self._pool = np.random.default_rng(0).standard_normal(POOL, dtype=np.float32)

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        from onnx import helper

        name = f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name, **attributes))
        return name

    def constant(self, values: Shaped[np.ndarray, ...]) -> str:
        from onnx import numpy_helper

        name = f"w_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(values, name))
        return name

    def normal(self, *shape: int) -> str:
        scale = np.float32((2 / max(1, int(np.prod(shape[1:])))) ** 0.5)
        return self.constant(np.resize(self._pool, shape) * scale)

    def conv(self, x: str, channels: tuple[int, int], *, kernel: int, stride: int) -> str:
        before, after = channels
        return self.add(
            "Conv",
            x,
            self.normal(after, before, kernel, kernel),
            self.normal(after),
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


def draft(space: Space, architecture: Architecture, *, num_classes: int) -> bytes:
    """Return a member's ONNX model, of the nodes that its export has, with random weights.

    Raises:
        InvalidArchitecture: it is no member.
    """
    from onnx import TensorProto, helper

    space.check(architecture)
    graph = _Graph()
    stem, streams = space.stem, architecture.streams
    before = (streams or architecture.widths[0])[0]
    x = graph.conv("images", (3, before), kernel=stem.kernel, stride=stem.stride)
    x = graph.add("Relu", x)
    if stem.pool:
        x = graph.max_pool(x, kernel=3, pad=1, ceil=False)
    for stage, widths in enumerate(architecture.widths):
        for slot, width in enumerate(widths):
            outer = streams[stage] if streams else width
            stride = space.strides[stage] if slot == 0 else 1
            shortcut = _projected if streams else _fitted
            out = graph.conv(x, (before, width), kernel=3, stride=stride)
            out = graph.conv(graph.add("Relu", out), (width, outer), kernel=3, stride=1)
            skip = shortcut(graph, x, (before, outer), stride=stride)
            x = graph.add("Relu", graph.add("Add", out, skip))
            before = outer
    axes = graph.constant(np.array([2, 3]))
    x = graph.add("ReduceMean", x, axes, keepdims=0)
    weight, bias = graph.normal(num_classes, before), graph.normal(num_classes)
    graph.nodes.append(helper.make_node("Gemm", [x, weight, bias], ["logits"], transB=1))
    side = space.image_size
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, side, side])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", num_classes])
    whole = helper.make_graph(graph.nodes, "draft", [images], [logits], graph.weights)
    opset = helper.make_opsetid("", 20)
    model = helper.make_model(whole, opset_imports=[opset], ir_version=10)
    data: bytes = model.SerializeToString()
    return data


def _projected(graph: _Graph, x: str, channels: tuple[int, int], *, stride: int) -> str:
    before, outer = channels
    if stride == 1 and before == outer:
        return x
    return graph.conv(x, channels, kernel=1, stride=stride)


def _fitted(graph: _Graph, x: str, channels: tuple[int, int], *, stride: int) -> str:
    before, outer = channels
    if stride == 2:
        x = graph.max_pool(x, kernel=2, pad=0, ceil=True)
    if before > outer:
        return graph.crop(x, outer)
    if before < outer:
        eye = graph.constant(np.eye(outer, before, dtype=np.float32)[:, :, None, None])
        return graph.add("Conv", x, eye, kernel_shape=[1, 1])
    return x
