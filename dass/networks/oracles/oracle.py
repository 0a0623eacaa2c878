"""Oracles: what gives logits for pictures, with a preprocessing of its own.

Knows nothing of where networks come from, of tasks, or of training.

Letters in shapes: n images, h rows, w columns, s rows and columns of a square image, k classes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from dass.errors import CorruptArtifact, InvalidConfig
from dass.networks.oracles.preprocessing import Preprocessing

BATCH = 32
"""Pictures that a network is given at a time."""

Forward = Callable[[Tensor], Any]
"""A network as a function: preprocessed pictures to what it puts out."""


@runtime_checkable
class Oracle(Protocol):
    """A classifier of any architecture. `dass.testing.OracleContract` has what it must hold."""

    @property
    def name(self) -> str:
        """What it is called in reports."""
        ...

    @property
    def identity(self) -> str:
        """A digest that changes when its logits may: it names what is kept of them."""
        ...

    @property
    def preprocessing(self) -> Preprocessing:
        """What becomes of a picture before the network sees it."""
        ...

    @property
    def num_classes(self) -> int:
        """Number of its outputs."""
        ...

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """Names of its outputs, in their order, where they are known."""
        ...

    def logits(self, images: UInt8[Tensor, "n 3 h w"]) -> Float[Tensor, "n k"]:
        """Return finite logits, float32, one row per picture, on the pictures' device."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Classifier:
    """An oracle made of a network and a preprocessing."""

    name: str
    """What it is called in reports."""
    forward: Forward
    """Preprocessed pictures to logits; its `.logits` or first part is taken where it is more. An
    `nn.Module` is put in eval mode and left there."""
    network_identity: str
    """Digest of the network alone."""
    preprocessing: Preprocessing
    """What becomes of a picture before."""
    num_classes: int
    """Outputs that are given."""
    class_names: tuple[str, ...] | None = None
    """Names of these outputs, in their order."""
    columns: tuple[int, ...] | None = None
    """Which outputs of the network are given, in which order; None for all as they are."""

    def __post_init__(self) -> None:
        """Check the names.

        Raises:
            InvalidConfig: There are more or fewer than outputs, or two are alike.
        """
        names = self.class_names
        if names is not None and len(names) != self.num_classes:
            raise InvalidConfig(
                f"class names must be as many as the {self.num_classes} outputs of {self.name}, "
                f"but got {len(names)}: give one for each output, in their order"
            )

    @property
    def identity(self) -> str:
        """A digest of network, preprocessing and order of the outputs."""
        text = f"{self.network_identity} {self.preprocessing} {self.columns}"
        return hashlib.sha256(text.encode()).hexdigest()

    def logits(self, images: UInt8[Tensor, "n 3 h w"]) -> Float[Tensor, "n k"]:
        """Return logits for pictures of any size; the network sees `BATCH` at a time.

        Raises:
            CorruptArtifact: The network puts out something else than finite logits.
        """
        device = _ready(self.forward, images)
        with torch.no_grad():
            rows = [
                self._checked(self.forward(self.preprocessing(part.to(device))), len(part))
                for part in torch.split(images, BATCH)
                if len(part)
            ]
        if not rows:
            return torch.empty(0, self.num_classes, device=images.device)
        return torch.cat(rows).to(images.device)

    def with_preprocessing(self, preprocessing: Preprocessing) -> Classifier:
        """Return the same network behind another preprocessing."""
        return replace(self, preprocessing=preprocessing)

    def with_outputs(
        self, columns: Sequence[int], *, class_names: Sequence[str] | None = None
    ) -> Classifier:
        """Return the same network with these of its outputs, in this order."""
        own = tuple(range(self.num_classes)) if self.columns is None else self.columns
        return replace(
            self,
            columns=tuple(own[column] for column in columns),
            num_classes=len(columns),
            class_names=None if class_names is None else tuple(class_names),
        )

    def _checked(self, output: Any, count: int) -> Float[Tensor, "n k"]:
        logits = logits_of(output)
        given = tuple(logits.shape)
        if logits.ndim != 2 or len(logits) != count or not logits.is_floating_point():
            raise CorruptArtifact(
                f"{self.name} must put out one row of logits per picture, but gave {given} for "
                f"{count} pictures: give a classifier of images"
            )
        if self.columns is not None:
            logits = logits[:, list(self.columns)]
        if logits.shape[1] != self.num_classes:
            raise CorruptArtifact(
                f"{self.name} must put out {self.num_classes} logits per picture, but gave "
                f"{given[1]}: give the number of classes that it has"
            )
        if not bool(torch.isfinite(logits).all()):
            raise CorruptArtifact(
                f"{self.name} must put out finite logits, but gave NaN or infinity: check its "
                f"weights and its mean and std ({self.preprocessing.mean}, "
                f"{self.preprocessing.std})"
            )
        return logits.float()


def classifier_of(
    network: Forward,
    *,
    name: str = "",
    preprocessing: Preprocessing | None = None,
    class_names: Sequence[str] | None = None,
) -> Classifier:
    """Make an oracle of a network in Python: a module, or any function of a batch.

    Args:
        network: Preprocessed pictures to logits.
        name: What it is called in reports; by default that of its class or function.
        preprocessing: What it expects; the usual one of torchvision if None.
        class_names: Names of its outputs, in their order.

    Raises:
        CorruptArtifact: It gives no logits for a picture.
    """
    name = name or getattr(network, "__name__", type(network).__name__)
    before = preprocessing or Preprocessing()
    pictures = probe(before.size)
    made = Classifier(
        name=name,
        forward=network,
        network_identity="",
        preprocessing=before,
        num_classes=_count_outputs(network, before(pictures), name=name),
        class_names=None if class_names is None else tuple(class_names),
    )
    digest = (
        module_digest(network)
        if isinstance(network, nn.Module)
        else _digest(made.logits(pictures))
    )
    return replace(made, network_identity=digest)


def logits_of(output: Any) -> Tensor:
    """Return the logits among what a network puts out: a tensor, its `.logits` or the first."""
    if isinstance(output, dict):
        output = output.get("logits", next(iter(output.values()), None))
    output = getattr(output, "logits", output)
    if isinstance(output, tuple | list) and output:
        output = output[0]
    if not isinstance(output, Tensor):
        raise CorruptArtifact(
            f"an oracle must put out a tensor of logits, but gave {type(output).__name__}: wrap "
            f"it in a function that returns the logits"
        )
    return output


def module_digest(module: nn.Module) -> str:
    """Return the SHA-256 of a module's class and of all its tensors under their names."""
    found = hashlib.sha256(type(module).__qualname__.encode())
    for name, tensor in sorted(module.state_dict().items()):
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        found.update(_bytes(tensor))
    return found.hexdigest()


def probe(size: int) -> UInt8[Tensor, "2 3 s s"]:
    """Return two pictures of noise, always the same, to try a network on."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (2, 3, size, size), generator=generator, dtype=torch.uint8)


def _count_outputs(network: Forward, x: Float[Tensor, "2 3 s s"], *, name: str) -> int:
    with torch.no_grad():
        logits = logits_of(network(x.to(_ready(network, x))))
    if logits.ndim != 2 or len(logits) != 2:
        raise CorruptArtifact(
            f"{name} must put out one row of logits per picture, but gave {tuple(logits.shape)} "
            f"for 2 pictures: give a classifier of images"
        )
    return logits.shape[1]


def _ready(network: Forward, images: Tensor) -> torch.device:
    """Put a module in eval mode; return the device that a network takes its input on."""
    if not isinstance(network, nn.Module):
        return images.device
    network.eval()
    first = next(iter(network.parameters()), None)
    return images.device if first is None else first.device


def _digest(tensor: Tensor) -> str:
    return hashlib.sha256(_bytes(tensor)).hexdigest()


def _bytes(tensor: Tensor) -> bytes:
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""
