"""Classifiers as ONNX files, run by onnxruntime on the CPU: of whatever framework.

Size, layout and type of the input are the graph's own. Knows nothing of how the file was made.

Letters in shapes: n images, s rows and columns, k classes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from dass.errors import CorruptArtifact, InvalidConfig
from dass.networks.oracles.module_weights import broken
from dass.networks.oracles.oracle import Classifier, logits_of
from dass.networks.oracles.preprocessing import Preprocessing, adjusted, three

TYPES: dict[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
}
"""Types of input that are understood; uint8 is given levels of 0 to 255."""

FREE = 224
"""Rows and columns that are tried where the graph leaves them open and nobody says."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """A graph ready to run: NCHW pictures in, logits out."""

    run: Any
    """onnxruntime's session."""
    input: str
    """Name of the input."""
    output: str
    """Name of the output."""
    dtype: type[np.generic]
    """Type of the input."""
    channels_last: bool
    """Whether the graph takes NHWC."""
    batch: int | None
    """Pictures that it takes at a time, where that is fixed."""
    side: int | None
    """Rows and columns that it takes, where that is fixed."""
    probabilities: bool
    """Whether it ends in a softmax, whose logarithm is then the logits."""

    def __call__(self, x: Float[Tensor, "n 3 s s"]) -> Float[Tensor, "n k"]:
        """Return logits; a fixed batch is filled up with black pictures."""
        step = self.batch or len(x)
        rows = []
        for part in torch.split(x, step):
            whole = torch.cat([part, part.new_zeros(step - len(part), *part.shape[1:])])
            if self.channels_last:
                whole = whole.permute(0, 2, 3, 1)
            given = whole.contiguous().numpy()
            if self.dtype == np.uint8:
                given = np.rint(given)
            (found,) = self.run.run([self.output], {self.input: given.astype(self.dtype)})
            flat = torch.from_numpy(np.asarray(found, dtype=np.float32)).flatten(1)
            rows.append(flat[: len(part)])
        logits = torch.cat(rows)
        return (
            logits.clamp_min(torch.finfo(logits.dtype).tiny).log()
            if self.probabilities
            else logits
        )


def onnx_classifier(path: str, *, size: int | None) -> Classifier:
    """Return the classifier of a file.

    Its own metadata (`mean`, `std`, `image_size`, `channel_order`, `class_names`, as this project
    writes them) are the preprocessing; without them it is ImageNet's mean and std, uncropped.

    Args:
        path: The file; tensors that it keeps beside itself must lie there.
        size: Rows and columns of the input, where the graph leaves them open.

    Raises:
        InvalidConfig: There is no such file, or another size is asked for than it takes.
        CorruptArtifact: It is no whole ONNX file of a classifier of images.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise InvalidConfig(f"`onnx:FILE` must be a file, but {file} is none: correct the path")
    model, digest = _graph(file)
    session = _session(file, model)
    facts = {each.key: each.value for each in model.metadata_props}
    if size and session.side and size != session.side:
        raise InvalidConfig(
            f"`size` must be the {session.side} pixels that {file} takes, but got {size}: leave "
            f"it out"
        )
    before = _preprocessing(facts, size=session.side or size, levels=session.dtype == np.uint8)
    x = torch.zeros(2, 3, before.size, before.size)
    try:
        logits = logits_of(session(x))
    except Exception as error:
        raise broken(f"{file}, run on {before.size} px (`size` sets it),", error) from error
    return Classifier(
        name=f"onnx:{file.name}",
        forward=session,
        network_identity=digest,
        preprocessing=before,
        num_classes=logits.shape[1],
        class_names=_listed(facts),
    )


def _graph(file: Path) -> tuple[Any, str]:
    """Return the graph without its tensors, and a digest of all its bytes."""
    import onnx
    from google.protobuf.message import DecodeError

    digest = hashlib.sha256(file.read_bytes())
    try:
        model = onnx.load(str(file), load_external_data=False)
    except (DecodeError, ValueError) as error:
        raise CorruptArtifact(f"{file} must be an ONNX file, but got: {error}") from error
    if not model.graph.node:
        raise CorruptArtifact(f"{file} must be an ONNX file, but there is no graph in it")
    beside = {
        entry.value
        for tensor in model.graph.initializer
        if tensor.data_location == onnx.TensorProto.EXTERNAL
        for entry in tensor.external_data
        if entry.key == "location"
    }
    for name in sorted(beside):
        if not (file.parent / name).is_file():
            raise CorruptArtifact(
                f"{file} keeps tensors in {name}, which must lie beside it, but does not: copy "
                f"both"
            )
        digest.update((file.parent / name).read_bytes())
    return model, digest.hexdigest()


def _session(file: Path, model: Any) -> Session:
    import onnxruntime

    try:
        run = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    except Exception as error:
        raise broken(str(file), error) from error
    inputs = run.get_inputs()
    if len(inputs) != 1 or len(inputs[0].shape) != 4 or inputs[0].type not in TYPES:
        got = ", ".join(f"{each.name} {each.type} {each.shape}" for each in inputs)
        raise CorruptArtifact(
            f"{file} must take one batch of pictures, 4 axes of floats or uint8, but takes {got}: "
            f"export the classifier alone"
        )
    batch, *rest = (
        axis if isinstance(axis, int) and axis > 0 else None for axis in inputs[0].shape
    )
    channels_last = rest[0] != 3 and rest[2] == 3
    if rest[2 if channels_last else 0] not in (3, None):
        raise CorruptArtifact(
            f"{file} must take 3 channels, but takes {inputs[0].shape}: export it so"
        )
    sides = {side for side in (rest[:2] if channels_last else rest[1:]) if side}
    if len(sides) > 1:
        raise CorruptArtifact(f"{file} must take squares, but takes {inputs[0].shape}")
    output = _output(run, file)
    return Session(
        run=run,
        input=inputs[0].name,
        output=output,
        dtype=TYPES[inputs[0].type],
        channels_last=channels_last,
        batch=batch,
        side=sides.pop() if sides else None,
        probabilities=any(
            node.op_type == "Softmax" and output in node.output for node in model.graph.node
        ),
    )


def _output(run: Any, file: Path) -> str:
    """Return the name of the logits: the output called so, else the first of floats."""
    floats = [each.name for each in run.get_outputs() if each.type in TYPES]
    if not floats:
        raise CorruptArtifact(f"{file} must put out floats, but puts out none: export its logits")
    return "logits" if "logits" in floats else str(floats[0])


def _preprocessing(facts: Mapping[str, str], *, size: int | None, levels: bool) -> Preprocessing:
    """Return what the metadata say, and for what they do not the usual."""
    usual = adjusted(Preprocessing(), size=size or FREE)
    if levels:
        return adjusted(usual, mean=(0.0, 0.0, 0.0), std=(1 / 255, 1 / 255, 1 / 255))
    try:
        mean, std = (three(json.loads(facts[key])) for key in ("mean", "std"))
        side = size or int(facts["image_size"])
        order: Any = facts.get("channel_order", "RGB")
        return Preprocessing(
            size=side,
            resize=side,
            fit="stretch",
            mean=mean,
            std=std,
            channels=order,
        )
    except (KeyError, ValueError, TypeError):  # written by somebody else
        return usual


def _listed(facts: Mapping[str, str]) -> tuple[str, ...] | None:
    try:
        return tuple(str(name) for name in json.loads(facts["class_names"]))
    except (KeyError, ValueError, TypeError):
        return None
