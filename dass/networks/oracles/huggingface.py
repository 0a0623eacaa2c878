"""Image classifiers as Hugging Face saves them: a folder with config, weights and preprocessor.

Nothing is downloaded, no code of the folder is run, no pickle is read. `transformers` is imported
when it is needed. Knows nothing of images.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from dass.errors import CorruptArtifact, InvalidConfig
from dass.networks.oracles import module_weights
from dass.networks.oracles.oracle import Classifier, module_digest
from dass.networks.oracles.preprocessing import Interpolation, Preprocessing

CONFIG, PREPROCESSOR = "config.json", "preprocessor_config.json"

RESAMPLE: Mapping[int, Interpolation] = {0: "nearest", 2: "bilinear", 3: "bicubic"}
"""Pillow's numbers of the ways to resize."""

TOLERANCE = 0.05
"""Largest difference from the input that the folder's own processor makes, in units of it."""


def huggingface_classifier(path: str, *, weights: str | Path | None) -> Classifier:
    """Return the classifier of a local folder.

    Raises:
        InvalidConfig: `transformers` is not installed, or there is no such folder.
        CorruptArtifact: It holds no whole image classifier, or one that needs its own code.
    """
    folder = Path(path).expanduser()
    if not (folder / CONFIG).is_file():
        raise InvalidConfig(
            f"`huggingface:FOLDER` must be a local folder with {CONFIG}, but {folder} is none; "
            f"nothing is downloaded: save it there first, `model.save_pretrained(FOLDER)` and "
            f"`processor.save_pretrained(FOLDER)`"
        )
    if weights is not None:
        raise InvalidConfig(
            f"weights of `huggingface:FOLDER` must lie in the folder, but got {weights} besides: "
            f"leave `weights` out"
        )
    _check_safetensors(folder)
    network = _network(folder)
    return Classifier(
        name=f"huggingface:{folder.name}",
        forward=network,
        network_identity=module_digest(network),
        preprocessing=_preprocessing(folder),
        num_classes=int(network.config.num_labels),
        class_names=_names(network.config.id2label, int(network.config.num_labels)),
    )


def _check_safetensors(folder: Path) -> None:
    if any(folder.glob("*.safetensors")):
        return
    pickles = sorted(folder.glob("*.bin"))
    advice = f": `dass convert {pickles[0]} {folder}/model.safetensors`" if pickles else ""
    raise CorruptArtifact(
        f"weights of {folder} must be safetensors, but there are "
        f"{'only pickles, which could run any code' if pickles else 'none'}{advice}"
    )


def _network(folder: Path) -> Any:
    try:
        from transformers import AutoModelForImageClassification
    except ImportError as error:
        raise module_weights.missing_extra("transformers", "huggingface", error) from error
    try:
        network, found = AutoModelForImageClassification.from_pretrained(
            folder,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=torch.float32,
            output_loading_info=True,
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise module_weights.broken(str(folder), error) from error
    lacking = [*found["missing_keys"], *(str(each) for each in found["mismatched_keys"])]
    if lacking:
        raise CorruptArtifact(
            f"weights of {folder} must be a whole image classifier's, but {len(lacking)} tensors "
            f"are missing or of another shape, {sorted(lacking)[0]} say: save the network that "
            f"was fine-tuned, with its head"
        )
    return network.eval()


def _names(id2label: Mapping[int, str] | None, count: int) -> tuple[str, ...] | None:
    """Return the names of the outputs; none where they are the library's placeholders."""
    names = tuple(str((id2label or {}).get(place, "")) for place in range(count))
    if not all(names) or all(re.fullmatch(r"LABEL_\d+", name) for name in names):
        return None
    return names


def _preprocessing(folder: Path) -> Preprocessing:
    path = folder / PREPROCESSOR
    try:
        facts = json.loads(path.read_text())
        found = preprocessing_of(facts)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise CorruptArtifact(
            f"{path} must tell size, mean and std, but {type(error).__name__}: {error}. Save it, "
            f"`processor.save_pretrained(FOLDER)`"
        ) from error
    _check_against_processor(folder, found)
    return found


def preprocessing_of(facts: Mapping[str, Any]) -> Preprocessing:
    """Return the preprocessing that the values of a `preprocessor_config.json` describe.

    Raises:
        ValueError: A size is not square, or a way to resize is unknown.
    """
    sizes = facts.get("size")
    shortest = sizes.get("shortest_edge") if isinstance(sizes, Mapping) else None
    resize = int(shortest or _side(sizes))
    size = resize
    if facts.get("do_center_crop"):
        size = _side(facts.get("crop_size", resize))
    elif shortest and resize < 384 and facts.get("crop_pct"):  # ConvNeXt cuts below 384 px only
        size, resize = resize, int(resize / facts["crop_pct"])
    scale = float(facts.get("rescale_factor", 1 / 255)) if facts.get("do_rescale", True) else 1.0
    mean, std = [0.0] * 3, [1.0] * 3
    if facts.get("do_normalize", "image_mean" in facts):
        mean, std = facts["image_mean"], facts["image_std"]
    levels = 255 * scale  # the network gets (levels * scale - mean) / std; here levels are 0..1
    return Preprocessing(
        size=size,
        resize=resize,
        fit="crop" if shortest else "stretch",
        interpolation=RESAMPLE[int(facts.get("resample", 2))],
        mean=(mean[0] / levels, mean[1] / levels, mean[2] / levels),
        std=(std[0] / levels, std[1] / levels, std[2] / levels),
        channels="BGR" if facts.get("do_flip_channel_order") else "RGB",
    )


def _side(size: Any) -> int:
    if isinstance(size, Mapping):
        if size["height"] != size["width"]:
            raise ValueError(f"square pictures are needed, but its size is {dict(size)}")
        return int(size["height"])
    return int(size)


def _check_against_processor(folder: Path, found: Preprocessing) -> None:
    """Raise unless the folder's own processor makes the same input of a picture."""
    from transformers import AutoImageProcessor

    try:
        processor = AutoImageProcessor.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise module_weights.broken(f"{folder}/{PREPROCESSOR}", error) from error
    ramp = torch.linspace(0, 255, found.resize)
    picture = torch.stack([ramp.expand(len(ramp), -1), ramp[:, None].expand(-1, len(ramp)),
                           (ramp[:, None] + ramp) / 2])[None].to(torch.uint8)  # fmt: skip
    theirs = processor(images=picture[0].permute(1, 2, 0).numpy(), return_tensors="pt")
    ours, wanted = found(picture), theirs["pixel_values"].float()
    if ours.shape != wanted.shape or float((ours - wanted).abs().max()) > TOLERANCE:
        raise CorruptArtifact(
            f"{folder}/{PREPROCESSOR} must describe a resize, a crop, a mean and a std, but its "
            f"processor ({type(processor).__name__}) does something else: export the network "
            f"with its preprocessing as ONNX, and give `onnx:FILE`"
        )
