"""Networks of torchvision and of timm by their names, with a user's weights in them.

Nothing is downloaded. Both libraries are imported when they are needed. Knows nothing of images.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from dass.errors import InvalidConfig, UnknownName
from dass.networks.oracles import module_weights
from dass.networks.oracles.oracle import Classifier, module_digest
from dass.networks.oracles.preprocessing import Preprocessing, three

AUXILIARY = {"googlenet": "aux", "inception_v3": "AuxLogits"}
"""Networks of torchvision with further heads for training, and how the names of these begin."""


def torchvision_classifier(
    name: str, *, weights: str | Path | None, num_classes: int | None
) -> Classifier:
    """Return a classifier of `torchvision.models`, its preprocessing that of its own weights.

    Raises:
        UnknownName: There is no such classifier.
        InvalidConfig: No weights are given.
        CorruptArtifact: They are of another network or head.
    """
    from torchvision import models

    known = models.list_models(module=models)
    _check(name, known, kind="torchvision")
    tensors = _given(weights, kind="torchvision", name=name)
    builder = models.get_model_builder(name)
    fixed: dict[str, Any] = {}
    if name in AUXILIARY:
        aux = any(AUXILIARY[name] in each for each in tensors)
        fixed = {"init_weights": False, "aux_logits": aux}

    def build(classes: int) -> nn.Module:
        network: nn.Module = builder(weights=None, num_classes=classes, **fixed)
        return network

    # The first published weights: trained with the usual crop, as people fine-tune.
    preset = next(iter(models.get_model_weights(name))).transforms()
    before = Preprocessing(
        size=preset.crop_size[0],
        resize=max(preset.resize_size[0], preset.crop_size[0]),
        interpolation=preset.interpolation.value,
        mean=three(preset.mean),
        std=three(preset.std),
    )
    return _classifier(
        build, tensors, name=f"torchvision:{name}", num_classes=num_classes, before=before
    )


def timm_classifier(
    name: str, *, weights: str | Path | None, num_classes: int | None
) -> Classifier:
    """Return a classifier of timm, its preprocessing that of the name's own configuration.

    Raises:
        InvalidConfig: timm is not installed, or no weights are given.
        UnknownName: There is no such classifier.
        CorruptArtifact: They are of another network or head.
    """
    try:
        import timm
    except ImportError as error:
        raise module_weights.missing_extra("timm", "timm", error) from error
    architecture = name.partition(".")[0]
    _check(architecture, timm.list_models(), kind="timm")
    tensors = _given(weights, kind="timm", name=name)

    def build(classes: int) -> nn.Module:
        network: nn.Module = timm.create_model(name, pretrained=False, num_classes=classes)
        return network

    return _classifier(
        build, tensors, name=f"timm:{name}", num_classes=num_classes, before=_timm_preset
    )


def _timm_preset(network: nn.Module) -> Preprocessing:
    import timm

    facts = timm.data.resolve_data_config({}, model=network)
    channels, size, _ = facts["input_size"]
    if channels != 3:
        raise InvalidConfig(f"a teacher must take 3 channels, but this one takes {channels}")
    kind = facts["interpolation"]
    return Preprocessing(
        size=size,
        resize=max(size, int(size / facts["crop_pct"])),
        fit="stretch" if facts.get("crop_mode") == "squash" else "crop",
        interpolation=kind if kind in ("nearest", "bilinear", "bicubic") else "bicubic",
        mean=three(facts["mean"]),
        std=three(facts["std"]),
    )


def _classifier(
    build: module_weights.Build,
    tensors: Mapping[str, Tensor],
    *,
    name: str,
    num_classes: int | None,
    before: Preprocessing | Callable[[nn.Module], Preprocessing],
) -> Classifier:
    network, classes = module_weights.filled(
        build, tensors, num_classes=num_classes, what=name, where="the given file"
    )
    return Classifier(
        name=name,
        forward=network,
        network_identity=module_digest(network),
        preprocessing=before if isinstance(before, Preprocessing) else before(network),
        num_classes=classes,
    )


def _check(name: str, known: Sequence[str], *, kind: str) -> None:
    if name not in known:
        close = difflib.get_close_matches(name, known, n=3) or ["resnet18"]
        raise UnknownName(
            f"a teacher `{kind}:NAME` must name a classifier of {kind}, but got {name!r}: try "
            f"{', '.join(close)}"
        )


def _given(weights: str | Path | None, *, kind: str, name: str) -> dict[str, Tensor]:
    if weights is None:
        raise InvalidConfig(
            f"a teacher `{kind}:{name}` must have weights, but got none, and nothing is "
            f"downloaded: give the file of yours, `--weights FILE.safetensors`"
        )
    return module_weights.read(weights)
