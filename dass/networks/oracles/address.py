"""Oracles by their addresses: `torchvision:NAME`, `timm:NAME`, `huggingface:FOLDER`, `onnx:FILE`.

Knows what each kind of address is called and what may be said besides; each kind is read by a
module of its own, which is imported when it is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from dass.errors import InvalidConfig, UnknownName
from dass.networks.oracles.oracle import Classifier
from dass.networks.oracles.preprocessing import Interpolation, Three, adjusted

KINDS = {
    "torchvision": "torchvision:NAME",
    "timm": "timm:NAME",
    "huggingface": "huggingface:FOLDER",
    "onnx": "onnx:FILE",
}
"""How an address of each kind is written."""

ARCHIVE = (
    "`export:FILE` must not be read, since an archive of torch.export is a program: loading it "
    "evaluates expressions that it holds and may unpickle, so it could run any code, and torch "
    "has no restricted loader for it. Where you trust {file}, make ONNX of it and give "
    "`onnx:teacher.onnx`: `torch.onnx.export(torch.export.load({file!r}), f='teacher.onnx', "
    "dynamo=True)`"
)


def load_oracle(
    address: str,
    *,
    weights: str | Path | None = None,
    classes: Sequence[str] | Path | None = None,
    num_classes: int | None = None,
    size: int | None = None,
    resize: int | None = None,
    fit: Literal["crop", "stretch"] | None = None,
    interpolation: Interpolation | None = None,
    mean: Three | None = None,
    std: Three | None = None,
    channels: Literal["RGB", "BGR"] | None = None,
) -> Classifier:
    """Load a classifier of any architecture, with the preprocessing that it was trained with.

    Args:
        address: `torchvision:NAME`, `timm:NAME`, `huggingface:FOLDER` or `onnx:FILE`.
        weights: A safetensors file, for the first two kinds. `dass convert` makes one of a
            checkpoint.
        classes: Names of its outputs in their order, or a file of them, one a line; by default
            those that the teacher itself names, if any.
        num_classes: Its outputs; read off the weights if None.
        size: Rows and columns of its input, in pixels; alone it means that nothing is cut off.
        resize: Pixels that the shorter side is resized to before the centre is cut out.
        fit: What becomes of pictures that are not square.
        interpolation: How pictures are resized.
        mean: Subtracted from each channel of 0..1.
        std: Divides each channel afterwards.
        channels: Order of the channels in its input.

    Raises:
        UnknownName: The address is of no known kind, or its library has no such network.
        InvalidConfig: A setting is out of range or missing, a file is not there, or the optional
            package that reads it is not installed.
        CorruptArtifact: What is there is no whole classifier, or has other classes.
    """
    found = _read(address, weights=weights, num_classes=num_classes, size=size)
    if num_classes is not None and num_classes != found.num_classes:
        raise InvalidConfig(
            f"`num_classes` must be the {found.num_classes} outputs of {found.name}, but got "
            f"{num_classes}: leave it out"
        )
    before = adjusted(
        found.preprocessing,
        size=size,
        resize=resize,
        fit=fit,
        interpolation=interpolation,
        mean=mean,
        std=std,
        channels=channels,
    )
    names = found.class_names if classes is None else _names(classes)
    return replace(found, preprocessing=before, class_names=names)


def _read(
    address: str, *, weights: str | Path | None, num_classes: int | None, size: int | None
) -> Classifier:
    kind, _, place = address.partition(":")
    if kind == "export" and place:
        raise InvalidConfig(ARCHIVE.format(file=place))
    if kind not in KINDS or not place:
        raise UnknownName(
            f"a teacher must be one of {', '.join(KINDS.values())}, but got {address!r}: write "
            f"`torchvision:resnet18`, say"
        )
    if kind == "onnx" and weights is not None:
        raise InvalidConfig(
            f"weights of `onnx:FILE` must be in the file, but got {weights} besides: leave "
            f"`weights` out"
        )
    if kind == "onnx":
        from dass.networks.oracles.onnx_files import onnx_classifier

        return onnx_classifier(place, size=size)
    if kind == "huggingface":
        from dass.networks.oracles.huggingface import huggingface_classifier

        return huggingface_classifier(place, weights=weights)
    from dass.networks.oracles import model_zoos

    make = {"torchvision": model_zoos.torchvision_classifier, "timm": model_zoos.timm_classifier}
    return make[kind](place, weights=weights, num_classes=num_classes)


def _names(classes: Sequence[str] | Path) -> tuple[str, ...]:
    """Return the names of the outputs; of a file its lines that are not empty."""
    if isinstance(classes, str | Path):
        try:
            lines = Path(classes).expanduser().read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidConfig(
                f"`classes` must be a file of names, UTF-8, one a line, but {error}: correct it"
            ) from error
        classes = [line.strip() for line in lines if line.strip()]
    names = tuple(classes)
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InvalidConfig(
            f"`classes` must name each output by a name of its own, but {twice!r} is there "
            f"twice: rename one"
        )
    return names
